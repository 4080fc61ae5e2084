"""A video file, or a folder tree of them, as a source of clips."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from farframe.config import DataConfig
from farframe.data.concurrency import locked
from farframe.data.frame_cache import FrameCache
from farframe.data.open_files import OpenFiles
from farframe.data.remote import located
from farframe.data.source import DataError, Recording
from farframe.data.square import Crop, View
from farframe.data.video_choice import complaints, find_videos
from farframe.data.video_index import Entry, index_videos, names_of
from farframe.data.video_seek import FrameReader
from farframe.data.video_times import VideoError
from farframe.types import Clip

_READING = "video 1"  # part of the fingerprint: change it when the same file gives other pixels


class VideoFolder:
    """All windows of all videos below a path, at a constant rate, as squares.

    Frame k of a recording is the stored frame whose presentation time is nearest to ``k / fps``
    seconds after the first; of two equally near ones the earlier. With ``data.fps`` 0 a file keeps
    its own average rate and number of frames (so where its rate is constant, its very frames).
    ``square.View`` tells how frames become squares.
    """

    kind = "video"
    action_dim = 0
    pose_dim = 0

    def __init__(
        self, files: Sequence[tuple[str, Path, Entry]], frame_size: int, fps: float, crop: Crop
    ) -> None:
        self.frame_size = frame_size
        self._fps, self._crop = fps, crop
        self._paths = [path for _, path, _ in files]
        self._digests = [f"{name}\0{entry.size}\0{entry.digest}" for name, _, entry in files]
        self._tracks = [entry.track for _, _, entry in files if entry.track is not None]
        rates = [track.resampled(fps) for track in self._tracks]
        self._recordings = tuple(
            Recording(id=name, file=name, length=length, fps=rate)
            for (name, _, _), (rate, length) in zip(files, rates, strict=True)
        )
        self._starts = [0, *np.cumsum([r.length for r in self._recordings]).tolist()]
        self._cache: FrameCache | None = None
        self._open = OpenFiles()

    @classmethod
    def open(cls, data: DataConfig, frame_size: int, cache_dir: Path | None) -> VideoFolder:
        """Index ``data.path`` and, unless ``data.cache`` is off, decode it into ``cache_dir``.

        Without a ``cache_dir`` nothing is kept and frames are streamed.

        Raises:
            ValueError: if ``data.crop`` is none.
            DataError: if nothing can be read, a file is broken and ``data.strict`` is set, or the
                decoded frames don't fit on the disk.
        """
        crop = Crop.parse(data.crop)
        path = located(data.path)
        files = find_videos(path)
        with locked(cache_dir):
            entries = index_videos(files, cache_dir)
            reasons = complaints(entries, crop, data)
            rows = [(n, files[n], entries[n]) for n, reason in reasons.items() if not reason]
            if not rows:
                tried = names_of([f"{name}: {reason}" for name, reason in reasons.items()])
                raise DataError(f"no readable video in {path}; tried {tried}")
            source = cls(rows, frame_size, float(data.fps), crop)
            if data.cache == "on" and cache_dir is not None:
                source._fill(cache_dir)
        return source

    @property
    def recordings(self) -> Sequence[Recording]:
        """The readable files, by name."""
        return self._recordings

    def read(self, index: int, frames: range) -> Clip:
        """Frames of one file; see ``ClipSource.read``."""
        index = range(len(self._recordings))[index]
        recording = self._recordings[index]
        if len(frames) and not (
            min(frames[0], frames[-1]) >= 0 and max(frames[0], frames[-1]) < recording.length
        ):
            raise IndexError(f"{recording.id} has {recording.length} frames, asked for {frames}")
        if self._cache is None:
            pixels = self._streamed(index, frames)
        else:
            pixels = self._cache.read(self._starts[index] + np.asarray(frames, dtype=np.int64))
        return Clip(
            frames=pixels,
            actions=np.zeros((len(frames), 0), np.float32),
            poses=np.zeros((len(frames), 0), np.float32),
            fps=recording.fps,
            id=recording.id,
        )

    def fingerprint(self) -> str:
        """Changes with the files' names, sizes and ends, and with how they are read."""
        lengths = [recording.length for recording in self._recordings]
        reading = f"{_READING}\0{self.frame_size}\0{self._fps!r}\0{self._crop}\0{lengths}"
        text = "\n".join([reading, *self._digests])
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def view(self, index: int) -> View:
        """How the frames of a file become squares."""
        track = self._tracks[index]
        return View(self._crop, self.frame_size, track.aspect, track.turn)

    def _streamed(self, index: int, frames: range) -> UInt8[np.ndarray, "t 3 s s"]:
        track, recording = self._tracks[index], self._recordings[index]
        numbers = track.nearest(frames, recording.fps).tolist()
        pixels = np.empty((len(numbers), 3, self.frame_size, self.frame_size), np.uint8)
        try:
            with self._open.reader(self._paths[index], track) as reader:
                # Sorted, so that backward ranges decode forward too.
                order = sorted(range(len(numbers)), key=numbers.__getitem__)
                squares = reader.squares([numbers[i] for i in order], self.view(index))
                for place, square in zip(order, squares, strict=True):
                    pixels[place] = square
        except VideoError as error:
            raise DataError(f"{recording.file}: {error}") from error
        return pixels

    def _fill(self, folder: Path) -> None:
        """Make sure that all frames are in the cache."""
        cache = FrameCache(
            folder / f"frames-{self.fingerprint()[:16]}.npy", self._starts[-1], self.frame_size
        )
        if not cache.whole():
            lengths = [recording.length for recording in self._recordings]
            cache.write(lengths, self._decode)
        self._cache = cache

    def _decode(self, index: int, stop: threading.Event) -> Iterator[UInt8[np.ndarray, "3 s s"]]:
        track, recording = self._tracks[index], self._recordings[index]
        threads = 0 if len(self._recordings) == 1 else 1  # several files: a thread for each
        numbers = track.nearest(range(recording.length), recording.fps).tolist()
        with closing(FrameReader(self._paths[index], track, threads)) as reader:
            try:
                for square in reader.squares(numbers, self.view(index)):
                    if stop.is_set():
                        return
                    yield square
            except VideoError as error:
                raise DataError(f"{recording.file}: {error}") from error
