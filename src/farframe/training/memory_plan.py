"""How a step is taken so that it fits into memory: how many clips, how many frames at once.

Micro-batches come first: they cost nothing but some efficiency. Where a batch can't be taken apart,
or a single clip is too much, activations are computed again, which costs a forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from farframe.run import RunConfig
from farframe.training import machine_memory
from farframe.training.step_memory import StepMemory, step_memory

SLACK, SLACK_IN_PARTS = 0.5, 1.0
"""As shares of a step's small pieces, what the allocator has beside them and nobody uses: in a step
taken at once, and in one of many parts, whose pieces come and go between those that stay."""
MARGIN = 1.1
"""What a limit leaves above an estimate, which has been up to 8 % too low (docs/scaling.md)."""
FREE_SHARE = 0.9  # of the free memory that auto takes
HALVINGS = 5  # of a clip's frames, that activation checkpointing is tried with at most

_GB = 1e9


@dataclass(frozen=True)
class MemoryPlan:
    """A run with its micro-batches and checkpointing settled, and the memory that it will take."""

    config: RunConfig
    share: int
    """Clips of a batch on each process."""
    device: torch.device
    step: StepMemory
    rest: int
    """Bytes of the process besides: the program, its libraries, what they need to start."""
    limit: float
    """Bytes allowed; infinite without a limit."""

    @property
    def total(self) -> float:
        """Bytes that the process will hold at most."""
        step = self.step
        return self.rest + step.weights + step.optimizer + step.batch + self.passing

    @property
    def passing(self) -> float:
        """Bytes of what comes and goes: a step's activations, or afterwards a checkpoint's copies.

        A GPU's checkpoints are written from the machine's memory, and its allocator keeps nothing.
        """
        return max(self.taken, 0.0 if self.device.type == "cuda" else self.copied)

    @property
    def taken(self) -> float:
        """Bytes that come and go with a step."""
        train, frames = self.config.train, self.config.data.sequence_length
        parted = 0 < train.micro_batch_size < self.share
        whole = not parted and not 0 < train.activation_checkpointing < frames
        return self.step.activations + self.step.kept * (SLACK if whole else SLACK_IN_PARTS)

    @property
    def copied(self) -> float:
        """Bytes of a checkpoint's copies, beside what the allocator has kept of a step."""
        return float(self.step.kept + self.step.saving)

    @property
    def fits(self) -> bool:
        """Whether that is allowed, if it turns out to be a little more."""
        return self.total * MARGIN <= self.limit

    def line(self) -> str:
        """The estimate, and what follows from it, in a line."""
        clips, frames = self.share, self.config.data.sequence_length
        step, train = self.step, self.config.train
        copies = " and a checkpoint's copies" if self.passing > self.taken else ""
        parts = {
            f"activations{copies}": self.passing,
            "weights": step.weights,
            "optimizer": step.optimizer,
            "the rest": self.rest + step.batch,
        }
        shown = ", ".join(f"{name} {_size(value)}" for name, value in parts.items())
        said = f"about {_size(self.total)} of memory for {clips} clips x {frames} frames: {shown}"
        size = train.micro_batch_size
        if 0 < size < clips:
            said += f"; each step in {-(-clips // size)} micro-batches of {_upto(clips, size)}"
        if 0 < train.activation_checkpointing < frames:
            said += f"; activations of {train.activation_checkpointing} frames of a clip held"
        return said


def plan_memory(config: RunConfig, share: int, device: torch.device) -> MemoryPlan:
    """Settle what a run leaves open, for ``share`` clips on each process.

    To be called when the networks are there and the first step is still to come.

    Raises:
        ValueError: if ``train.memory_limit`` is too little for any way to take a step.
    """
    rest, limit = machine_memory.held(device), float("inf")
    wanted = config.train.memory_limit
    if wanted == "auto":
        limit = rest + FREE_SHARE * machine_memory.free(device)
    elif wanted != "off":
        limit = float(wanted) * _GB
    tried: list[MemoryPlan] = []
    for way in _ways(config, share):
        clips = min(share, way.train.micro_batch_size or share)
        step = step_memory(way, clips, clips < share, device.type)
        tried.append(MemoryPlan(way, share, device, step, max(0, rest - step.weights), limit))
        if tried[-1].fits:
            return tried[-1]
    least = min(tried, key=lambda plan: plan.total)
    raise ValueError(_too_little(least))


def _ways(config: RunConfig, share: int) -> Iterator[RunConfig]:
    """Ways to take a step, each in less memory than the one before, the fastest first."""
    yield config
    train = config.train
    clips = train.micro_batch_size or share
    while clips > 1 and not train.micro_batch_size and not config.whole_batch:
        clips = -(-clips // 2)
        yield _with(config, clips, train.activation_checkpointing)
    held = config.data.sequence_length
    for _ in range(HALVINGS if train.activation_checkpointing == 0 else 0):
        if held > 1:
            held = -(-held // 2)
            yield _with(config, clips if clips < share else 0, held)


def _with(config: RunConfig, clips: int, frames: int) -> RunConfig:
    train = replace(config.train, micro_batch_size=clips, activation_checkpointing=frames)
    return replace(config, train=train)


def _too_little(least: MemoryPlan) -> str:
    train, frames = least.config.train, least.config.data.sequence_length
    clips = min(least.share, train.micro_batch_size or least.share)
    whole = least.config.whole_batch
    held = min(train.activation_checkpointing or frames, frames)
    return (
        f"train.memory_limit is {train.memory_limit!r} ({_size(least.limit)}): a step takes about "
        f"{_size(least.total)} even with {clips} clip(s) of {frames} frames at once, activations "
        f"of {held} of them held"
        + (f" ({whole} needs all clips of a batch at once)" if whole else "")
        + f": allow {_size(least.total * MARGIN)}, or lower data.sequence_length or model.width"
    )


def _upto(clips: int, size: int) -> str:
    """Sizes of micro-batches, as ``Batch.parts`` makes them."""
    most = -(-clips // -(-clips // size))
    return f"{most} clip(s)" if clips % most == 0 else f"up to {most} clips"


def _size(count: int | float) -> str:
    return f"{count / _GB:.1f} GB" if count >= _GB else f"{count / 1e6:.0f} MB"
