"""What every source of clips is, and how a path is opened as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from farframe.config import DataConfig
from farframe.types import Clip

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One uninterrupted run of frames (a video file, a record, a generated clip).

    ``id`` is stable when other files are added or moved together: it decides the split.
    ``file`` is the file that holds it, relative to the source's path ("" for generated ones).
    ``length`` counts frames at the source's own output rate ``fps``. ``split`` is where the data's
    makers put it, None if they say nothing of splits.
    """

    id: str
    file: str
    length: int
    fps: float
    split: Split | None = None


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


def check_frames(recording: Recording, frames: range) -> None:
    """Raise IndexError if a frame lies outside of the recording."""
    if len(frames) and not (
        min(frames[0], frames[-1]) >= 0 and max(frames[0], frames[-1]) < recording.length
    ):
        raise IndexError(f"{recording.id} has {recording.length} frames, asked for {frames}")


def open_source(data: DataConfig, frame_size: int, cache_dir: Path | None = None) -> ClipSource:
    """Open ``data.path`` by what it holds, with frames of ``frame_size`` squared.

    ``shapes`` is the generated world (a folder of that name: ``./shapes``). ``kinds.KINDS`` has
    what else there is and how it is told. ``cache_dir`` is where sources that decode slowly may
    keep decoded frames (None: nowhere).

    Raises:
        DataError: if the path is missing, empty, or of no known kind.
    """
    from farframe.data.kinds import KINDS

    return KINDS[data_kind(data)].open(data, frame_size, cache_dir)


def data_kind(data: DataConfig) -> str:
    """Which of ``kinds.KINDS`` ``data`` means; reads names and first bytes only.

    Raises:
        DataError: if the path is missing, empty, or of no known kind.
    """
    from farframe.data.files import exists
    from farframe.data.kinds import KINDS, kind_of, missing
    from farframe.data.remote import RemotePath, located

    if data.kind == "shapes" or (data.kind == "auto" and data.path == "shapes"):
        return "shapes"
    path = located(data.path)
    try:
        if data.kind != "auto" and not exists(path):
            raise DataError(missing(path))
        kind = kind_of(path) if data.kind == "auto" else data.kind
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error
    if isinstance(path, RemotePath) and not KINDS[kind].remote:
        able = " and ".join(name for name, row in KINDS.items() if row.remote)
        raise DataError(
            f"{path} holds data of kind {kind}, of which only {able} is read from remote places: "
            "copy it to a local disk, or convert it there with farframe data convert"
        )
    return kind


def actions_in(data: DataConfig) -> int:
    """Numbers in an action of the data, found without indexing it; raises as ``data_kind``."""
    from farframe.data.kinds import KINDS

    return KINDS[data_kind(data)].action_dim(data)
