"""What every source of clips is, and how a path is opened as one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from farframe.config import DataConfig
from farframe.data.files import is_regular, is_video, walk
from farframe.data.tfrecord_file import NAMES, is_tfrecord
from farframe.types import Clip


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One uninterrupted run of frames (a video file, a record, a generated clip).

    ``id`` is stable when other files are added or moved together: it decides the split.
    ``file`` is the file that holds it, relative to the source's path ("" for generated ones).
    ``length`` counts frames at the source's own output rate ``fps``.
    """

    id: str
    file: str
    length: int
    fps: float


@runtime_checkable
class ClipSource(Protocol):
    """Reads, decodes and resizes frames; knows no batch, window, seed or model.

    Must be picklable and open its files lazily: loader workers each get a copy.
    """

    kind: str
    frame_size: int
    action_dim: int
    pose_dim: int

    @property
    def recordings(self) -> Sequence[Recording]:
        """Every readable recording, in a stable order."""
        ...

    def read(self, index: int, frames: range) -> Clip:
        """Frames ``frames`` (start, stop, step) of recording ``index``.

        Raises:
            IndexError: if a frame lies outside of the recording.
            DataError: if the file has gone bad since it was indexed.
        """
        ...

    def fingerprint(self) -> str:
        """Hex digest that changes when the data or the way it is read changes."""
        ...


class DataError(ValueError):
    """Data that can't be read: the message names the file, the reason and the way out."""


def open_source(data: DataConfig, frame_size: int, cache_dir: Path | None = None) -> ClipSource:
    """Open ``data.path`` by what it holds, with frames of ``frame_size`` squared.

    ``shapes`` is the generated world (a folder of that name: ``./shapes``). A single file is a
    TFRecord file if its name or its first bytes say so, else a video. ``cache_dir`` is where
    sources that decode slowly may keep decoded frames (None: nowhere).

    Raises:
        DataError: if the path is missing, empty, or of no known kind.
    """
    kind, path = data_kind(data), Path(os.path.expanduser(data.path))
    if kind == "shapes":
        from farframe.worlds.shapes import ShapesSource

        return ShapesSource(
            clips=data.clips, length=data.clip_length, frame_size=frame_size, seed=data.world_seed
        )
    if kind == "tfrecord":
        from farframe.data.tfrecord import TFRecordSource

        return TFRecordSource.open(
            path,
            frame_size,
            fps=data.fps,
            strict=data.strict,
            controls=data.controls,
            cache_dir=cache_dir,
        )
    from farframe.data.video_folder import VideoFolder

    return VideoFolder.open(data, frame_size, cache_dir)


def data_kind(data: DataConfig) -> Literal["tfrecord", "video", "shapes"]:
    """Which reader ``data`` means; reads names and first bytes only.

    Raises:
        DataError: if the path is missing, empty, or of no known kind.
    """
    if data.kind == "shapes" or (data.kind == "auto" and data.path == "shapes"):
        return "shapes"
    path = Path(os.path.expanduser(data.path))
    if data.kind == "auto":
        return _kind(path)
    if not os.path.exists(path):
        raise DataError(_missing(path))
    return data.kind


def actions_in(data: DataConfig) -> int:
    """Numbers in an action of the data, found without indexing it; raises as ``data_kind``."""
    if data_kind(data) != "tfrecord":
        return 0
    from farframe.data.tfrecord import TFRecordSource

    return TFRecordSource.action_dim


def _kind(path: Path) -> Literal["tfrecord", "video"]:
    """What a path holds, from names and, where they tell nothing, from first bytes."""
    if not os.path.exists(path):
        raise DataError(_missing(path))
    if path.is_dir():
        return _folder_kind(path)
    if not is_regular(path):
        raise DataError(f"{path} is neither a file nor a folder: name one that is")
    if not path.stat().st_size:
        raise DataError(f"{path} is empty (0 bytes): copy it here again, or name another file")
    return "tfrecord" if is_tfrecord(path) else "video"


def _folder_kind(folder: Path) -> Literal["tfrecord", "video"]:
    try:
        files = list(walk(folder))
    except OSError as error:
        raise DataError(f"{error.filename or folder} can't be listed: {error.strerror}") from error
    videos = sum(map(is_video, files))
    records = sum(is_tfrecord(file) for file in files if not is_video(file))
    if videos and records:
        raise DataError(
            f"{folder} holds both {records} TFRecord file(s) and {videos} video(s): choose with "
            "--data.kind tfrecord or --data.kind video, or name a folder with one kind"
        )
    if not (videos or records):
        raise DataError(
            f"{folder} holds neither TFRecords ({NAMES}) nor videos (.mp4, .avi, .mkv, .webm, "
            f".gif, ...) among {len(files)} file(s): name another file or folder, or shapes"
        )
    return "tfrecord" if records else "video"


def _missing(path: Path) -> str:
    return (
        f"{path} does not exist: name a video file, a folder of videos or TFRecords, or shapes "
        "for the generated world"
    )
