"""The pictures of folders to squares: a decoder of recordings that are folders."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8

from farframe.data.frames_choice import Folder
from farframe.data.frames_store import Entry
from farframe.data.image_files import pictures_in, pixels_of
from farframe.data.source import DataError
from farframe.data.square import Crop, View


class FolderDecoder:
    """Decodes folders of pictures to squares of ``frame_size``; see ``frame_store.Decoder``.

    After ``all`` of the recordings ``broken`` has the folders that turned out to hold a picture
    that can't be decoded, each as an entry that ends before it; black frames stand for the rest.
    """

    def __init__(self, folders: Sequence[Folder], frame_size: int, crop: Crop) -> None:
        self.lengths = [folder.entry.length for folder in folders]
        self.runs = [range(index, index + 1) for index in range(len(folders))]
        self.broken: dict[str, Entry] = {}
        self._folders, self._view = tuple(folders), View(crop, frame_size)
        self._files: dict[int, list[str]] = {}

    def some(self, index: int, frames: Sequence[int]) -> Iterator[UInt8[np.ndarray, "3 s s"]]:
        """Frames of one folder, in any order."""
        folder = self._folders[index]
        if index not in self._files:
            self._files[index] = [entry.name for entry in pictures_in(folder.path)]
        names, size = self._files[index], (folder.entry.width, folder.entry.height)
        for t in frames:
            if t >= len(names):
                raise DataError(f"{folder.path} has lost pictures since it was indexed")
            pixels = pixels_of(folder.path / names[t])
            if pixels.shape[1::-1] != size:
                raise DataError(f"{folder.path / names[t]} has another size than when indexed")
            yield self._view.square(pixels, *size)

    def all(self, run: range, stop: threading.Event) -> Iterator[UInt8[np.ndarray, "3 s s"]]:
        """All frames of a folder, black ones from the first that is broken."""
        folder, done = self._folders[run.start], 0
        try:
            for square in self.some(run.start, range(folder.entry.length)):
                if stop.is_set():
                    return
                yield square
                done += 1
        except DataError as error:
            self.broken[folder.name] = replace(folder.entry, length=done, problem=str(error))
            blank = np.zeros((3, self._view.frame_size, self._view.frame_size), np.uint8)
            yield from (blank for _ in range(folder.entry.length - done))
