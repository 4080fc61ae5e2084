"""Part of one video file as a clip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from farframe.data.files import is_regular
from farframe.data.part import check_part, clip_of, crop_of, part_of
from farframe.data.source import DataError
from farframe.data.square import View
from farframe.data.video_reader import packet_rate
from farframe.data.video_scan import scan
from farframe.data.video_seek import FrameReader
from farframe.data.video_table import read_table, table_beside
from farframe.data.video_times import VideoError
from farframe.data.video_track import Track
from farframe.types import Clip


def read_video(
    path: Path,
    *,
    frame_size: int,
    fps: float = 0.0,
    crop: str = "center",
    start: int = 0,
    count: int | None = None,
    partial: bool = False,
    controls: bool = False,
) -> Clip:
    """Frames ``start`` to ``start + count`` (None: to the end) of one video, of any suffix.

    A video that ends before that is refused, or with ``partial`` gives what it has.

    The same frames that ``VideoFolder`` gives for the same ``fps`` (0: the file's average rate)
    and ``crop``. Only as much of the file is decoded as is asked for. With ``controls`` the table
    beside it, if there is one, gives actions and poses (``video_table``).

    Raises:
        DataError: one line for whatever is wrong with the file or the wish.
    """
    shape = crop_of(crop)
    check_part(fps, start, count)
    if not is_regular(path):
        raise DataError(
            f"{path} is a folder: name a video" if path.is_dir() else f"{path} does not exist"
        )
    try:
        rate = fps or (packet_rate(path) if count else 0.0)
        until = (start + count + 1) / rate if count and rate else math.inf
        track = scan(path, until)
        rate, length = track.resampled(rate)
        wanted = part_of(f"{path}", length, start, count, f" at {rate:g} frames a second", partial)
        view = View(shape, frame_size, track.aspect, track.turn)
        numbers = track.nearest(wanted, rate).tolist()
        with closing(FrameReader(path, track)) as reader:
            frames = list(reader.squares(numbers, view))
    except VideoError as error:
        raise DataError(f"{path}: {error}") from error
    clip = clip_of(frames, rate, path.name)
    return _with_controls(clip, path, track, numbers, until) if controls else clip


def _with_controls(
    clip: Clip, path: Path, track: Track, numbers: Sequence[int], until: float
) -> Clip:
    """The clip with the actions and poses of its stored frames, if there is a table."""
    file = table_beside(path)
    if file is None:
        return clip
    table = read_table(file)
    try:
        rows = table.rows(track, part=until < math.inf)[list(numbers)]
    except VideoError as error:
        raise DataError(f"{file}: {error}") from error
    return replace(clip, actions=table.actions[rows], poses=table.poses[rows])
