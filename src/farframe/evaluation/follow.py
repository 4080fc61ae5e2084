"""Following a training: each of its checkpoints as it appears, until the training has ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from farframe.training.checkpoint import Checkpoint, DamagedError, checkpoints

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0


def follow(
    run: Path,
    evaluate: Callable[[Checkpoint], None],
    *,
    finished: Callable[[int], bool],
    once: bool,
) -> None:
    """Call ``evaluate`` with each checkpoint of ``run``, oldest first, waiting for new ones.

    Ends after one at a step that is ``finished``; with ``once`` after the newest that can be read.
    Old checkpoints are deleted by the training while they are read: ``evaluate`` then raises a
    DamagedError and the next one is taken. A training begun anew is followed from its start.

    Raises:
        ValueError: with ``once``, if there is no checkpoint that can be read.
    """
    if once:
        if not any(_read(found, evaluate) for found in checkpoints(run)):
            raise ValueError(
                f"{run} has no checkpoint that can be read: let training write one first, or "
                "leave out --eval_once to wait for it"
            )
        return
    seen, waited = -1, False
    while True:
        found = checkpoints(run)
        if found and found[0].step < seen:
            logger.info("%s has been begun anew: following it from its start", run)
            seen = -1
        fresh = [c for c in found if c.step > seen]
        if not fresh:
            if seen < 0 and not waited:
                logger.info("%s has no checkpoint yet: waiting for the first one", run)
                waited = True
            time.sleep(POLL_SECONDS)
            continue
        _read(fresh[-1], evaluate)
        seen = fresh[-1].step
        if finished(seen):
            return


def _read(found: Checkpoint, evaluate: Callable[[Checkpoint], None]) -> bool:
    """Evaluate a checkpoint; whether it could be read."""
    try:
        evaluate(found)
    except DamagedError as error:
        if found.path.exists():
            logger.warning("%s; it is passed over", error)
        else:
            logger.info("step %d: training deleted it before it could be read", found.step)
        return False
    return True
