"""What ``farframe bench`` compares of training: a step of each mode against the yardstick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn

from farframe.bench_stepwise import yardstick
from farframe.bench_ways import Contest, Way, Work, random_model
from farframe.config import ModelConfig, TrainConfig
from farframe.models.hierarchical import HierarchicalModel
from farframe.modes import MODES, Mode, Networks
from farframe.presets import PRESETS
from farframe.training.updates import apply_updates, make_optimizers
from farframe.types import Batch

ENC_SIZE, ACTION, POSE = 32, 5, 12


@dataclass(frozen=True)
class Setting:
    """A training step to take: networks, mode, and the size of the batch."""

    name: str
    model: ModelConfig
    mode: Mode
    clips: int
    frames: int

    def batch(self) -> Batch:
        """Random frames, actions and poses."""
        size = self.model.frame_size
        return Batch(
            frames=torch.rand(self.clips, self.frames, 3, size, size),
            actions=torch.randn(self.clips, self.frames, self.model.action_dim),
            poses=torch.randn(self.clips, self.frames, self.mode.pose_dim),
            ids=("random",) * self.clips,
        )


def settings(model: ModelConfig, work: Work) -> Iterator[Setting]:
    """Every mode on data of each kind that has what the mode needs; then the small presets."""
    for name, clips, frames, context in work.steps:
        action = ACTION if name == "robot" else 0
        for tag, kind in MODES.items():
            mode = kind()
            if mode.pose_dim and not action:
                continue
            size = POSE if mode.encodes_poses else ENC_SIZE
            config = replace(model, enc_size=size, action_dim=action, context_frames=context)
            yield Setting(f"{name}-{tag}", config, mode, clips, frames)
    for name in work.presets:
        run = PRESETS[name].config
        sizes, mode = run.hierarchical()
        yield Setting(name, sizes, mode, run.data.batch_size, run.data.sequence_length)


def training(setting: Setting, device: torch.device) -> Contest:
    """A step as the original takes it, and as farframe does; both give their losses.

    Learning rates are 0: Adam computes all that it does, and every turn starts from one point.
    """
    mode = still(setting.mode)
    model = random_model(setting.model).to(device).train()
    batch = setting.batch().to(device)
    extra = mode.extra_networks(setting.model)
    folded, stepwise = (training_step(mode, m, batch, extra) for m in (model, yardstick(model)))
    title = f"train {setting.name}, {setting.clips} clips x {setting.frames}"
    ways = {
        "one frame at a time": Way(stepwise),
        "all frames at once": Way(folded, lambda x: x),
    }
    return Contest(f"step-{setting.name}", title, ways)


def still(mode: Mode) -> Mode:
    """The mode with learning rates of 0."""
    rates = [f.name for f in fields(mode) if f"_{f.name}".endswith("_lr")]
    return replace(mode, **dict.fromkeys(rates, 0.0))


def training_step(
    mode: Mode, model: HierarchicalModel, batch: Batch, extra: dict[str, nn.Module] | None = None
) -> Callable[[], Tensor]:
    """A function that takes a step of ``mode`` and returns its losses.

    ``extra`` are the mode's own networks, made anew if they are not given.

    Modes with networks of their own alternate: of them it takes the first two iterations.
    """
    extra = mode.extra_networks(model.config) if extra is None else extra
    nets = Networks(model, extra).to(model.device)
    groups, train = mode.groups(nets), TrainConfig()
    optimizers = make_optimizers(groups, (train.beta1, train.beta2), train.eps)
    iterations = 2 if len(nets.extra) else 1

    def step() -> Tensor:
        losses: list[Tensor] = []
        torch.manual_seed(0)  # noise, the same for all ways
        for iteration in range(iterations):
            updates = mode.updates(nets, batch, iteration)
            apply_updates(updates, groups, optimizers, train=train, step=iteration)
            losses += [loss.detach() for u in updates for loss in u.losses.values()]
        return torch.stack(losses)

    return step
