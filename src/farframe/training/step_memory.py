"""What a training step takes of memory, counted by taking it on tensors without numbers."""

from __future__ import annotations

import gc
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from farframe.models.hierarchical import HierarchicalModel, frames_at_once
from farframe.modes import Networks
from farframe.run import RunConfig
from farframe.training.accumulation import accumulate
from farframe.training.live_bytes import LiveBytes, MixedPrecision
from farframe.types import Batch, PredictorState, Rollout

LOOPED_FRAMES = 8
"""Frames at which modes with networks of their own are counted, which may loop over time."""
EVALUATED = 8  # clips that an evaluation predicts at once

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class StepMemory:
    """Bytes that a step takes, by what they are for.

    ``activations`` are all that a step makes and forgets: what gradients need of the frames, those
    gradients, and what is in between, at the moment when most of it is there.
    """

    weights: int
    optimizer: int
    activations: int
    kept: int
    """Of ``activations``, what a CPU's allocator does not give back to the system."""
    batch: int

    @property
    def saving(self) -> int:
        """Bytes of copies that writing a checkpoint makes."""
        return 2 * self.weights + self.optimizer


@cache
def step_memory(
    config: RunConfig, clips: int, in_parts: bool = False, device: str = "cpu"
) -> StepMemory:
    """Bytes of a step over ``clips`` clips at once, with ``train.activation_checkpointing``.

    ``in_parts`` if those are a part of a batch, so that sums of gradients stay from one to another.
    """
    mode, nets = config.hierarchical()[1], _networks(config, device)
    weights = sum(x.nbytes for x in (*nets.parameters(), *nets.buffers()))
    moved = sum(p.nbytes for group in mode.groups(nets).values() for p in group.parameters())
    frames = config.data.sequence_length
    looped = max(LOOPED_FRAMES, config.model.context_frames + 1)
    counted = min(frames, looped) if len(nets.extra) else frames
    seen = _counted(config, nets, clips, counted, device)
    pixels = 3 * config.model.frame_size**2
    return StepMemory(
        weights=weights,
        optimizer=2 * moved,  # Adam's two moments
        # Gradients of all groups, and a copy in Adam's arithmetic, when all else is forgotten.
        activations=max(
            seen.peak * frames // counted + in_parts * moved,
            2 * moved,
            _evaluation(config, nets, device),
        ),
        kept=seen.heap * frames // counted,
        batch=2 * config.data.batch_size * frames * pixels,  # this one and the next, read ahead
    )


def _counted(config: RunConfig, nets: Networks, clips: int, frames: int, device: str) -> LiveBytes:
    """What the first iteration makes, counted on ``frames`` frames of each clip."""
    (model, mode), size = config.hierarchical(), config.model.frame_size
    batch = Batch(
        frames=_nothing(clips, frames, 3, size, size).byte(),
        actions=_nothing(clips, frames, model.action_dim),
        poses=_nothing(clips, frames, mode.pose_dim),
        ids=("",) * clips,
    )
    kind = _HALF.get(config.train.amp)
    gc.collect()
    narrow = nullcontext() if kind is None else MixedPrecision(kind, device)
    with LiveBytes() as seen, narrow:
        accumulate([batch], lambda part: mode.updates(nets, part, 0), mode.groups(nets))
    return seen


@torch.no_grad()
def _evaluation(config: RunConfig, nets: Networks, device: str) -> int:
    """The most that predicting validation clips makes; 0 without evaluation."""
    train, context, size = config.train, config.model.context_frames, config.model.frame_size
    if train.evaluate_every == 0:
        return 0
    clips = min(EVALUATED, train.evaluate_clips)
    horizon = min(train.evaluate_horizon, frames_at_once(device, clips))
    with LiveBytes() as seen:
        frames = _nothing(clips, context + train.evaluate_horizon, 3, size, size)
        enc = nets.model.encode(frames[:, :context])
        anchor = nets.model.anchor(frames[:, 0], enc[:, 0])
        nets.model.decode(anchor, _nothing(clips, horizon, config.model.enc_size))
    return seen.peak


def _networks(config: RunConfig, device: str) -> Networks:
    sizes, mode = config.hierarchical()
    with torch.device("meta"):
        model = _OneStep(sizes)
    # Apart: what a mode reads for its losses it may keep, and must have with numbers.
    nets = Networks(model, mode.extra_networks(sizes)).to("meta")
    nets.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    model.counted_for = device
    model.checkpointing = config.train.activation_checkpointing
    return nets.train()


def _nothing(*shape: int) -> Tensor:
    return torch.empty(shape, device="meta")


class _OneStep(HierarchicalModel):
    """A model that takes one step for all those of a rollout: they are alike, and many."""

    def rollout(
        self,
        enc: Float[Tensor, "b t e"],
        actions: Float[Tensor, "b s a"] | None = None,
        *,
        context_frames: int,
        horizon: int,
        state: PredictorState | None = None,
    ) -> Rollout:
        """See ``HierarchicalModel``."""
        assert actions is not None
        steps = max(context_frames, 1) + horizon - 1
        now = self.predictor.initial(len(enc)) if state is None else state
        folded = self.predictor.folded()
        with LiveBytes() as one:
            taken, now = self.predictor(enc[:, 0], actions[:, 0], now, folded)
        others = torch.empty(one.live * (steps - 1), dtype=torch.uint8, device="meta")
        enc_pred = cast(Tensor, _Hold.apply(taken[:, None].repeat(1, steps, 1), others))
        return Rollout(enc_pred=enc_pred, state=now)


class _Hold(torch.autograd.Function):
    """What is given, while gradients through it may be asked for holding something else as well."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, held: Tensor) -> Tensor:
        ctx.save_for_backward(held)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None
