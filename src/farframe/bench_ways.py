"""What ``farframe bench`` compares: ways to one result, the first of them the others' yardstick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from farframe.bench_stepwise import Stepwise
from farframe.config import ModelConfig, TrainConfig
from farframe.models.hierarchical import DECODE_CHUNK, HierarchicalModel
from farframe.modes import Mode, Networks
from farframe.presets import PRESETS
from farframe.training.updates import apply_updates, make_optimizers
from farframe.types import Batch


@dataclass(frozen=True, kw_only=True)
class Work:
    """How much is done in a turn, and how often."""

    horizon: int = 1000  # of one clip
    every: int = 10  # drawn where not all are
    rollouts: int = 64  # action sequences from one clip
    rollout_steps: int = 15
    anchored: int = 64  # frames drawn to compare anchors
    clips: int = 8  # of a training step
    clip_frames: int = 20
    turns: int = 3  # times that each way is measured


@dataclass(frozen=True)
class Way:
    """A way to a result; ``part`` picks what it gives of the yardstick's values, if anything."""

    run: Callable[[], Tensor]
    part: Callable[[Tensor], Tensor] | None = None

    def difference(self, mine: Tensor, yardstick: Tensor) -> float | None:
        """The largest between its values and those of the yardstick; None if it gives others."""
        return None if self.part is None else (mine - self.part(yardstick)).abs().max().item()


@dataclass(frozen=True)
class Contest:
    """Ways to one result by their names; the first is the yardstick."""

    key: str
    title: str
    ways: dict[str, Way]


def contests(model: HierarchicalModel, work: Work) -> Iterator[Contest]:
    """All that is compared, of a model in eval mode; nothing is computed before it is asked for."""
    yield Contest("predict", f"predict {work.horizon:,} frames", _predictions(model, work))
    title = f"{work.rollouts} rollouts x {work.rollout_steps} frames"
    yield Contest("rollouts", title, _rollouts(model, work))
    yield Contest("anchor", f"draw {work.anchored} frames", _anchors(model, work))
    title = f"train on {work.clips} clips x {work.clip_frames}"
    yield Contest("step", title, _steps(model, work))


def random_model(config: ModelConfig) -> HierarchicalModel:
    """A model whose encodings tell frames apart.

    The original's random VGG shrinks its input until arithmetic is on the smallest of numbers (it
    was meant for ImageNet's weights): the encoder's convolutions get He's scale here.
    """
    model = HierarchicalModel(config).eval()
    for layer in model.encoder.features.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return model


def _predictions(model: HierarchicalModel, work: Work) -> dict[str, Way]:
    context, horizon, k = model.config.context_frames, work.horizon, work.every
    frames = torch.rand(1, context, *_picture(model))
    actions = torch.randn(1, context + horizon - 1, model.config.action_dim)

    def draw(every: int = 1, at: list[int] | None = None) -> Tensor:
        return model.predict(frames, actions, horizon=horizon, every=every, at=at).frames

    return {
        "draw all frames": Way(draw),
        f"draw every {k}th": Way(lambda: draw(every=k), lambda x: x[:, k - 1 :: k]),
        f"draw frame {horizon:,} alone": Way(lambda: draw(at=[horizon]), lambda x: x[:, -1:]),
    }


@torch.no_grad()
def _rollouts(model: HierarchicalModel, work: Work) -> dict[str, Way]:
    """The planner's question: many futures of one context, which is encoded beforehand."""
    count, steps, context = work.rollouts, work.rollout_steps, model.config.context_frames
    frames = torch.rand(1, context, *_picture(model)).to(model.device)
    shape = (count, context + steps - 1, model.config.action_dim)
    actions = torch.randn(shape).to(model.device)
    enc = model.encode(frames)
    anchor = model.anchor(frames[:, 0], enc[:, 0]).repeat(count)
    enc = enc.expand(count, -1, -1)

    @torch.no_grad()
    def roll(drawn: int) -> Tensor:
        enc_pred = model.rollout(enc, actions, context_frames=context, horizon=steps).enc_pred
        if not drawn:
            return enc_pred
        chunks = enc_pred[:, -drawn:].split(max(1, DECODE_CHUNK // count), 1)  # as predict does
        return torch.cat([model.decode(anchor, chunk).frames for chunk in chunks], 1)

    return {
        "draw all frames": Way(lambda: roll(steps)),
        "draw the last ones": Way(lambda: roll(1), lambda x: x[:, -1:]),
        "draw none": Way(lambda: roll(0)),
    }


@torch.no_grad()
def _anchors(model: HierarchicalModel, work: Work) -> dict[str, Way]:
    count = work.anchored
    enc = model.encode(torch.rand(1, 1 + count, *_picture(model)).to(model.device))
    first, first_enc, enc = torch.rand(1, *_picture(model)).to(model.device), enc[:, 0], enc[:, 1:]

    @torch.no_grad()
    def anew() -> Tensor:
        anchor = model.anchor(first.expand(count, -1, -1, -1), first_enc.expand(count, -1))
        return model.decode(anchor, enc.transpose(0, 1)).frames.transpose(0, 1)

    @torch.no_grad()
    def once() -> Tensor:
        return model.decode(model.anchor(first, first_enc), enc).frames

    return {"anchor anew each": Way(anew), "anchor once": Way(once, lambda x: x)}


def _steps(model: HierarchicalModel, work: Work) -> dict[str, Way]:
    """A step of training as the preset ``video`` trains; gives the losses.

    The learning rate is 0: Adam computes all that it does, and every turn starts from one point.
    """
    mode = replace(PRESETS["video"].config.mode, lr=0.0)
    model.train()
    model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # as in training
    batch = Batch(
        frames=torch.rand(work.clips, work.clip_frames, *_picture(model)),
        actions=torch.randn(work.clips, work.clip_frames, model.config.action_dim),
        poses=torch.zeros(work.clips, work.clip_frames, 0),
        ids=("random",) * work.clips,
    ).to(model.device)
    folded, stepwise = (training_step(mode, m, batch) for m in (model, Stepwise(model)))
    return {
        "one frame at a time": Way(stepwise),
        "all frames at once": Way(folded, lambda x: x),
    }


def training_step(mode: Mode, model: HierarchicalModel, batch: Batch) -> Callable[[], Tensor]:
    """A function that takes a step of ``mode`` and returns its losses."""
    nets = Networks(model, mode.extra_networks(model.config)).to(model.device)
    groups, train = mode.groups(nets), TrainConfig()
    optimizers = make_optimizers(groups, (train.beta1, train.beta2), train.eps)

    def step() -> Tensor:
        updates = mode.updates(nets, batch, 0)
        apply_updates(updates, groups, optimizers, train=train, step=0)
        return torch.stack([loss.detach() for u in updates for loss in u.losses.values()])

    return step


def _picture(model: HierarchicalModel) -> tuple[int, int, int]:
    return 3, model.config.frame_size, model.config.frame_size
