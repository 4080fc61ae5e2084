"""The contract of a training mode: it names groups of networks and yields updates of them.

The loop knows no mode. A mode is a frozen dataclass whose fields are its flags; it computes only
the losses that it needs. ``e2e.py`` is the shortest. ``ModeOf`` and ``NetworksOf`` leave open
which model is trained; ``TrainingMode`` and ``Networks`` are those of the hierarchical model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import ClassVar, Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from farframe.config import ModelConfig, check
from farframe.models.hierarchical import HierarchicalModel
from farframe.types import Batch

M = TypeVar("M", bound=nn.Module)
C = TypeVar("C")


def same(x: Tensor) -> Tensor:
    """What a mean over the processes of a training is where there is one: what it is given."""
    return x


class NetworksOf(nn.Module, Generic[M]):
    """All that is trained: the model, and what the mode needs besides (``extra_networks``).

    ``mean_over_processes`` makes a mean over this process's clips one over all clips of the batch,
    also for the gradient; alone it returns what it is given. A loss that is a mean over clips needs
    it not: gradients are averaged anyway. One that divides by statistics of the batch does.
    """

    def __init__(
        self,
        model: M,
        extra: dict[str, nn.Module],
        mean_over_processes: Callable[[Tensor], Tensor] = same,
    ) -> None:
        super().__init__()
        self.model = model
        self.extra = nn.ModuleDict(extra)
        self.mean_over_processes = mean_over_processes


Networks = NetworksOf[HierarchicalModel]


@dataclass(frozen=True)
class Group:
    """Modules that one optimizer moves, and its learning rate. Groups may overlap."""

    modules: tuple[nn.Module, ...]
    lr: float
    clip: bool = True

    def parameters(self) -> Iterator[nn.Parameter]:
        """Trainable parameters, each once."""
        seen: set[int] = set()
        for module in self.modules:
            for parameter in module.parameters():
                if parameter.requires_grad and id(parameter) not in seen:
                    seen.add(id(parameter))
                    yield parameter


@dataclass(frozen=True)
class Update:
    """One optimizer step to take: minimise the weighted sum of ``losses`` over ``group``."""

    group: str
    losses: dict[str, Float[Tensor, ""]]
    weights: dict[str, float | Float[Tensor, ""]]

    def total(self) -> Float[Tensor, ""]:
        """The weighted sum."""
        assert self.losses.keys() == self.weights.keys()
        terms = [self.weights[name] * loss for name, loss in self.losses.items()]
        return torch.stack(terms).sum() if len(terms) > 1 else terms[0]


@dataclass(frozen=True, kw_only=True)
class ModeOf(ABC, Generic[M, C]):
    """How the networks of a model ``M`` with configuration ``C`` are trained together."""

    tag: ClassVar[str]
    trains: ClassVar[type]
    """``C``, the class of the configuration of the model that the mode trains."""
    pose_numbers: ClassVar[int] = 0
    """``pose_dim`` of a mode that needs poses of one kind alone."""
    leaves: ClassVar[tuple[str, ...]] = ()
    """Networks of the model that the mode doesn't train."""
    encodes_poses: ClassVar[bool] = False
    """Whether encodings are poses, so that ``model.enc_size`` must be ``pose_dim``."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                check(value >= 0, f"mode.{field.name}", value, "must be >= 0")

    @property
    def pose_dim(self) -> int:
        """Numbers of a pose that the mode needs of every frame (0: none)."""
        return self.pose_numbers

    @property
    def turns(self) -> int:
        """Iterations in which every group has its update: above 1 where updates alternate.

        The original counts them as one step. The first is the one that takes most memory.
        """
        return 1

    @property
    def whole_batch(self) -> str:
        """The field that makes losses depend on the batch as a whole; empty if there is none.

        Else they are means over clips, and gradients of parts of a batch add up to those of all.
        """
        return ""

    def check_model(self, model_config: object) -> None:
        """Refuse the configuration of a model that the mode can't train.

        Raises:
            ValueError: naming the field that doesn't fit.
        """
        check(
            isinstance(model_config, self.trains),
            "mode",
            self.tag,
            f"trains models of {self.trains.__name__}, not of {type(model_config).__name__}: "
            "choose a preset of such a model, or another mode",
        )

    def check_clips(self, sequence_length: int) -> None:
        """Refuse clips of too few frames for the mode; any will do unless a mode says otherwise.

        Raises:
            ValueError: naming the field that doesn't fit.
        """
        del sequence_length

    @abstractmethod
    def build(self, model_config: C) -> M:
        """The model with random weights."""

    def networks(
        self, model_config: C, mean_over_processes: Callable[[Tensor], Tensor] = same
    ) -> NetworksOf[M]:
        """All that is trained, with random weights."""
        model = self.build(model_config)
        return NetworksOf(model, self.extra_networks(model_config), mean_over_processes)

    @abstractmethod
    def groups(self, nets: NetworksOf[M]) -> dict[str, Group]:
        """Name -> modules and learning rate, one optimizer each."""

    def extra_networks(self, model_config: C) -> dict[str, nn.Module]:
        """Networks this mode trains besides the model's own."""
        del model_config
        return {}

    @abstractmethod
    def updates(self, nets: NetworksOf[M], batch: Batch, step: int) -> list[Update]:
        """The updates of iteration ``step``, a pure function of its arguments and torch's RNG."""


@dataclass(frozen=True, kw_only=True)
class TrainingMode(ModeOf[HierarchicalModel, ModelConfig]):
    """How encoder, predictor and decoder are trained together."""

    trains: ClassVar[type] = ModelConfig

    def build(self, model_config: ModelConfig) -> HierarchicalModel:
        """Encoder, predictor and decoder."""
        return HierarchicalModel(model_config)

    def check_model(self, model_config: object) -> None:
        """Encodings must have room for the poses that the mode needs."""
        super().check_model(model_config)
        assert isinstance(model_config, ModelConfig)
        size, pose = model_config.enc_size, self.pose_dim
        check(
            size == pose if self.encodes_poses else size >= pose,
            "model.enc_size",
            size,
            f"must be {pose}{'' if self.encodes_poses else ' or more'} in mode {self.tag}, where "
            f"encodings hold poses of {pose} numbers",
        )
