"""Recordings that are pieces of video files, or whole ones: a decoder of their frames."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from farframe.data.frame_store import runs_of
from farframe.data.open_files import OpenFiles
from farframe.data.source import DataError
from farframe.data.square import Crop, View
from farframe.data.video_seek import FrameReader
from farframe.data.video_times import VideoError
from farframe.data.video_track import Track


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One recording: which stored frames of a video file it shows, in ascending order.

    ``name`` is the file in messages.
    """

    name: str
    path: Path
    track: Track
    crop: Crop
    numbers: Int[np.ndarray, " n"]


class VideoPieces:
    """Decodes pieces of video files to squares of ``frame_size``; see ``frame_store.Decoder``."""

    def __init__(self, pieces: Sequence[Piece], frame_size: int) -> None:
        self._pieces = tuple(pieces)
        self._frame_size = frame_size
        self.open_files = OpenFiles()
        self.lengths = [len(piece.numbers) for piece in self._pieces]
        self.runs = runs_of([piece.path for piece in self._pieces])

    def some(self, index: int, frames: Sequence[int]) -> Iterator[UInt8[np.ndarray, "3 s s"]]:
        """Frames of one recording, ascending."""
        piece = self._pieces[index]
        numbers = piece.numbers[np.asarray(frames, dtype=np.int64)].tolist()
        try:
            with self.open_files.reader(piece.path, piece.track) as reader:
                yield from reader.squares(numbers, self._view(piece))
        except VideoError as error:
            raise DataError(f"{piece.name}: {error}") from error

    def all(self, run: range, stop: threading.Event) -> Iterator[UInt8[np.ndarray, "3 s s"]]:
        """All frames of the recordings of one file."""
        first = self._pieces[run.start]
        threads = 0 if len(self.runs) == 1 else 1  # several files: a thread for each
        with closing(FrameReader(first.path, first.track, threads)) as reader:
            try:
                for index in run:
                    piece = self._pieces[index]
                    for square in reader.squares(piece.numbers.tolist(), self._view(piece)):
                        if stop.is_set():
                            return
                        yield square
            except VideoError as error:
                raise DataError(f"{first.name}: {error}") from error

    def _view(self, piece: Piece) -> View:
        """How the frames of a file become squares."""
        return View(piece.crop, self._frame_size, piece.track.aspect, piece.track.turn)
