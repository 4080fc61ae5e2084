"""What surrounds the networks, for ``farframe bench``: reading data, starting, memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

from farframe.config import DataConfig
from farframe.data.clips import ClipWindows
from farframe.data.loader import Loader
from farframe.data.shards import plan
from farframe.data.source import open_source
from farframe.data.splits import Segment
from farframe.data.tfrecord_writer import write_tfrecords
from farframe.types import Clip
from farframe.video import pictures, write_png, write_video
from farframe.worlds.shapes import ShapesSource

_CLIPS, _FRAMES, _BATCH = 32, 20, 8
_STARTS = {
    "farframe --version": ("--version",),
    "farframe train --help": ("train", "--help"),
    "train one step (debug)": (
        "train",
        "debug",
        "--train.steps",
        "1",
        "--train.evaluate-every",
        "0",
    ),
}


@dataclass(frozen=True)
class Loading:
    """Frames a second of a kind of data: read by the training itself, by one process, by two."""

    source: str
    alone: float
    one_worker: float
    two_workers: float


@dataclass(frozen=True)
class Start:
    """Seconds from starting a command to its end, at best, and its peak memory."""

    command: str
    seconds: float
    megabytes: float


def loading(frame_size: int) -> list[Loading]:
    """Read clips of each kind of data, written into a temporary folder for it."""
    found: list[Loading] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, data, cache in _sources(Path(folder), frame_size):
            source = open_source(data, frame_size, cache)
            parts = [Segment(i, 0, r.length) for i, r in enumerate(source.recordings)]
            windows = ClipWindows(source, parts, _FRAMES)
            found.append(Loading(name, *(_rate(windows, workers) for workers in (0, 1, 2))))
    return found


def _sources(folder: Path, size: int) -> Iterator[tuple[str, DataConfig, Path | None]]:
    world = ShapesSource(clips=_CLIPS, length=_FRAMES, frame_size=size, seed=0)
    clips: list[Clip] = [world.read(i, range(_FRAMES)) for i in range(_CLIPS)]
    yield "shapes, drawn", DataConfig(path="shapes", clips=_CLIPS, clip_length=_FRAMES), None
    for form in ("png", "jpeg"):
        path = folder / f"{form}.tfrecord"
        write_tfrecords(path, clips, form)
        yield f"TFRecords, {form.upper()}", DataConfig(path=str(path)), None
    videos = folder / "videos"
    videos.mkdir()
    for clip in clips:
        write_video(videos / f"{clip.id}.mp4", pictures(clip.frames), 10.0)
    written = {"videos": videos, "folders of pictures": _pictures(folder / "pictures", clips)}
    if find_spec("pyarrow") is not None:
        written["LeRobot"] = _lerobot(folder / "lerobot", clips)
    for number, (name, path) in enumerate(written.items()):
        data = DataConfig(path=str(path))
        yield f"{name}, decoded before (cache on)", data, folder / f"cache{number}"
        yield f"{name}, streamed (cache off)", replace(data, cache="off"), None


def _pictures(out: Path, clips: list[Clip]) -> Path:
    """Each clip's frames as PNG files in a folder."""
    for clip in clips:
        (out / clip.id).mkdir(parents=True)
        for t, picture in enumerate(pictures(clip.frames)):
            write_png(out / clip.id / f"{t}.png", picture)
    return out


def _lerobot(out: Path, clips: list[Clip]) -> Path:
    """A LeRobotDataset of the clips."""
    from farframe.data.lerobot_writer import finish, write_shard

    parts = {"train": [Segment(i, 0, len(clip)) for i, clip in enumerate(clips)]}
    for shard in plan(parts, len(clips)):
        write_shard(out, shard, iter(clips))
    finish(out)
    return out


def _rate(windows: ClipWindows, workers: int) -> float:
    batches = 2 * _CLIPS // _BATCH
    with Loader(windows, batch_size=_BATCH, seed=0, workers=workers) as loader:
        next(loader)  # processes have started
        begin = perf_counter()
        for _ in range(batches):
            next(loader)
        return batches * _BATCH * _FRAMES / (perf_counter() - begin)


_LAUNCHER = """
import resource, subprocess, sys, time
begin = time.perf_counter()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""  # Linux counts a child's memory from that of its parent on: this process has held too much


def starts(turns: int) -> list[Start]:
    """How long commands take from nothing, each in a process of its own."""
    found: list[Start] = []
    for name, words in _STARTS.items():
        seconds: list[float] = []
        most = 0.0
        for _ in range(turns):
            with tempfile.TemporaryDirectory() as folder:
                out = ("--out", str(Path(folder) / "run")) if "debug" in words else ()
                command = [sys.executable, "-m", "farframe", *words, *out]
                launched = [sys.executable, "-c", _LAUNCHER, *command]
                told = subprocess.run(launched, capture_output=True, check=True, text=True)
                seconds_taken, kilobytes = map(float, told.stdout.split()[-2:])
                seconds.append(seconds_taken)
                most = max(most, kilobytes)
        found.append(Start(name, min(seconds), most / 1024))
    return found


def peak_memory() -> float:
    """The most memory that this process has held, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
