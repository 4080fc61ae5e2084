"""Part of one video file as a clip."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from farframe.data.files import is_regular
from farframe.data.part import check_part, clip_of, crop_of, part_of
from farframe.data.source import DataError
from farframe.data.square import View
from farframe.data.video_reader import packet_rate
from farframe.data.video_scan import scan
from farframe.data.video_seek import FrameReader
from farframe.data.video_times import VideoError
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
) -> Clip:
    """Frames ``start`` to ``start + count`` (None: to the end) of one video, of any suffix.

    A video that ends before that is refused, or with ``partial`` gives what it has.

    The same frames that ``VideoFolder`` gives for the same ``fps`` (0: the file's average rate)
    and ``crop``. Only as much of the file is decoded as is asked for.

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
        until = (start + count + 1) / rate if count and rate else float("inf")
        track = scan(path, until)
        rate, length = track.resampled(rate)
        wanted = part_of(f"{path}", length, start, count, f" at {rate:g} frames a second", partial)
        view = View(shape, frame_size, track.aspect, track.turn)
        numbers = track.nearest(wanted, rate).tolist()
        with closing(FrameReader(path, track)) as reader:
            frames = list(reader.squares(numbers, view))
    except VideoError as error:
        raise DataError(f"{path}: {error}") from error
    return clip_of(frames, rate, path.name)
