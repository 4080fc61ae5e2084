"""The training loop: updates -> apply -> log -> evaluate -> save. It knows no mode."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farframe.config import TrainConfig
from farframe.run import RunConfig
from farframe.training import distributed
from farframe.training.checkpoint import Checkpoint
from farframe.training.distributed import World
from farframe.training.progress import Reporter
from farframe.training.session import Session, claimed
from farframe.training.stopping import Interrupted, StopSignals, explained


def train(
    config: RunConfig,
    out: Path,
    *,
    resume: bool = False,
    overrides: Mapping[str, Any] | None = None,
    reporter: Reporter | None = None,
    logs: Path | None = None,
) -> Checkpoint:
    """Train a run in the folder ``out`` to its last step; returns the last checkpoint.

    Args:
        config: the run. When it goes on, the one stored in ``out`` counts.
        out: the run's folder; made if it isn't there.
        resume: go on from the newest intact checkpoint in ``out`` (bit for bit, on a CPU); starts
            from step 0 if there is none yet. torchrun's own restarts always resume.
        overrides: what to change of the stored run (dotted names, ``run.RESUMABLE``); without it
            ``config`` must agree with the stored run in all other fields.
        reporter: hears of the progress.
        logs: where TensorBoard events go instead of ``out/logs``.

    Raises:
        ValueError: if something is asked for that can't be, before anything is written.
        Interrupted: after Ctrl-C or SIGTERM, when a checkpoint has been written.
        TrainingError: if a loss is not finite, or memory or disk are exhausted.
    """
    said = reporter or Reporter()
    again = resume or distributed.restarted()
    with (
        explained(out),
        distributed.join() as world,
        claimed(out, world),
        Session.open(config, out, again, overrides, said, world, logs) as session,
        StopSignals() as stop,
    ):
        state, cadence = session.state, Cadence(session.config.train, world)
        while state.done < session.config.train.steps:
            updates = state.step(next(session.loader))
            session.losses.add(state.done, updates)
            said.step(state.done)
            due = cadence.due(state.done, stop.requested)
            if due.log:
                session.log_losses()
            if due.evaluate:
                session.evaluate()
            if due.save:
                session.save()
            if due.stop:
                raise Interrupted(state.done, session.last.path, stop.signal)
        return session.last


@dataclass(frozen=True)
class Due:
    """What is to be done after a step."""

    log: bool
    evaluate: bool
    save: bool
    stop: bool


@dataclass
class Cadence:
    """When what is due: by steps, the same on all processes; by the clock as the first one's says.

    The last step logs, evaluates and saves whatever the numbers are.
    """

    train: TrainConfig
    world: World
    saved: float = field(default_factory=time.monotonic)

    def due(self, done: int, stop: bool) -> Due:
        """What is due after ``done`` steps, if a signal has (``stop``) or hasn't been seen."""
        train, last = self.train, done >= self.train.steps
        late = 0 < train.checkpoint_secs <= time.monotonic() - self.saved
        stop, late = self.world.any(stop, late and self.world.first)
        regular = train.checkpoint_every > 0 and done % train.checkpoint_every == 0
        save = last or stop or late or regular
        self.saved = time.monotonic() if save else self.saved
        return Due(
            log=last or stop or done % train.log_every == 0,
            evaluate=not stop
            and train.evaluate_every > 0
            and (last or done % train.evaluate_every == 0),
            save=save,
            stop=stop and not last,
        )
