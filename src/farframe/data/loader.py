"""Batches without end, in an order that depends on the seed and the batch number alone.

Here is who reads ahead, and what happens when reading fails; which clips a batch holds is said in
``reader.py``.
"""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import pickle
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

import torch
from torch.utils.data import DataLoader

from farframe.config import check
from farframe.data.clips import ClipWindows
from farframe.data.reader import BatchReader, Read
from farframe.data.source import DataError
from farframe.types import Batch

logger = logging.getLogger(__name__)

BAD_SHARE, BAD_BLOCK = 0.1, 1000  # give up when more than this share of so many samples was bad


class Loader(Iterator[Batch]):
    """Batches from ``windows``, read ahead of the consumer, without end.

    ``batch_size`` counts the clips of all ``world_size`` processes; each gets its equal part.
    ``start`` is the number of batches consumed before (a checkpoint's step). ``workers`` processes
    read, or a thread of this one where it is 0; the batches are the same for any number of them.
    A clip that can't be read is replaced by another, the same in every run, with one warning per
    file, unless ``strict``.

    Use it as a context manager or call ``close()``; after an error it has closed itself.
    Workers import the main module: a script that starts some needs ``if __name__ == "__main__":``.

    Raises:
        ValueError: if the numbers don't fit together.
        DataError: from ``next``, for an unreadable clip if ``strict``, and otherwise if 100 windows
            in a row or more than a tenth of the samples are unreadable.
    """

    def __init__(
        self,
        windows: ClipWindows,
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        workers: int = 0,
        pin_memory: bool = False,
        start: int = 0,
        strict: bool = False,
    ) -> None:
        rule = f"must be a positive multiple of the {world_size} process(es) of the run"
        check(batch_size >= 1 and batch_size % world_size == 0, "data.batch_size", batch_size, rule)
        check(0 <= rank < world_size, "rank", rank, f"must be from 0 to {world_size - 1}")
        check(workers >= 0, "data.workers", workers, "must be >= 0")
        check(start >= 0, "start", start, "must be >= 0")
        check(
            not pin_memory or torch.cuda.is_available(),
            "pin_memory",
            pin_memory,
            "needs a CUDA GPU",
        )
        self.position = start
        """Number of the next batch: what ``start`` must be to go on from here."""
        self._reader = BatchReader(
            windows=windows,
            batch_size=batch_size,
            seed=seed,
            rank=rank,
            world_size=world_size,
            strict=strict,
        )
        self._workers, self._pin_memory = workers, pin_memory
        self._reads: _ThreadReads | _ProcessReads | None = None
        self._closed = False
        self._warned: set[str] = set()
        self._samples = self._replaced = 0

    def __iter__(self) -> Loader:
        return self

    def __next__(self) -> Batch:
        if self._closed:
            raise RuntimeError("the loader is closed")
        try:
            if self._reads is None:
                start = _ProcessReads if self._workers else _ThreadReads
                self._reads = start(self._reader, self.position, self._workers, self._pin_memory)
            batch = self._accept(next(self._reads))
        except BaseException:
            self.close()
            raise
        self.position += 1
        return batch

    def _accept(self, read: Read) -> Batch:
        """The batch, after warnings about what was replaced in it; raises where it was too much."""
        if read.batch is None:
            raise DataError(read.error)
        for file, reason in read.bad:
            if file not in self._warned:
                self._warned.add(file)
                logger.warning("other clips stand in for those of %s: %s", file, reason)
        self._samples += len(read.batch.ids)
        self._replaced += read.replaced
        if self._replaced > BAD_SHARE * BAD_BLOCK:
            raise DataError(
                f"{self._replaced} of {self._samples} clips can't be read, the last one because: "
                f"{read.bad[-1][1]}; repair or remove the bad files"
            )
        if self._samples >= BAD_BLOCK:
            self._samples = self._replaced = 0
        return read.batch

    def close(self) -> None:
        """Stop reading and end the thread or the worker processes; doing it twice is fine."""
        self._closed = True
        reads, self._reads = self._reads, None
        if reads is not None:
            reads.close()

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _ThreadReads:
    """Reads in this process, one batch ahead in a thread."""

    def __init__(self, reader: BatchReader, start: int, workers: int, pin_memory: bool) -> None:
        del workers
        # A copy of the source, as worker processes get one: evaluation may read from the original
        # while the thread is in the middle of a file.
        self._reader: BatchReader = pickle.loads(pickle.dumps(reader))
        self._pin_memory = pin_memory
        self._numbers = itertools.count(start)
        self._thread = ThreadPoolExecutor(1, "farframe-loader")
        self._ahead = self._submit()

    def _submit(self) -> Future[Read]:
        return self._thread.submit(self._read, next(self._numbers))

    def _read(self, index: int) -> Read:
        read = self._reader[index]
        return read.pin_memory() if self._pin_memory else read

    def __next__(self) -> Read:
        read = self._ahead.result()
        self._ahead = self._submit()
        return read

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)


class _ProcessReads:
    """Reads in worker processes, two batches ahead in each.

    Workers come from a fork server where there is one, else they are spawned. Plain fork copies
    a process whose torch, CUDA and reader threads may hold locks that then stay locked for ever;
    the server is a fresh process without threads, and having loaded torch once it starts a worker
    in milliseconds, where spawn takes seconds for each.
    """

    def __init__(self, reader: BatchReader, start: int, workers: int, pin_memory: bool) -> None:
        server = "forkserver" in multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if server else "spawn")
        context.set_forkserver_preload([__name__])
        with warnings.catch_warnings():
            # More workers than cores is the user's choice, and no reason to stop.
            warnings.filterwarnings("ignore", "This DataLoader will create")
            loader = DataLoader(
                reader,
                batch_size=None,  # a sample of the reader is a batch already
                sampler=itertools.count(start),
                num_workers=workers,
                collate_fn=_as_it_is,
                multiprocessing_context=context,
                worker_init_fn=_start_worker,
                pin_memory=pin_memory,
                generator=torch.Generator(),  # without one, a number is drawn from the global RNG
            )
            self._batches: Iterator[Read] = iter(loader)

    def __next__(self) -> Read:
        try:
            return next(self._batches)
        except (RuntimeError, OSError, EOFError) as error:
            # What a killed worker looks like from here is chance: it may leave half a message.
            workers: list[BaseProcess] = getattr(self._batches, "_workers", [])
            if not wait([worker.sentinel for worker in workers], timeout=1):
                raise  # an error of the source, with the worker's traceback
            raise RuntimeError(
                "a loader process was killed: memory or /dev/shm may be full; use fewer "
                "--data.workers or a smaller --data.batch-size"
            ) from error

    def close(self) -> None:
        # The destructor would do it, but an exception's traceback may keep the iterator alive.
        stop: Callable[[], None] = getattr(self._batches, "_shutdown_workers", lambda: None)
        stop()


def _as_it_is(read: Any) -> Any:  # torch types a collate function by a list
    return read


def _start_worker(worker: int) -> None:
    """Make a worker's life depend on its parent's, and on nothing else.

    Ctrl-C reaches the whole process group, and what it means is for the main process to say. When
    that is killed, torch's own watchdog would see the fork server alive, which in turn lives as
    long as its workers do: they would all stay for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="farframe-watch", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
