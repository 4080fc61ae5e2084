"""What a training writes down: TensorBoard events and metrics.jsonl, without doubles on resume."""

from __future__ import annotations

import io
import json
import math
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from farframe.atomic import replacing
from farframe.families import ALL_MODES
from farframe.modes.base import Update
from farframe.training.checkpoint import Checkpoint
from farframe.training.distributed import World
from farframe.training.stopping import TrainingError

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

LOGS, METRICS = "logs", "metrics.jsonl"


class RunLog:
    """TensorBoard events in ``logs`` (None: ``run/logs``), the same numbers in ``metrics.jsonl``.

    Opened at step ``done``: what an earlier process wrote about later steps is withdrawn, so that
    no step appears twice. With ``run`` None it writes nothing (processes other than the first).
    """

    def __init__(self, run: Path | None, done: int, logs: Path | None = None) -> None:
        self._writer: SummaryWriter | None = None
        if run is None:
            return
        from torch.utils.tensorboard.writer import SummaryWriter  # a second to import

        events = logs or run / LOGS
        purge = done + 1 if events.exists() else None
        self._writer = SummaryWriter(str(events), purge_step=purge, flush_secs=30)
        self._path = run / METRICS
        _truncate(self._path, done)

    def numbers(
        self, step: int, values: Mapping[str, float], curves: Mapping[str, Sequence[float]]
    ) -> None:
        """Write scalars, and curves over the horizon (these to ``metrics.jsonl`` alone)."""
        if self._writer is None:
            return
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        record: dict[str, Any] = {"step": step, **values, **curves}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def video(self, step: int, name: str, frames: UInt8[np.ndarray, "t h w 3"], fps: float) -> None:
        """Write a moving picture that TensorBoard plays."""
        if self._writer is None:
            return
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]

        image = Summary.Image(
            height=frames.shape[1],
            width=frames.shape[2],
            colorspace=3,
            encoded_image_string=_gif(frames, fps),
        )
        # The writer's own add_video needs moviepy, an encoder of its own, for the same bytes.
        summary = Summary(value=[Summary.Value(tag=name, image=image)])
        assert self._writer.file_writer is not None
        self._writer.file_writer.add_summary(summary, step)

    def flush(self) -> None:
        """Hand everything to the disk, so that a checkpoint never knows more than the log."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Flush and close; twice is fine."""
        if self._writer is not None:
            self._writer.close()


class Losses:
    """Losses of the steps since the last look, kept on the device: no step waits for its numbers.

    Also keeps time, leaving out what is spent in ``paused`` blocks.
    """

    def __init__(self, mode: str, world: World) -> None:
        self._tag, self._world = mode, world
        self._kept: list[tuple[int, str, Tensor]] = []
        self._seen: list[tuple[str, float]] = []
        self._weights: dict[str, float | Tensor] = {}
        self._steps, self._seconds, self._since = 0, 0.0, time.monotonic()

    def add(self, step: int, updates: Sequence[Update]) -> None:
        """Keep the losses of the iteration that made ``step`` iterations in all."""
        for update in updates:
            self._kept += [(step, name, loss.detach()) for name, loss in update.losses.items()]
            self._weights |= update.weights
        self._steps += 1

    def check(self, safe: Checkpoint | None) -> None:
        """Look at the losses kept so far (waits for the device).

        Raises:
            TrainingError: naming the first step with a loss that is not finite on any process.
        """
        if not self._kept:
            return
        stacked = torch.stack([loss.float() for _, _, loss in self._kept])
        self._world.average([stacked])
        values: list[float] = stacked.tolist()
        steps = [step for step, _, _ in self._kept]
        names = [name for _, name, _ in self._kept]
        self._kept = []
        for step, value in zip(steps, values, strict=True):
            if not math.isfinite(value):
                these = zip(steps, names, values, strict=True)
                losses = ", ".join(f"{name} {v:.6g}" for at, name, v in these if at == step)
                raise blown_up(f"a loss is not finite ({losses})", step, self._tag, safe)
        self._seen += zip(names, values, strict=True)

    def means(self) -> dict[str, float]:
        """Mean of each loss, the newest weights and steps/s since the last call; then forget."""
        sums: dict[str, list[float]] = {}
        for name, value in self._seen:
            sums.setdefault(name, []).append(value)
        result = {f"loss/{name}": sum(v) / len(v) for name, v in sums.items()}
        result |= {f"weight/{name}": float(w) for name, w in self._weights.items()}
        seconds = self._seconds + time.monotonic() - self._since
        result["speed/steps_per_second"] = self._steps / max(seconds, 1e-9)
        self._seen, self._weights, self._steps = [], {}, 0
        self._seconds, self._since = 0.0, time.monotonic()
        return result

    @contextmanager
    def paused(self) -> Generator[None, None, None]:
        """Stop the clock: evaluations and checkpoints are no training."""
        self._seconds += time.monotonic() - self._since
        try:
            yield
        finally:
            self._since = time.monotonic()


def blown_up(what: str, step: int, mode: str, safe: Checkpoint | None) -> TrainingError:
    """The error for numbers that are not finite."""
    kept = f"the last good checkpoint is {safe.path}" if safe else "there is no checkpoint yet"
    names = [field.name for field in fields(ALL_MODES[mode]) if f"_{field.name}".endswith("_lr")]
    rates = ", ".join(f"--mode.{name.replace('_', '-')}" for name in names)
    return TrainingError(
        f"step {step}, mode {mode}: {what}; {kept}. Start a new run with a lower learning rate "
        f"({rates}), --train.clip-gradient-norm 1 or --train.amp off"
    )


def _truncate(path: Path, done: int) -> None:
    """Drop lines after step ``done``, and one that a killed process left unfinished."""
    if not path.exists():
        return
    kept: list[str] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["step"] <= done:
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            continue
    with replacing(path) as partial:
        partial.write_text("".join(kept), encoding="utf-8")


def _gif(frames: UInt8[np.ndarray, "t h w 3"], fps: float) -> bytes:
    """An endlessly repeating GIF; one palette for all frames would need a second pass."""
    images = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    images[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=images[1:],
        duration=max(20, round(1000 / fps)),
        loop=0,
    )
    return buffer.getvalue()
