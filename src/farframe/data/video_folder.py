"""A video file, or a folder tree of them, as a source of clips."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from farframe.config import DataConfig
from farframe.data.concurrency import locked
from farframe.data.frame_store import FrameStore, StoredSource
from farframe.data.remote import located
from farframe.data.source import DataError, Recording
from farframe.data.square import Crop, View
from farframe.data.video_choice import Video, find_videos, usable_videos
from farframe.data.video_index import index_videos, names_of
from farframe.data.video_pieces import Piece, VideoPieces
from farframe.data.video_track import Track

_READING = "video 1"  # part of the fingerprint: change it when the same file gives other pixels


class VideoFolder(StoredSource):
    """All windows of all videos below a path, at a constant rate, as squares.

    Frame k of a recording is the stored frame whose presentation time is nearest to ``k / fps``
    seconds after the first; of two equally near ones the earlier. With ``data.fps`` 0 a file keeps
    its own average rate and number of frames (so where its rate is constant, its very frames).
    ``square.View`` tells how frames become squares, ``video_table`` where actions and poses are
    found: each frame has those of the stored frame that it shows.
    """

    kind = "video"

    def __init__(self, videos: Sequence[Video], frame_size: int, fps: float) -> None:
        self.frame_size = frame_size
        self._fps, self._crops = fps, [v.crop for v in videos]
        self._tracks = [v.track for v in videos]
        self._digests = [v.told for v in videos]
        rates = [v.track.resampled(fps) for v in videos]
        recordings = tuple(
            Recording(id=v.name, file=v.name, length=length, fps=rate)
            for v, (rate, length) in zip(videos, rates, strict=True)
        )
        pieces = [
            Piece(
                name=v.name,
                path=v.path,
                track=v.track,
                crop=v.crop,
                numbers=v.track.nearest(range(count), rate),
            )
            for v, (rate, count) in zip(videos, rates, strict=True)
        ]
        store = FrameStore(VideoPieces(pieces, frame_size), frame_size)
        super().__init__(recordings, store, *_controls(videos, pieces))

    @classmethod
    def open(
        cls,
        data: DataConfig,
        frame_size: int,
        cache_dir: Path | None,
        *,
        files: Mapping[str, Path] | None = None,
        crop_of: Callable[[str, Track], Crop] | None = None,
    ) -> VideoFolder:
        """Index ``data.path`` and, unless ``data.cache`` is off, decode it into ``cache_dir``.

        Without a ``cache_dir`` nothing is kept and frames are streamed. Data whose videos lie in a
        layout of its own gives their ``files`` by name, and for crops that differ from file to file
        ``crop_of`` a name and what is in the file (None: all videos there are, ``data.crop``).

        Raises:
            ValueError: if ``data.crop`` is none.
            DataError: if nothing can be read, a file is broken and ``data.strict`` is set, or the
                decoded frames don't fit on the disk.
        """
        if crop_of is None:
            crop = Crop.parse(data.crop)
            crop_of = lambda name, track: crop  # noqa: E731
        path = located(data.path)
        files = find_videos(path) if files is None else files
        with locked(cache_dir):
            videos, reasons = usable_videos(files, index_videos(files, cache_dir), crop_of, data)
            if not videos:
                tried = names_of([f"{name}: {reason}" for name, reason in reasons.items()])
                raise DataError(f"no readable video in {path}; tried {tried}")
            source = cls(videos, frame_size, float(data.fps))
            if data.cache == "on" and cache_dir is not None:
                source._store.keep(cache_dir, source.fingerprint())
        return source

    def fingerprint(self) -> str:
        """Changes with names, sizes and ends of the files, their tables, and how they are read."""
        lengths = [recording.length for recording in self._recordings]
        crops = f"{self._crops[0] if len(set(self._crops)) == 1 else self._crops}"
        reading = f"{_READING}\0{self.frame_size}\0{self._fps!r}\0{crops}\0{lengths}"
        text = "\n".join([reading, *self._digests])
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def view(self, index: int) -> View:
        """How the frames of a file become squares."""
        track = self._tracks[index]
        return View(self._crops[index], self.frame_size, track.aspect, track.turn)

    def track(self, index: int) -> Track:
        """What is in a file as it is stored."""
        return self._tracks[index]

    def stored_sizes(self) -> set[tuple[int, int]]:
        """Width and height of the pictures in the files."""
        return {size for track in self._tracks for size in track.sizes}


def _controls(
    videos: Sequence[Video], pieces: Sequence[Piece]
) -> tuple[Float[np.ndarray, "n a"], Float[np.ndarray, "n p"]]:
    """The actions and poses of all output frames, from the tables beside the videos."""
    actions, poses = list[np.ndarray](), list[np.ndarray]()
    for video, piece in zip(videos, pieces, strict=True):
        if video.table is None:
            actions.append(np.zeros((len(piece.numbers), 0), np.float32))
            poses.append(actions[-1])
        else:
            rows = video.table.rows(video.track)[piece.numbers]
            actions.append(video.table.actions[rows])
            poses.append(video.table.poses[rows])
    return np.concatenate(actions), np.concatenate(poses)
