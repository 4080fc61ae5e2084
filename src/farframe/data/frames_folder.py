"""Folders of pictures as a source of clips: each folder that holds pictures is a recording."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from farframe.config import DataConfig
from farframe.data.concurrency import locked
from farframe.data.frame_store import FrameStore, StoredSource
from farframe.data.frames_choice import Folder, choose_folders
from farframe.data.frames_decoder import FolderDecoder
from farframe.data.frames_index import find_folders, index_folders
from farframe.data.frames_store import Entry, load_index, store_index
from farframe.data.source import Recording
from farframe.data.square import Crop

FPS = 10.0
"""What pictures are said to have where nobody says."""

_READING = "pictures 1"  # change it when the same files come to give other pixels


class FramesFolder(StoredSource):
    """All folders of pictures at and below a path, as squares (``square.View``).

    A recording is called by its folder's path below it ("." for itself); its pictures come in
    natural order. Actions and poses may lie beside them (``tables.py``): in all folders or in none.
    """

    kind = "frames"

    def __init__(self, folders: Sequence[Folder], frame_size: int, fps: float, crop: Crop) -> None:
        self.frame_size = frame_size
        self._folders, self._crop, self._fps = tuple(folders), crop, fps
        self._decoder = FolderDecoder(folders, frame_size, crop)
        super().__init__(
            [Recording(id=f.name, file=f.name, length=f.entry.length, fps=fps) for f in folders],
            FrameStore(self._decoder, frame_size),
            np.concatenate([folder.actions for folder in folders]),
            np.concatenate([folder.poses for folder in folders]),
        )

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
            if broken := source._keep(cache_dir):  # so that the next start knows
                store_index(cache_dir, {**load_index(cache_dir), **broken})
                chosen = choose_folders(path, folders, {**entries, **broken}, crop, data.strict)
                source = cls(chosen, frame_size, data.fps or FPS, crop)
                source._keep(cache_dir)
        return source

    def fingerprint(self) -> str:
        """Changes with the pictures' names, sizes and ends, the numbers, and how they are read."""
        reading = f"{_READING}\0{self.frame_size}\0{self._fps!r}\0{self._crop}"
        digest = hashlib.sha256(reading.encode())
        for folder in self._folders:
            entry = folder.entry
            text = f"\n{folder.name}\0{entry.digest}\0{entry.length}"
            digest.update(text.encode("utf-8", "surrogateescape"))
            for table in (folder.actions, folder.poses):
                digest.update(repr(table.shape).encode() + table.tobytes())
        return digest.hexdigest()

    def _keep(self, cache_dir: Path) -> Mapping[str, Entry]:
        """Make sure that all frames are in the cache; give the folders that turn out broken."""
        self._store.keep(cache_dir, self.fingerprint())
        if self._decoder.broken:
            self._store.drop()
        return self._decoder.broken
