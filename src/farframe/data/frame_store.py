"""Frames of a source's recordings: decoded when asked for, or once and then from a cache."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from farframe.data.frame_cache import FrameCache
from farframe.data.source import Recording, check_frames
from farframe.types import Clip


@runtime_checkable
class Decoder(Protocol):
    """Decodes the frames of some recordings; picklable, opens files lazily."""

    @property
    def lengths(self) -> Sequence[int]:
        """Each recording's number of frames."""
        ...

    @property
    def runs(self) -> Sequence[range]:
        """All recordings in order; those of a run lie in one file and are best decoded together."""
        ...

    def some(self, index: int, frames: Sequence[int]) -> Iterator[UInt8[np.ndarray, "3 s s"]]:
        """Frames of one recording, ascending; files stay open for the next call.

        Raises:
            DataError: if the file has gone bad since it was indexed.
        """
        ...

    def all(self, run: range, stop: threading.Event) -> Iterator[UInt8[np.ndarray, "3 s s"]]:
        """All frames of the recordings of a run, in order; ends early once ``stop`` is set."""
        ...


class FrameStore:
    """Hands out frames of a decoder's recordings; ``keep`` has them decoded once for all."""

    def __init__(self, decoder: Decoder, frame_size: int) -> None:
        self.decoder = decoder
        self._frame_size = frame_size
        self._starts: list[int] = [0, *np.cumsum(decoder.lengths, dtype=np.int64).tolist()]
        self._cache: FrameCache | None = None

    def keep(self, folder: Path, fingerprint: str) -> None:
        """Make sure that all frames are in a cache in ``folder``, and read them there.

        Raises:
            DataError: if the disk has too little room, or a recording can't be read any more.
        """
        path = folder / f"frames-{fingerprint[:16]}.npy"
        cache = FrameCache(path, self._starts[-1], self._frame_size)
        if not cache.whole():
            runs = self.decoder.runs
            lengths = [self._starts[run.stop] - self._starts[run.start] for run in runs]
            cache.write(lengths, lambda number, stop: self.decoder.all(runs[number], stop))
        self._cache = cache

    def drop(self) -> None:
        """Remove the cache: what is in it turned out to be wrong."""
        if self._cache is not None:
            self._cache.path.unlink(missing_ok=True)
        self._cache = None

    def read(self, index: int, frames: range) -> UInt8[np.ndarray, "t 3 s s"]:
        """Frames of one recording, in any order.

        Raises:
            DataError: if its file has gone bad since it was indexed, or the cache is gone.
        """
        if self._cache is not None:
            return self._cache.read(self._starts[index] + np.asarray(frames, dtype=np.int64))
        pixels = np.empty((len(frames), 3, self._frame_size, self._frame_size), np.uint8)
        if not len(frames):
            return pixels
        # Ascending, so that backward ranges decode forward too.
        order = sorted(range(len(frames)), key=frames.__getitem__)
        squares = self.decoder.some(index, [frames[i] for i in order])
        for place, square in zip(order, squares, strict=True):
            pixels[place] = square
        return pixels


class StoredSource:
    """What sources have in common whose frames come from a ``FrameStore``.

    Args:
        recordings: of the source, one for each recording of the store.
        store: where frames come from.
        actions: of all frames of all recordings, one after another, "n a".
        poses: likewise, "n p".
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        store: FrameStore,
        actions: Float[np.ndarray, "n a"],
        poses: Float[np.ndarray, "n p"],
    ) -> None:
        self._recordings, self._store = tuple(recordings), store
        self._starts = np.cumsum([0, *(recording.length for recording in recordings)])
        self._actions, self._poses = actions, poses
        self.action_dim, self.pose_dim = actions.shape[1], poses.shape[1]

    @property
    def recordings(self) -> Sequence[Recording]:
        """The readable ones, in order."""
        return self._recordings

    def read(self, index: int, frames: range) -> Clip:
        """Frames of one recording; see ``ClipSource.read``."""
        index = range(len(self._recordings))[index]
        recording = self._recordings[index]
        check_frames(recording, frames)
        rows = self._starts[index] + np.asarray(frames, dtype=np.int64)
        return Clip(
            frames=self._store.read(index, frames),
            actions=self._actions[rows],
            poses=self._poses[rows],
            fps=recording.fps,
            id=recording.id,
        )


def runs_of(files: Sequence[Path]) -> list[range]:
    """Ranges of neighbours that lie in the same file."""
    firsts = [i for i, file in enumerate(files) if i == 0 or file != files[i - 1]]
    return [range(a, b) for a, b in zip(firsts, [*firsts[1:], len(files)], strict=True)]
