"""Which demonstrations of which files are read: those that are whole and alike in their numbers."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from farframe.config import DataConfig
from farframe.data.files import walk
from farframe.data.hdf5_files import is_hdf5, opened
from farframe.data.hdf5_layout import Demo, demos_of, rate_of
from farframe.data.source import DataError
from farframe.data.square import Crop, View
from farframe.data.video_index import names_of

logger = logging.getLogger("farframe")


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


def choose_demos(data: DataConfig) -> tuple[Path, list[Found]]:
    """A folder and the demonstrations in it that can be read; a warning for each other one.

    Raises:
        ValueError: if ``data.crop`` is none.
        DataError: if h5py is missing, there is none, or with ``data.strict`` for the first that
            can't be read.
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
        told = {c.rpartition(": ")[2]: c for c in reversed(complaints)}  # the same once
        tried = names_of([*reversed(told.values())])
        raise DataError(f"no readable clip in {data.path}; tried {tried}")
    for complaint in complaints:
        logger.warning("skipping %s", complaint)
    return root, _agreed(found)


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
