"""What a step takes, counted without computing, against what one that computes allocates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from same_everywhere import quiet
from tiny_run import tiny
from torch import nn
from torch.nn import functional as F

from farframe.modes import MODES
from farframe.run import RunConfig
from farframe.training.accumulation import accumulate
from farframe.training.distributed import World
from farframe.training.live_bytes import LiveBytes, MixedPrecision
from farframe.training.state import TrainingState
from farframe.training.step_memory import StepMemory, step_memory
from farframe.types import Batch

META = torch.device("meta")


def counted(config: RunConfig, clips: int) -> StepMemory:
    return step_memory.__wrapped__(config, clips)


def wide(config: RunConfig, frames: int = 6, **train: Any) -> RunConfig:
    """Layers wide enough for frames to take most of the memory."""
    return replace(
        config,
        model=replace(config.model, width=8),
        data=replace(config.data, sequence_length=frames, batch_size=4, clip_length=20),
        train=replace(config.train, **train),
    )


def allocated(config: RunConfig, clips: int) -> int:
    """The most that a real first iteration allocates."""
    state = TrainingState.create(config, torch.device("cpu"), World())
    frames, size = config.data.sequence_length, config.model.frame_size
    batch = Batch(
        frames=torch.zeros(clips, frames, 3, size, size, dtype=torch.uint8),
        actions=torch.zeros(clips, frames, 0),
        poses=torch.zeros(clips, frames, config.mode.pose_dim),
        ids=("",) * clips,
    )
    with LiveBytes() as seen:
        accumulate([batch], state._updates, state.groups)
    return seen.peak


def test_tensors_are_followed_until_they_are_forgotten() -> None:
    with LiveBytes() as seen:
        a = torch.zeros(1000, device=META)
        b = a.view(10, 100)[2:]  # no memory of its own
        assert (seen.live, seen.peak) == (4000, 4000)
        c = b.double()
        assert (seen.live, seen.peak) == (4000 + 6400, 4000 + 6400)
        del a, b
        assert (seen.live, seen.peak) == (6400, 10400)
        del c
    assert (seen.live, seen.peak, seen.heap) == (0, 10400, 10400)


def test_large_pieces_go_back_to_the_system() -> None:
    with LiveBytes() as seen:
        small = torch.zeros(1000, device=META)
        large = torch.zeros(9_000_000, device=META)
        assert seen.live == 36_004_000
        del small, large
    assert (seen.live, seen.peak, seen.heap) == (0, 36_004_000, 4000)


def test_what_gradients_need_is_followed() -> None:
    x = torch.zeros(100, device=META, requires_grad=True)
    with LiveBytes() as seen:
        y = (x.exp() * 2).sum()  # exp's result is kept for its own gradient
        assert seen.live == 404
        grad = torch.autograd.grad(y, x)
        del y
        assert seen.live == 400
        del grad
    assert seen.live == 0


@pytest.mark.parametrize(("device", "norm"), [("cpu", torch.bfloat16), ("cuda", torch.float32)])
def test_mixed_precision_of_tensors_without_numbers(device: str, norm: torch.dtype) -> None:
    """As torch's own has it of those with numbers, on a CPU."""

    def run(x: torch.Tensor, kind: Any) -> list[torch.dtype]:
        conv, linear = nn.Conv2d(4, 4, 3).to(x.device), nn.Linear(4, 4).to(x.device)
        with kind:
            y = conv(x)
            z = F.group_norm(y, 1, torch.ones(4, device=x.device))
            return [y.dtype, z.dtype, linear(z[..., 0, 0]).dtype, (x + 1).dtype]

    found = run(torch.zeros(1, 4, 3, 3, device=META), MixedPrecision(torch.bfloat16, device))
    assert found == [torch.bfloat16, norm, torch.bfloat16, torch.float32]
    if device == "cpu":
        assert run(torch.zeros(1, 4, 3, 3), torch.autocast("cpu", torch.bfloat16)) == found


@pytest.mark.parametrize("tag", MODES)
def test_a_step_is_counted_as_a_real_one_allocates(tag: str) -> None:
    config = wide(quiet(tag, "l2"))
    assert counted(config, 3).activations == pytest.approx(allocated(config, 3), rel=0.12)


def test_checkpointing_and_half_precision_are_counted() -> None:
    plain = counted(wide(tiny()), 4).activations
    for train in ({"activation_checkpointing": 2}, {"amp": "bf16"}):
        config = wide(tiny(), **train)
        step = counted(config, 4)
        assert step.activations < 0.75 * plain, train
        assert step.activations == pytest.approx(allocated(config, 4), rel=0.12), train


def test_parts_are_those_of_the_run() -> None:
    config = wide(tiny(), frames=8)
    state = TrainingState.create(config, torch.device("cpu"), World())
    step = counted(config, 2)
    weights = [x.nbytes for x in (*state.nets.parameters(), *state.nets.buffers())]
    assert step.weights == sum(weights)
    assert step.optimizer == 2 * sum(p.nbytes for p in state.nets.parameters())
    assert step.batch == 2 * 4 * 8 * 3 * 32 * 32
    grads = sum(p.nbytes for p in state.nets.parameters())
    in_parts = step_memory.__wrapped__(config, 2, in_parts=True)
    assert in_parts.activations == step.activations + grads
    twice = counted(config, 4).activations
    assert 1.7 < twice / step.activations < 2.05
    assert counted(wide(tiny(), frames=16), 2).activations / step.activations > 1.7


def test_evaluation_counts_where_it_takes_more_than_a_step() -> None:
    config = wide(tiny(), frames=3, evaluate_every=1, evaluate_clips=8, evaluate_horizon=17)
    without = wide(tiny(), frames=3)
    assert counted(config, 1).activations > 1.2 * counted(without, 1).activations
