"""HDF5 files in robomimic's layout as a source of clips."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from farframe.config import DataConfig
from farframe.data.files import walk
from farframe.data.hdf5_layout import Demo, demos_of, is_hdf5, opened, rate_of
from farframe.data.source import DataError, Recording, check_frames
from farframe.data.square import Crop, View
from farframe.data.video_index import names_of
from farframe.types import Clip

logger = logging.getLogger("farframe")

KEPT_OPEN = 16  # files of one source in one process

_READING = "hdf5 1"  # change it when the same files come to give other pixels


@dataclass(frozen=True)
class Found:
    """A demonstration and the file it is in."""

    file: str
    fps: float
    demo: Demo

    @property
    def id(self) -> str:
        """``<file>:<demonstration>``."""
        return f"{self.file}:{self.demo.name}"


class Hdf5Source:
    """Every demonstration of a file, or of all files below a folder, as squares (``square.View``).

    Poses are ``hdf5_layout.POSES``. Where every demonstration is named in a mask, these are the
    splits.
    """

    kind = "hdf5"

    def __init__(
        self, root: Path, demos: Sequence[Found], frame_size: int, data: DataConfig
    ) -> None:
        self.frame_size = frame_size
        self.action_dim, self.pose_dim = demos[0].demo.action_dim, demos[0].demo.pose_dim
        self._root, self._demos, self._crop = root, tuple(demos), Crop.parse(data.crop)
        self._recordings = tuple(
            Recording(
                id=found.id,
                file=found.file,
                length=found.demo.length,
                fps=data.fps or found.fps,
                split=found.demo.split,
            )
            for found in demos
        )
        self._open = _OpenFiles()

    @classmethod
    def open(cls, data: DataConfig, frame_size: int) -> Hdf5Source:
        """Look at every demonstration below ``data.path``; no pictures are read.

        Raises:
            ValueError: if ``data.crop`` is none.
            DataError: if h5py is missing, nothing can be read, or something is broken and
                ``data.strict`` is set.
        """
        root, names = _files(Path(data.path).expanduser())
        crop = Crop.parse(data.crop)
        found: list[Found] = []
        complaints: list[str] = []
        for name in names:
            for one in _look(root / name, name, data.camera):
                problem = one.demo.problem or _complaint(one.demo, crop, found)
                if not problem:
                    found.append(one)
                    continue
                where = one.id if one.demo.name else name
                complaints.append(f"{where}: {problem.removeprefix(f'{root / name} ')}")
                if data.strict:
                    raise DataError(f"{complaints[-1]}; mend it, or drop --data.strict")
        if not found:
            raise DataError(f"no readable clip in {data.path}; tried {names_of(complaints)}")
        for complaint in complaints:
            logger.warning("skipping %s", complaint)
        return cls(root, _agreed(found), frame_size, data)

    @property
    def recordings(self) -> Sequence[Recording]:
        """Files by name, demonstrations in natural order."""
        return self._recordings

    def read(self, index: int, frames: range) -> Clip:
        """Frames of one demonstration; see ``ClipSource.read``."""
        index = range(len(self._recordings))[index]
        recording, demo = self._recordings[index], self._demos[index].demo
        check_frames(recording, frames)
        path = self._root / recording.file
        with self._open.file(path) as file:
            group = file["data"][demo.name]
            pictures = group["obs"][demo.camera]
            if pictures.shape[:3] != (demo.length, demo.height, demo.width):
                raise DataError(f"{path} has changed since it was indexed: start again")
            pixels = self._squares(_rows(pictures, frames), demo)
            none: list[Float32[np.ndarray, "t n"]] = [np.zeros((len(frames), 0), np.float32)]
            actions = _numbers(group["actions"], frames) if demo.action_dim else none[0]
            poses = [_numbers(group["obs"][key], frames) for key, _ in demo.poses]
        return Clip(
            frames=pixels,
            actions=actions,
            poses=np.concatenate(poses or none, 1),
            fps=recording.fps,
            id=recording.id,
        )

    def fingerprint(self) -> str:
        """Changes with the demonstrations, their numbers and sizes, and with how they are read."""
        rates = [recording.fps for recording in self._recordings]
        digest = hashlib.sha256(f"{_READING}\0{self.frame_size}\0{self._crop}\0{rates}".encode())
        for found in self._demos:
            text = f"\n{found.id}\0{found.demo.digest}"
            digest.update(text.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def _squares(
        self, pictures: UInt8[np.ndarray, "t h w 3"], demo: Demo
    ) -> UInt8[np.ndarray, "t 3 s s"]:
        view = View(self._crop, self.frame_size)
        out = np.empty((len(pictures), 3, self.frame_size, self.frame_size), np.uint8)
        for square, picture in zip(out, pictures, strict=True):
            square[:] = view.square(picture, demo.width, demo.height)
        return out


def first_action_dim(data: DataConfig) -> int:
    """Numbers in an action of the first demonstration that can be read.

    Raises:
        DataError: if there is none.
    """
    root, names = _files(Path(data.path).expanduser())
    problems: list[str] = []
    for name in names:
        for one in _look(root / name, name, data.camera):
            if not one.demo.problem:
                return one.demo.action_dim
            problems.append(f"{one.id if one.demo.name else name}: {one.demo.problem}")
    raise DataError(f"no readable clip in {data.path}; tried {names_of(problems)}")


class _OpenFiles:
    """The files that one process has open for one source, the last few used.

    A pickled copy starts with none, and so does a forked one: HDF5 can't share a file with its
    parent.
    """

    def __init__(self) -> None:
        self._process, self._lock = os.getpid(), threading.Lock()
        self._files: OrderedDict[Path, tuple[Any, ExitStack]] = OrderedDict()
        self._inherited: list[Any] = []

    def __getstate__(self) -> dict[str, object]:
        return {}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__()

    @contextmanager
    def file(self, path: Path) -> Generator[Any]:
        """An open file, for one thread at a time; damage met in it is a DataError."""
        if os.getpid() != self._process:
            inherited = [*self._inherited, self._files]
            self.__init__()
            self._inherited = inherited  # never used, never closed
        with self._lock:
            if path not in self._files:
                stack = ExitStack()
                self._files[path] = stack.enter_context(opened(path)), stack
            self._files.move_to_end(path)
            while len(self._files) > KEPT_OPEN:
                self._files.popitem(last=False)[1][1].close()
            try:
                yield self._files[path][0]
            except DataError:
                raise
            except (OSError, RuntimeError, KeyError, ValueError) as error:
                self._files.pop(path)[1].close()
                reason = " ".join(str(error).split())[:150]
                raise DataError(f"{path} can't be read ({reason})") from error


def _files(path: Path) -> tuple[Path, list[str]]:
    if not path.is_dir():
        return path.parent, [path.name]
    try:
        names = [file.relative_to(path).as_posix() for file in walk(path) if is_hdf5(file)]
    except OSError as error:
        raise DataError(f"{error.filename or path} can't be listed: {error.strerror}") from error
    if not names:
        raise DataError(f"{path} holds no HDF5 files (.hdf5, .h5)")
    return path, names


def _look(path: Path, name: str, camera: str) -> Iterator[Found]:
    """The demonstrations of a file; one without a name that says what is wrong with all of it."""
    try:
        with opened(path) as file:
            fps = rate_of(file)
            for demo in demos_of(file, camera):
                yield Found(name, fps, demo)
    except DataError as error:
        if "pip install" in str(error):
            raise
        yield Found(name, 0.0, Demo(name="", problem=str(error)))


def _complaint(demo: Demo, crop: Crop, found: Sequence[Found]) -> str:
    if complaint := View(crop, 1).complaint(demo.width, demo.height):
        return complaint
    first = found[0].demo if found else demo
    if (demo.action_dim, demo.pose_dim) == (first.action_dim, first.pose_dim):
        return ""
    return (
        f"actions of {demo.action_dim} numbers and poses of {demo.pose_dim}, but {found[0].id} has "
        f"{first.action_dim} and {first.pose_dim}"
    )


def _agreed(found: list[Found]) -> list[Found]:
    """The same, without splits if the masks leave any demonstration out."""
    without = sum(one.demo.split is None for one in found)
    if without and without < len(found):
        logger.warning(
            "%d of %d clips are in no mask (train, valid, test): the masks are not used",
            without,
            len(found),
        )
    if not without:
        return found
    return [replace(one, demo=replace(one.demo, split=None)) for one in found]


def _rows(table: Any, frames: range) -> np.ndarray:
    """Rows of a data set in any order, read in one piece."""
    if not len(frames):
        return table[:0]
    low, high = min(frames[0], frames[-1]), max(frames[0], frames[-1])
    rows = table[low : high + 1 : abs(frames.step)]
    return rows if frames.step > 0 else rows[::-1]


def _numbers(table: Any, frames: range) -> Float32[np.ndarray, "t n"]:
    return np.ascontiguousarray(_rows(table, frames), np.float32)
