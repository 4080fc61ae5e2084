"""The contract of a training mode: it names groups of networks and yields updates of them.

The loop knows no mode. A mode is a frozen dataclass whose fields are its flags; it computes only
the losses that it needs. ``e2e.py`` is the shortest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from farframe.config import ModelConfig, check
from farframe.models.hierarchical import HierarchicalModel
from farframe.types import Batch


def _same(x: Tensor) -> Tensor:
    return x


class Networks(nn.Module):
    """All that is trained: the model, and what the mode needs besides (``extra_networks``).

    ``mean_over_processes`` makes a mean over this process's clips one over all clips of the batch,
    also for the gradient; alone it returns what it is given. A loss that is a mean over clips needs
    it not: gradients are averaged anyway. One that divides by statistics of the batch does.
    """

    def __init__(
        self,
        model: HierarchicalModel,
        extra: dict[str, nn.Module],
        mean_over_processes: Callable[[Tensor], Tensor] = _same,
    ) -> None:
        super().__init__()
        self.model = model
        self.extra = nn.ModuleDict(extra)
        self.mean_over_processes = mean_over_processes


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
class TrainingMode(ABC):
    """How the networks are trained together."""

    tag: ClassVar[str]
    pose_dim: ClassVar[int] = 0
    """Numbers of a pose that the mode needs of every frame (0: none)."""
    encodes_poses: ClassVar[bool] = False
    """Whether encodings are poses, so that ``model.enc_size`` must be ``pose_dim``."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                check(value >= 0, f"mode.{field.name}", value, "must be >= 0")

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

    def check_clips(self, sequence_length: int) -> None:
        """Refuse clips of too few frames for the mode; any will do unless a mode says otherwise.

        Raises:
            ValueError: naming the field that doesn't fit.
        """
        del sequence_length

    @abstractmethod
    def groups(self, nets: Networks) -> dict[str, Group]:
        """Name -> modules and learning rate, one optimizer each."""

    def extra_networks(self, model_config: ModelConfig) -> dict[str, nn.Module]:
        """Networks this mode trains besides the model's three."""
        del model_config
        return {}

    @abstractmethod
    def updates(self, nets: Networks, batch: Batch, step: int) -> list[Update]:
        """The updates of iteration ``step``, a pure function of its arguments and torch's RNG."""
