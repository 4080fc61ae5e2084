"""How time and memory grow with the work, for ``farframe bench --only scaling``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter, process_time

import torch

from farframe.bench_training import Setting, still, training_step
from farframe.bench_ways import random_model
from farframe.config import FRAME_SIZES
from farframe.run import RunConfig
from farframe.training.live_bytes import LiveBytes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """A piece of work: clips at once, their frames (trained on, or predicted), and the networks."""

    clips: int
    frames: int
    width: int
    side: int


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Which sizes are measured; where one grows, the others are the first of theirs."""

    clips: tuple[int, ...] = (1, 2, 4, 8)
    frames: tuple[int, ...] = (10, 20, 40, 80)
    """Of a training clip."""
    horizons: tuple[int, ...] = (30, 100, 300, 1000)
    """Frames predicted."""
    sides: tuple[int, ...] = FRAME_SIZES
    turns: int = 3


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """What one size took: seconds of each turn, and the most that tensors besides weights took.

    On a CPU the seconds are those that its cores worked, whatever else ran on the machine.
    """

    work: str
    axis: str
    size: Size
    seconds: float
    turns: tuple[float, ...]
    megabytes: float


def scaling(
    config: RunConfig, growth: Growth, device: torch.device, finish: Callable[[], None]
) -> Iterator[Scaled]:
    """Training steps and predictions of random networks as ``config`` has them."""
    makers = {"training step": _training, "prediction": _prediction}
    for work, make in makers.items():
        frames = growth.frames if work == "training step" else growth.horizons
        for axis, sizes in _axes(config, growth, frames):
            logger.info("measuring: %s by %s", work, axis)
            runs = [make(config, size, device) for size in sizes]
            bytes_ = [_most(run) for run in runs]
            turns = [[_seconds(run, device, finish) for run in runs] for _ in range(growth.turns)]
            for n, size in enumerate(sizes):
                taken = tuple(turn[n] for turn in turns)
                yield Scaled(
                    work=work,
                    axis=axis,
                    size=size,
                    seconds=median(taken),
                    turns=taken,
                    megabytes=bytes_[n] / 1e6,
                )


def _axes(
    config: RunConfig, growth: Growth, frames: tuple[int, ...]
) -> Iterator[tuple[str, list[Size]]]:
    """Each axis with the sizes along it."""
    width, side = config.model.width, config.model.frame_size
    base = Size(growth.clips[0], frames[0], width, side)
    widths = sorted({max(1, width // 4), max(1, width // 2), width})
    yield "frames", [replace(base, frames=n) for n in frames]
    yield "clips", [replace(base, clips=n) for n in growth.clips]
    yield "width", [replace(base, width=n) for n in widths]
    yield "side", [replace(base, side=n) for n in growth.sides]


def _training(config: RunConfig, size: Size, device: torch.device) -> Callable[[], object]:
    model, mode = config.hierarchical()
    model = replace(model, width=size.width, frame_size=size.side)
    setting = Setting("", model, mode, size.clips, size.frames)
    network = random_model(model).to(device).train()
    return training_step(still(mode), network, setting.batch().to(device))


def _prediction(config: RunConfig, size: Size, device: torch.device) -> Callable[[], object]:
    model = replace(config.hierarchical()[0], width=size.width, frame_size=size.side)
    network, context = random_model(model).to(device), model.context_frames
    frames = torch.rand(size.clips, context, 3, size.side, size.side)
    actions = torch.randn(size.clips, context + size.frames, model.action_dim)
    return lambda: network.predict(frames, actions, horizon=size.frames)


def _most(run: Callable[[], object]) -> int:
    """Bytes that tensors made by a first, untimed run took at most."""
    with LiveBytes() as seen:
        run()
    return seen.peak


def _seconds(run: Callable[[], object], device: torch.device, finish: Callable[[], None]) -> float:
    clock = process_time if device.type == "cpu" else perf_counter
    finish()
    start = clock()
    run()
    finish()
    return clock() - start
