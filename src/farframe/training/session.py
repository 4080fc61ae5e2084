"""All that one training needs, put together and taken apart: folder, data, state, logs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from farframe.atomic import sweep
from farframe.config import ModelConfig, check
from farframe.data.clips import ClipWindows
from farframe.data.loader import Loader
from farframe.data.source import ClipSource, open_source
from farframe.data.splits import segments
from farframe.pretrained.folder import is_exported
from farframe.run import (
    CONFIG,
    RunConfig,
    is_imported,
    load_config,
    stored_fingerprint,
    write_config,
)
from farframe.training import checkpoint
from farframe.training.checkpoint import Checkpoint
from farframe.training.distributed import World, pick_device
from farframe.training.logging import Losses, RunLog, blown_up
from farframe.training.memory_plan import plan_memory
from farframe.training.progress import Reporter
from farframe.training.starting import read_start
from farframe.training.state import TrainingState
from farframe.training.updates import learning_rate
from farframe.training.validation import Validation, curves, scalars

LOCK = ".lock"


@dataclass
class Session:
    """A training under way, and what the loop asks of it."""

    config: RunConfig
    out: Path
    world: World
    state: TrainingState
    loader: Loader
    validation: Validation | None
    losses: Losses
    log: RunLog
    reporter: Reporter
    found: Checkpoint | None

    @staticmethod
    @contextmanager
    def open(
        config: RunConfig,
        out: Path,
        resume: bool,
        overrides: Mapping[str, Any] | None,
        reporter: Reporter,
        world: World,
        logs: Path | None = None,
    ) -> Generator[Session, None, None]:
        """Check everything, then begin or go on; the folder must be ``claimed``.

        Raises:
            ValueError: for what doesn't fit together (as ``loop.train`` says).
        """
        settled = settle(config, out, resume, overrides) if world.first else (config, None)
        config, found = world.share(settled)
        start = read_start(config) if found is None and world.first else None
        device = pick_device(config.train.device, world.local_rank)
        with world.first_goes_first():
            source = open_source(config.data, config.model.frame_size, out / "cache")
        fingerprint = _checked_data(source, config, out, found, world)
        windows = _training_windows(source, config)
        validation = Validation.open(source, config)
        _prepare_torch(device)
        state = TrainingState.create(config, device, world)
        memory = _planned(state, reporter.listens)
        config = state.config
        state.restore(found)
        state.start(start)
        loader = Loader(
            windows,
            batch_size=config.data.batch_size,
            seed=config.train.seed,
            rank=world.rank,
            world_size=world.size,
            workers=config.data.workers,
            pin_memory=device.type == "cuda",
            start=state.done,
            strict=config.data.strict,
        )
        if world.first:
            checkpoint.clean(out, state.done)
            write_config(out, config, fingerprint)
        log = RunLog(out if world.first else None, state.done, logs)
        losses = Losses(config.mode.tag, world)
        said = reporter if world.first else Reporter()
        session = Session(config, out, world, state, loader, validation, losses, log, said, found)
        said.line(session.summary(len(windows)))
        if memory:
            said.line(memory)
        if start is not None:
            said.line(start.said)
        if config.train.compile:
            state.compile()
            said.line("the networks are compiled in the first step, which can take minutes")
        said.begin(state.done, config.train.steps)
        with closing(loader), closing(log), closing(said):
            yield session

    @property
    def last(self) -> Checkpoint:
        """The newest checkpoint: there is one after the first ``save``."""
        assert self.found is not None
        return self.found

    def summary(self, windows: int) -> str:
        """What is about to be trained, in a line."""
        count = sum(p.numel() for p in self.state.nets.parameters())
        begun = f"going on at step {self.state.done:,}" if self.found else "starting at step 0"
        shared = f" x {self.world.size} processes" if self.world.size > 1 else ""
        return (
            f"{self.config.name} ({self.config.mode.tag}) in {self.out}: {begun} of "
            f"{self.config.train.steps:,}; {count / 1e6:.2f} M parameters on "
            f"{self.state.device}{shared}; {windows:,} training clips in {self.config.data.path}"
        )

    def log_losses(self) -> None:
        """Write the losses, weights, learning rates and speed since the last call."""
        self.losses.check(self.found)
        values, done = self.losses.means(), self.state.done
        for name, group in self.state.groups.items():
            values[f"lr/{name}"] = learning_rate(group.lr, done - 1, self.config.train)
        data = self.config.data
        frames = data.batch_size * data.sequence_length
        values["speed/frames_per_second"] = frames * values["speed/steps_per_second"]
        self.log.numbers(done, values, {})
        self.reporter.numbers(done, values)

    def evaluate(self) -> None:
        """Measure the model on the validation clips, on the first process; the others wait."""
        self.losses.check(self.found)
        if self.validation is not None and self.world.first:
            self._measure(self.validation)
        self.world.meet()

    def _measure(self, validation: Validation) -> None:
        with self.losses.paused():
            measured = validation.measure(self.state.model)
            values, done = scalars(measured), self.state.done
            self.log.numbers(done, values, curves(measured))
            self.log.video(done, "val/prediction", *validation.film(self.state.model))
        self.reporter.line(
            f"step {done:,}: PSNR {values['val/psnr']:.2f} dB, SSIM {values['val/ssim']:.3f} over "
            f"{validation.horizon} predicted frames of {len(validation.indices)} clips "
            f"(copy-last-frame {values['val/psnr_copy_last']:.2f} dB, "
            f"{values['val/ssim_copy_last']:.3f})"
        )

    def save(self) -> None:
        """Write a checkpoint, after making sure that it is worth keeping."""
        self.losses.check(self.found)
        if not self.state.finite():
            raise blown_up(
                "a weight is not finite", self.state.done, self.config.mode.tag, self.found
            )
        if self.world.first:
            with self.losses.paused():
                self.log.flush()
                self.found = self.state.save(self.out, self.config.train.keep_checkpoints)
        else:
            self.found = checkpoint.at(self.out, self.state.done)
        self.world.meet()


@contextmanager
def claimed(out: Path, world: World) -> Generator[None, None, None]:
    """Make ``out`` and hold its lock, which the system frees when this process dies.

    Raises:
        ValueError: if it can't be made or written, is an exported model, or another process trains
            in it.
    """
    if not world.first:
        yield
        return
    if is_exported(out):
        raise ValueError(
            f"{out} is an exported model, and left as it is: start a training from it with "
            f"--train.start-from {out} and another --out"
        )
    made = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / LOCK).open("a+", encoding="ascii")
    except OSError as error:
        raise ValueError(f"--out {out} can't be written: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ValueError(
                f"{out}: another training (process {lock.read().strip() or 'unknown'}) is writing "
                "there; let it end, stop it, or choose another --out"
            ) from None
        for folder in (out, out / "cache"):
            sweep(folder)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield
        finally:
            if made and not (out / CONFIG).exists():  # nothing began: leave no trace
                (out / LOCK).unlink(missing_ok=True)
                with suppress(OSError):  # not empty: a cache of decoded frames is worth keeping
                    out.rmdir()


def settle(
    config: RunConfig, out: Path, resume: bool, overrides: Mapping[str, Any] | None
) -> tuple[RunConfig, Checkpoint | None]:
    """The run that ``out`` is to hold and the checkpoint to go on from.

    A folder without a checkpoint holds nothing that could be lost: it may begin anew.

    Raises:
        ValueError: if there are checkpoints and ``resume`` is not set, none is intact, or the
            stored run can't be changed as asked.
    """
    begun = bool(checkpoint.checkpoints(out))
    if begun and not resume:
        raise ValueError(f"{out} already holds a run: go on with --resume, or choose another --out")
    if not resume or not (begun or (out / CONFIG).exists()):
        return config, None
    if is_imported(out):
        raise ValueError(
            f"{out} was imported, and has no training to go on with: start one from it with "
            f"--train.start-from {out} and another --out"
        )
    stored = load_config(out)
    config = stored.resumed(stored.changes(config) if overrides is None else overrides)
    return config, checkpoint.latest(out) if begun else None


def _training_windows(source: ClipSource, config: RunConfig) -> ClipWindows:
    data = config.data
    return ClipWindows(
        source,
        segments(source, data, "train"),
        data.sequence_length,
        data.stride,
        first=data.windows == "first",
        strict=data.strict,
    )


def _checked_data(
    source: ClipSource, config: RunConfig, out: Path, found: Checkpoint | None, world: World
) -> str:
    """The data's fingerprint: the same as when the run began, and on all processes."""
    fingerprint = source.fingerprint()
    if found is not None and world.first and fingerprint != stored_fingerprint(out):
        raise ValueError(
            f"data.path {config.data.path}: not the data that this run began with (fingerprint "
            f"{fingerprint[:12]} instead of {stored_fingerprint(out)[:12]}); restore it, name its "
            "place with --data.path, or start a new run in another folder"
        )
    check(
        config.model.action_dim in (0, source.action_dim),
        "model.action_dim",
        config.model.action_dim,
        f"must be 0 (use no actions) or {source.action_dim}, the size of the actions in "
        f"{config.data.path}",
    )
    fits = any(field.name == "pose_size" for field in fields(config.mode)) and source.pose_dim
    way = f"; --mode.pose-size {source.pose_dim} learns from these" if fits else ""
    check(
        config.mode.pose_dim in (0, source.pose_dim),
        "mode",
        config.mode.tag,
        f"needs data with poses of {config.mode.pose_dim} numbers, but those of {config.data.path} "
        f"have {source.pose_dim}: choose data with such poses, or another mode{way}",
    )
    if world.share(fingerprint) != fingerprint:
        raise ValueError(
            f"data.path {config.data.path}: process {world.rank} reads other data than process 0; "
            "copy the same files to every machine"
        )
    return fingerprint


def _planned(state: TrainingState, listens: bool) -> str:
    """Settle how steps fit into memory, as the first process finds it; the estimate as a line."""
    config, world, line = state.config, state.world, ""
    known = isinstance(config.model, ModelConfig)  # others have no limit, see their check_run
    if known and world.first and (listens or config.train.memory_limit != "off"):
        share = max(1, config.data.batch_size // world.size)
        plan = plan_memory(config, share, state.device)
        config, line = plan.config, plan.line()
    state.settle(world.share(config))
    return line


def _prepare_torch(device: torch.device) -> None:
    """Settings of the whole process."""
    if device.type == "cpu":
        torch.set_flush_denormal(True)  # dying units' gradients would slow steps down tenfold
