"""How far a long preparation has come: a bar on a terminal, now and then a log line elsewhere."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

logger = logging.getLogger("farframe")
LOG_SECONDS = 15.0  # between lines in a log


@contextmanager
def progress(what: str, total: int, unit: str) -> Generator[Callable[[int], None]]:
    """Give a function to call with the number of things just done; any thread may call it."""
    if sys.stderr.isatty():
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        with bar:
            task = bar.add_task(what, total=total)
            yield lambda count: bar.advance(task, count)
        return
    lock, done, line_at = threading.Lock(), 0, time.monotonic() + LOG_SECONDS

    def advance(count: int) -> None:
        nonlocal done, line_at
        with lock:
            done += count
            if time.monotonic() >= line_at:
                line_at = time.monotonic() + LOG_SECONDS
                logger.info("%s: %d of %d %s", what, done, total, unit)

    yield advance
