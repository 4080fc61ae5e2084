"""What ``farframe bench`` compares of predicting: ways to one result, the first the yardstick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from farframe.bench_stepwise import Stepwise, yardstick
from farframe.config import ModelConfig
from farframe.models.cells import LayerNorm, LSTMCell
from farframe.models.hierarchical import HierarchicalModel


@dataclass(frozen=True, kw_only=True)
class Work:
    """How much is done in a turn, and how often."""

    predicted: tuple[tuple[int, int], ...] = ((1, 59), (1, 123), (8, 59), (8, 123))
    """Clips and frames of predictions against the yardstick."""
    horizon: int = 1000
    """Frames of the prediction of which a part is drawn."""
    every: int = 10
    rollouts: int = 64
    """Action sequences from one clip: the planner's question."""
    rollout_steps: int = 15
    steps: tuple[tuple[str, int, int, int], ...] = (("robot", 8, 20, 2), ("human", 8, 32, 5))
    """Training steps: name, clips, frames and context frames (robot: with actions and poses)."""
    presets: tuple[str, ...] = ("shapes-tiny", "shapes", "video-small", "robot-push", "humans")
    """Training steps of presets, with their own networks and batches."""
    turns: int = 3
    """Times that each way is measured."""
    step_turns: int = 2


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


def predictions(model: HierarchicalModel, work: Work) -> Iterator[Contest]:
    """What is compared of predicting, of a model in eval mode; nothing is computed beforehand."""
    for clips, frames in work.predicted:
        title = f"predict {frames} frames of {clips} clip{'s' if clips > 1 else ''}"
        yield Contest(f"predict-{clips}x{frames}", title, _against_stepwise(model, clips, frames))
    yield Contest("at", f"predict {work.horizon:,} frames", _parts(model, work))
    title = f"{work.rollouts} rollouts x {work.rollout_steps} frames"
    yield Contest("rollouts", title, _rollouts(model, work))


def random_model(config: ModelConfig, norm_gain: float = 1.0) -> HierarchicalModel:
    """A model whose encodings tell frames apart.

    The original's random VGG shrinks its input until arithmetic is on the smallest of numbers (it
    was meant for ImageNet's weights): the encoder's convolutions get He's scale here. The
    predictor's cells get less than theirs: short rollouts are no chaos, which enlarges roundings.
    ``norm_gain`` is that of its norms: with less than 1 long rollouts are none either.
    """
    model = HierarchicalModel(config).eval()
    model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # as loaded
    for cell in model.predictor.cells:
        assert isinstance(cell, LSTMCell)
        cell.project.weight.data *= 0.5
    for norm in model.predictor.norms:
        assert isinstance(norm, LayerNorm)
        nn.init.constant_(norm.weight, norm_gain)
    for layer in model.encoder.features.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return model


def _parts(model: HierarchicalModel, work: Work) -> dict[str, Way]:
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
        return model.draw(anchor, enc_pred[:, -drawn:])[0]

    return {
        "draw all frames": Way(lambda: roll(steps)),
        "draw the last ones": Way(lambda: roll(1), lambda x: x[:, -1:]),
        "draw none": Way(lambda: roll(0)),
    }


def _against_stepwise(model: HierarchicalModel, clips: int, frames: int) -> dict[str, Way]:
    context = model.config.context_frames
    given = torch.rand(clips, context, *_picture(model))
    actions = torch.randn(clips, context + frames - 1, model.config.action_dim)

    def run(way: HierarchicalModel, int8: bool = False) -> Tensor:
        return way.predict(given, actions, horizon=frames, int8=int8).frames

    plain, stepwise = yardstick(model), Stepwise(model)
    ways = {
        "one frame at a time": Way(lambda: run(plain)),
        "so, channels last": Way(lambda: run(stepwise), lambda x: x),
        "all frames at once": Way(lambda: run(model), lambda x: x),
    }
    if model.device.type == "cpu":
        ways["in 8 bits"] = Way(lambda: run(model, int8=True), lambda x: x)
    return ways


def _picture(model: HierarchicalModel) -> tuple[int, int, int]:
    return 3, model.config.frame_size, model.config.frame_size
