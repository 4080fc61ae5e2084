"""A source of clips to files: shard by shard, in several processes, and on from where it stopped.

The plan (which clips make which shard) is a function of the source and the options. A shard appears
when it is whole, so going on is doing what is not there yet.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from farframe import __version__
from farframe.atomic import replacing, sweep
from farframe.config import check
from farframe.data.concurrency import locked
from farframe.data.formats import AnyFormat
from farframe.data.progress import progress
from farframe.data.shards import Shard
from farframe.data.source import ClipSource
from farframe.types import Clip

logger = logging.getLogger("farframe")
RECORD = "dataset.json"
_POLL = 0.3  # seconds between looks at how far the processes have come


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """How data is cut into files, and by how many processes."""

    shard_clips: int = 100
    """Clips of a file, about."""
    processes: int = 0
    """Processes that write (0: one for each processor)."""

    def __post_init__(self) -> None:
        check(self.shard_clips >= 1, "--shard-clips", self.shard_clips, "must be at least 1")
        check(self.processes >= 0, "--processes", self.processes, "must be at least 0")


@dataclass(frozen=True)
class Written:
    """What a data set comes to: split -> clips and frames, and how much of it was new."""

    out: Path
    splits: Mapping[str, tuple[int, int]]
    shards: int
    new_shards: int


def write_dataset(
    source: ClipSource,
    shards: Sequence[Shard],
    form: AnyFormat,
    out: Path,
    *,
    name: str,
    origin: Mapping[str, object],
    processes: int = 0,
) -> Written:
    """Write the shards that are not there yet, then what belongs to the data set as a whole.

    ``out/dataset.json`` says what the folder holds: ``origin`` (where the clips are from), the
    format, splits and their sizes, and whether it is finished.

    Raises:
        ValueError: if ``out`` holds something else, or a clip can't be written in this format.
        DataError: if a clip can't be read.
        OSError: if a file can't be written.
    """
    record: dict[str, Any] = {
        "farframe": __version__,
        "name": name,
        "origin": dict(origin),
        "format": {"tag": form.tag, **asdict(form)},
        "splits": {split: {"clips": c, "frames": f} for split, (c, f) in _sizes(shards).items()},
        "shards": len(shards),
        "fingerprint": source.fingerprint(),
        "finished": False,
    }
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: give a folder as --out")
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):  # a second process waits, and finds the work done
        return _write(Job(source, form, out, name), shards, record, processes)


def _write(job: Job, shards: Sequence[Shard], record: Mapping[str, Any], processes: int) -> Written:
    form, out, name = job.form, job.out, job.name
    finished = _begin(out, record)
    todo = [shard for shard in shards if not form.written(out, name, shard, finished)]
    if finished and not todo:
        return Written(out, _sizes(shards), len(shards), 0)
    if len(todo) < len(shards) and todo:
        logger.info("%s: %d of %d files are there", out, len(shards) - len(todo), len(shards))
    with progress("writing", sum(len(s.segments) for s in todo), "clips") as advance:
        count = min(len(todo), processes or os.cpu_count() or 1)
        if count > 1:
            _side_by_side(job, todo, count, advance)
        else:
            for shard in todo:
                job.write(shard, lambda: advance(1))
    form.finish(out)
    _store(out, {**record, "finished": True})
    return Written(out, _sizes(shards), len(shards), len(todo))


@dataclass(frozen=True)
class Job:
    """What a process needs to write a shard."""

    source: ClipSource
    form: AnyFormat
    out: Path
    name: str

    def write(self, shard: Shard, done: Any) -> None:
        """Read the clips of a shard and write them, calling ``done`` after each."""
        self.form.write(self.out, self.name, shard, self._clips(shard, done))

    def _clips(self, shard: Shard, done: Any) -> Iterator[Clip]:
        for segment in shard.segments:
            yield self.source.read(segment.recording, range(segment.start, segment.stop))
            done()


def _side_by_side(job: Job, shards: Sequence[Shard], count: int, advance: Any) -> None:
    """Write shards in processes; the first error, or Ctrl-C, stops all of them."""
    context = multiprocessing.get_context("forkserver")
    done, stop = context.Value("q", 0), context.Event()
    seen = 0
    with ProcessPoolExecutor(count, context, _Worker.begin, (job, done, stop)) as pool:
        jobs = [pool.submit(_Worker.run, shard) for shard in shards]
        waiting: Iterable[Future[None]] = jobs
        try:
            while waiting:
                finished, waiting = wait(waiting, timeout=_POLL)
                for future in finished:
                    future.result()
                now = int(done.value)
                advance(now - seen)
                seen = now
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


class _Worker:
    """What a process of the pool remembers between shards."""

    job: Job
    done: Any
    stop: Event

    @classmethod
    def begin(cls, job: Job, done: Any, stop: Event) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells us by ``stop``
        cls.job, cls.done, cls.stop = job, done, stop

    @classmethod
    def run(cls, shard: Shard) -> None:
        cls.job.write(shard, cls._one_more)

    @classmethod
    def _one_more(cls) -> None:
        with cls.done.get_lock():
            cls.done.value += 1
        if cls.stop.is_set():
            raise InterruptedError(0, "stopped")


def _sizes(shards: Sequence[Shard]) -> dict[str, tuple[int, int]]:
    sizes: dict[str, tuple[int, int]] = {}
    for shard in shards:
        clips, frames = sizes.get(shard.split, (0, 0))
        frames += sum(s.stop - s.start for s in shard.segments)
        sizes[shard.split] = clips + len(shard.segments), frames
    return sizes


def _begin(out: Path, record: Mapping[str, Any]) -> bool:
    """Make the folder ours, or find that it is this very data set; whether it is finished."""
    there: dict[str, Any] = {}
    if (out / RECORD).is_file():
        try:
            there = json.loads((out / RECORD).read_text(encoding="utf-8"))
        except ValueError:
            raise ValueError(f"{out / RECORD} is damaged: give another folder as --out") from None
        for key, value in record.items():
            if key in ("finished", "farframe", "origin"):
                continue
            if there.get(key) != json.loads(json.dumps(value)):
                raise ValueError(
                    f"{out} holds another data set ({key} is {_short(there.get(key))}, here it "
                    f"would be {_short(value)}): repeat the command that began it, or give another "
                    "folder"
                )
    elif any(not path.name.startswith(".") for path in out.iterdir()):
        raise ValueError(f"{out} is not empty: give a new folder, or one that was begun before")
    else:
        _store(out, record)
    for folder in (out, *(path for path in out.rglob("*") if path.is_dir())):
        sweep(folder)
    return bool(there.get("finished"))


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _store(out: Path, record: Mapping[str, Any]) -> None:
    with replacing(out / RECORD) as partial:
        partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
