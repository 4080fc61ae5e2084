"""Work side by side in threads, and one process at a time in a folder."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows: no locks between processes there
    fcntl = None

logger = logging.getLogger("farframe")


def side_by_side(count: int, work: Callable[[int], Any], stop: threading.Event) -> list[Any]:
    """``[work(0), ..., work(count - 1)]``, in threads (FFmpeg and Pillow let Python go on).

    At the first error, or Ctrl-C, ``stop`` is set, what has not begun is left, and the error is
    raised.
    """
    if count <= 1:
        return [work(index) for index in range(count)]
    with ThreadPoolExecutor(min(count, os.cpu_count() or 1)) as pool:
        jobs = [pool.submit(work, index) for index in range(count)]
        try:
            wait(jobs, return_when=FIRST_EXCEPTION)
            failed = [j for j in jobs if j.done() and not j.cancelled() and j.exception()]
            return [job.result() for job in failed or jobs]
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


@contextmanager
def locked(folder: Path | None) -> Generator[None]:
    """Let one process at a time prepare ``folder``; others wait, then find the work done.

    The lock ends with its process, however that ends. Without a folder that can be written to,
    or on systems without locks, this does nothing.
    """
    if folder is None or fcntl is None:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a")
    except OSError:
        yield
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("waiting for another process that is preparing %s", folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:  # some network disks know no locks
            logger.debug("no lock in %s: %s", folder, error)
        yield
