"""HDF5 files in robomimic's layout as a source of clips."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from farframe.config import DataConfig
from farframe.data.hdf5_choice import Found, choose_demos
from farframe.data.hdf5_files import Hdf5Files
from farframe.data.hdf5_layout import Demo
from farframe.data.source import DataError, Recording, check_frames
from farframe.data.square import Crop, View
from farframe.types import Clip

logger = logging.getLogger("farframe")

_READING = "hdf5 1"  # change it when the same files come to give other pixels


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
        self._open = Hdf5Files()

    @classmethod
    def open(cls, data: DataConfig, frame_size: int) -> Hdf5Source:
        """Look at every demonstration below ``data.path``; no pictures are read.

        Raises:
            ValueError: if ``data.crop`` is none.
            DataError: if h5py is missing, nothing can be read, or something is broken and
                ``data.strict`` is set.
        """
        root, demos = choose_demos(data)
        return cls(root, demos, frame_size, data)

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


def _rows(table: Any, frames: range) -> np.ndarray:
    """Rows of a data set in any order, read in one piece."""
    if not len(frames):
        return table[:0]
    low, high = min(frames[0], frames[-1]), max(frames[0], frames[-1])
    rows = table[low : high + 1 : abs(frames.step)]
    return rows if frames.step > 0 else rows[::-1]


def _numbers(table: Any, frames: range) -> Float32[np.ndarray, "t n"]:
    return np.ascontiguousarray(_rows(table, frames), np.float32)
