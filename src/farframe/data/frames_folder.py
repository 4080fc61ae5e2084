"""Folders of pictures as a source of clips: each folder that holds pictures is a recording."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from farframe.config import DataConfig
from farframe.data.concurrency import locked
from farframe.data.frame_cache import FrameCache
from farframe.data.frames_choice import Folder, choose_folders
from farframe.data.frames_index import find_folders, index_folders
from farframe.data.frames_store import Entry, load_index, store_index
from farframe.data.image_files import pictures_in, pixels_of
from farframe.data.source import DataError, Recording, check_frames
from farframe.data.square import Crop, View
from farframe.types import Clip

logger = logging.getLogger("farframe")

FPS = 10.0
"""What pictures are said to have where nobody says."""

_READING = "pictures 1"  # change it when the same files come to give other pixels


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
            chosen = choose_folders(path, folders, entries, crop, data.strict)
            source = cls(chosen, frame_size, data.fps or FPS, crop)
            if data.cache == "off" or cache_dir is None:
                return source
            broken = source._fill(cache_dir)
            if broken:  # found out only by decoding: the next start knows
                store_index(cache_dir, load_index(cache_dir) | broken)
                chosen = choose_folders(path, folders, entries | broken, crop, data.strict)
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
