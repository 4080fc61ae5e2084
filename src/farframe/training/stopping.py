"""How a training ends before its last step: on request, or for a reason told in one line."""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrainingError(RuntimeError):
    """Training can't go on; the message is one line that says why and what to do."""


class Interrupted(Exception):  # noqa: N818  (it is no error)
    """Ctrl-C or SIGTERM: the step was finished and a checkpoint written."""

    def __init__(self, step: int, path: Path, signal: int = signal.SIGINT) -> None:
        super().__init__(f"stopped at step {step}, checkpoint {path}; continue with --resume")
        self.step = step
        self.path = path
        self.signal = signal


class StopSignals:
    """While entered, the first SIGINT or SIGTERM only sets ``requested``; a second one kills.

    Outside of the main thread, where Python allows no handlers, it does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self.signal: int = signal.SIGINT
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {s: signal.signal(s, self._stop) for s in _SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self.signal = number
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)


@contextmanager
def explained(out: Path) -> Generator[None, None, None]:
    """Turn exhausted memory and disks into errors of one line with advice.

    Raises:
        TrainingError: instead of the system's own errors.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise TrainingError(_memory(error)) from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):  # what torch's CPU allocator says
            raise
        raise TrainingError(_memory(error)) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise TrainingError(
            f"the disk is full ({error.strerror}) while writing to {error.filename or out}: free "
            "some space, or keep fewer checkpoints (--train.keep-checkpoints); what was saved "
            "before is intact: continue with --resume"
        ) from error


def _memory(error: BaseException) -> str:
    where = "the GPU's memory" if isinstance(error, torch.OutOfMemoryError) else "memory"
    return (
        f"{where} is too small for this run: lower --data.batch-size or --data.sequence-length "
        "in a new run, or let --train.memory-limit auto fit its steps (with --resume too); "
        "checkpoints saved before are intact"
    )
