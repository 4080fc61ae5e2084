"""Which folders of pictures are read: those that are whole, and alike in their numbers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from farframe.config import DataConfig
from farframe.data.frames_index import find_folders
from farframe.data.frames_store import Entry
from farframe.data.source import DataError
from farframe.data.square import Crop, View
from farframe.data.tables import Name, table_beside
from farframe.data.video_index import names_of

logger = logging.getLogger("farframe")


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A recording: where its pictures lie, and the numbers beside them."""

    name: str
    path: Path
    entry: Entry
    actions: Float32[np.ndarray, "t a"]
    poses: Float32[np.ndarray, "t p"]


def first_action_dim(data: DataConfig) -> int:
    """Numbers in an action of the first folder with a table that can be read; nothing is indexed.

    Raises:
        DataError: if there are no pictures.
    """
    folders = find_folders(Path(data.path).expanduser())
    for folder in folders.values():
        try:
            table = table_beside(folder, "actions")
        except DataError:
            continue  # opening tells of it
        return 0 if table is None else table.shape[1]
    return 0


def choose_folders(
    path: Path, folders: Mapping[str, Path], entries: Mapping[str, Entry], crop: Crop, strict: bool
) -> list[Folder]:
    """The folders that can be used, with a warning for each that can't, or only in part.

    Raises:
        DataError: if there is none, or with ``strict`` for the first that can't.
    """
    chosen: list[Folder] = []
    warnings: list[str] = []
    complaints: list[str] = []
    for name, entry in entries.items():
        text = f"{name}: {entry.problem}; the {entry.length} frames before are used"
        try:
            if not entry.length:
                raise DataError(entry.problem)
            if complaint := View(crop, 1).complaint(entry.width, entry.height):
                raise DataError(complaint)
            folder = _with_tables(name, folders[name], entry)
            _check_widths(folder, chosen)
            chosen.append(folder)
            if not entry.problem:
                continue
        except DataError as error:
            complaints.append(f"{name}: {error}")
            text = f"skipping {name}: {error}"
        if strict:
            raise DataError(_strictly(name, entry.problem or complaints[-1]))
        warnings.append(text)
    if not chosen:
        raise DataError(f"no readable folder of pictures in {path}; tried {names_of(complaints)}")
    for text in warnings:
        logger.warning("%s", text)
    return chosen


def _strictly(name: str, problem: str) -> str:
    return f"{name}: {problem.removeprefix(f'{name}: ')}; mend it, or drop --data.strict"


def _with_tables(name: str, path: Path, entry: Entry) -> Folder:
    tables: dict[Name, Float32[np.ndarray, "t n"]] = {}
    for what in ("actions", "poses"):
        table = table_beside(path, what)
        if table is None:
            table = np.zeros((entry.pictures, 0), np.float32)
        if len(table) != entry.pictures:
            raise DataError(
                f"{what} of {len(table)} frames beside {entry.pictures} pictures: one row a frame "
                "is needed"
            )
        tables[what] = table[: entry.length]
    return Folder(
        name=name, path=path, entry=entry, actions=tables["actions"], poses=tables["poses"]
    )


def _check_widths(folder: Folder, chosen: Sequence[Folder]) -> None:
    if not chosen:
        return
    mine, first = ((f.actions.shape[1], f.poses.shape[1]) for f in (folder, chosen[0]))
    if mine != first:
        raise DataError(
            f"actions of {mine[0]} numbers and poses of {mine[1]}, but {chosen[0].name} has "
            f"{first[0]} and {first[1]} (0: no file): all folders must be alike"
        )
