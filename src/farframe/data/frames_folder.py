"""Folders of pictures as a source of clips: each folder that holds pictures is a recording."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from farframe.config import DataConfig
from farframe.data.concurrency import locked
from farframe.data.frame_cache import FrameCache
from farframe.data.frames_index import (
    Entry,
    find_folders,
    index_folders,
    load_index,
    store_index,
)
from farframe.data.image_files import pictures_in, pixels_of
from farframe.data.source import DataError, Recording, check_frames
from farframe.data.square import Crop, View
from farframe.data.tables import Name, table_beside
from farframe.data.video_index import names_of
from farframe.types import Clip

logger = logging.getLogger("farframe")

FPS = 10.0
"""What pictures are said to have where nobody says."""

_READING = "pictures 1"  # change it when the same files come to give other pixels


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A recording: where its pictures lie, and the numbers beside them."""

    name: str
    path: Path
    entry: Entry
    actions: Float32[np.ndarray, "t a"]
    poses: Float32[np.ndarray, "t p"]


class FramesFolder:
    """All folders of pictures at and below a path, as squares (``square.View``).

    A recording is called by its folder's path below it ("." for itself); its pictures come in
    natural order. Actions and poses may lie beside them (``tables.py``): in all folders or in none.
    """

    kind = "frames"

    def __init__(self, folders: Sequence[Folder], frame_size: int, fps: float, crop: Crop) -> None:
        self.frame_size = frame_size
        self.action_dim = folders[0].actions.shape[1]
        self.pose_dim = folders[0].poses.shape[1]
        self._folders, self._crop = tuple(folders), crop
        self._recordings = tuple(
            Recording(id=f.name, file=f.name, length=f.entry.length, fps=fps) for f in folders
        )
        self._starts = [0, *np.cumsum([f.entry.length for f in folders]).tolist()]
        self._cache: FrameCache | None = None
        self._files: dict[int, list[str]] = {}

    @classmethod
    def open(cls, data: DataConfig, frame_size: int, cache_dir: Path | None) -> FramesFolder:
        """Index ``data.path`` and, unless ``data.cache`` is off, decode it into ``cache_dir``.

        Raises:
            ValueError: if ``data.crop`` is none.
            DataError: if nothing can be read, something is broken and ``data.strict`` is set, or
                the decoded frames don't fit on the disk.
        """
        crop = Crop.parse(data.crop)
        path = Path(data.path).expanduser()
        folders = find_folders(path)
        with locked(cache_dir):
            entries = index_folders(folders, cache_dir)
            chosen = _choose(path, folders, entries, crop, data.strict)
            source = cls(chosen, frame_size, data.fps or FPS, crop)
            if data.cache == "off" or cache_dir is None:
                return source
            broken = source._fill(cache_dir)
            if broken:  # found out only by decoding: the next start knows
                store_index(cache_dir, load_index(cache_dir) | broken)
                chosen = _choose(path, folders, entries | broken, crop, data.strict)
                source = cls(chosen, frame_size, data.fps or FPS, crop)
                source._fill(cache_dir)
        return source

    @property
    def recordings(self) -> Sequence[Recording]:
        """The readable folders, by name."""
        return self._recordings

    def read(self, index: int, frames: range) -> Clip:
        """Frames of one folder; see ``ClipSource.read``."""
        index = range(len(self._recordings))[index]
        recording, folder = self._recordings[index], self._folders[index]
        check_frames(recording, frames)
        rows = np.asarray(frames, dtype=np.int64)
        if self._cache is not None:
            pixels = self._cache.read(self._starts[index] + rows)
        else:
            pixels = np.empty((len(frames), 3, self.frame_size, self.frame_size), np.uint8)
            for out, square in zip(pixels, self._squares(index, frames), strict=True):
                out[:] = square
        return Clip(
            frames=pixels,
            actions=folder.actions[rows],
            poses=folder.poses[rows],
            fps=recording.fps,
            id=recording.id,
        )

    def fingerprint(self) -> str:
        """Changes with the pictures' names, sizes and ends, the numbers, and how they are read."""
        fps = self._recordings[0].fps
        digest = hashlib.sha256(f"{_READING}\0{self.frame_size}\0{fps!r}\0{self._crop}".encode())
        for folder in self._folders:
            entry = folder.entry
            text = f"\n{folder.name}\0{entry.digest}\0{entry.length}"
            digest.update(text.encode("utf-8", "surrogateescape"))
            for table in (folder.actions, folder.poses):
                digest.update(repr(table.shape).encode() + table.tobytes())
        return digest.hexdigest()

    def _squares(self, index: int, frames: Sequence[int]) -> Iterator[UInt8[np.ndarray, "3 s s"]]:
        folder = self._folders[index]
        if index not in self._files:
            self._files[index] = [entry.name for entry in pictures_in(folder.path)]
        names, view = self._files[index], View(self._crop, self.frame_size)
        size = folder.entry.width, folder.entry.height
        for t in frames:
            if t >= len(names):
                raise DataError(f"{folder.path} has lost pictures since it was indexed")
            pixels = pixels_of(folder.path / names[t])
            if pixels.shape[1::-1] != size:
                raise DataError(f"{folder.path / names[t]} has another size than when indexed")
            yield view.square(pixels, *size)

    def _fill(self, cache_dir: Path) -> dict[str, Entry]:
        """Make sure that all frames are in the cache; give the folders that turn out broken."""
        broken: dict[str, Entry] = {}

        def decode(index: int, stop: threading.Event) -> Iterator[UInt8[np.ndarray, "3 s s"]]:
            folder, done = self._folders[index], 0
            try:
                for square in self._squares(index, range(folder.entry.length)):
                    if stop.is_set():
                        return
                    yield square
                    done += 1
            except DataError as error:
                broken[folder.name] = replace(folder.entry, length=done, problem=str(error))
                blank = np.zeros((3, self.frame_size, self.frame_size), np.uint8)
                yield from (blank for _ in range(folder.entry.length - done))

        lengths = [recording.length for recording in self._recordings]
        cache = FrameCache.filled(cache_dir, self.fingerprint(), lengths, self.frame_size, decode)
        if broken:
            cache.path.unlink(missing_ok=True)
        else:
            self._cache = cache
        return broken


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


def _choose(
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
