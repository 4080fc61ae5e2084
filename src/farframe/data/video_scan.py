"""One pass over a video file that finds out what there is to read in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame

from farframe.data.square import Turn
from farframe.data.video_picture import Picture, imprint
from farframe.data.video_reader import DECODE_ERRORS, decoded, open_container, why
from farframe.data.video_times import VideoError, trusted_times
from farframe.data.video_track import Track

KEY_DISTANCE = 8  # frames between keyframes that are noted: where all are, a few suffice


def scan(
    path: Path,
    until: float = math.inf,
    threads: int = 0,
    stopped: Callable[[], bool] = lambda: False,
) -> Track:
    """Decode a file (to ``until`` seconds, or until ``stopped()``) and note what is in it.

    Raises:
        VideoError: if not a single frame can be decoded, or its times make no sense.
    """
    container, stream = open_container(path, threads)
    with closing(container):
        notes = _Notes(stream.time_base or Fraction(1), container.duration)
        try:
            for frame in decoded(container, stream):
                notes.add(frame)
                if notes.seconds() > until or stopped():
                    break
            else:
                notes.at_end(alone=len(container.streams) == 1)
        except DECODE_ERRORS as error:
            notes.damage = why(error)
        if notes.damage and stream.codec_context.thread_count != 1:
            return scan(path, until, 1, stopped)  # how far threads get before an error is chance
        return notes.track(stream.average_rate, float(stream.sample_aspect_ratio or 1))


class _Notes:
    """What ``scan`` gathers, frame by frame."""

    def __init__(self, tick: Fraction, duration: int | None) -> None:
        self._tick, self._declared = tick, (duration or 0) / av.time_base
        self._last = 0.0
        self._pts: list[int | None] = []
        self._keys: list[int] = []
        self._imprints: list[int] = []
        self._sizes: dict[tuple[int, int], None] = {}
        self._turn = Turn()
        self.damage = ""

    def add(self, frame: VideoFrame) -> None:
        number = len(self._pts)
        if not number:
            side_data: Any = frame.side_data
            if (matrix := side_data.get("DISPLAYMATRIX")) is not None:
                self._turn = Turn.from_matrix(np.frombuffer(matrix, dtype=np.int32).tolist())
            Picture().rgb(frame)  # a picture that can't be converted shows here
        if not number or (frame.key_frame and number - self._keys[-1] >= KEY_DISTANCE):
            self._keys.append(number)
        self._imprints.append(imprint(frame))
        self._sizes[frame.width, frame.height] = None
        self._pts.append(frame.pts)
        self._last = float((frame.duration or 0) * self._tick)

    def seconds(self) -> float:
        """From the first frame to the last so far."""
        if not self._pts or (first := self._pts[0]) is None or (last := self._pts[-1]) is None:
            return 0.0
        return float((last - first) * self._tick)

    def at_end(self, alone: bool) -> None:
        """Compare with the length that the file declares; ``alone``: it holds nothing else."""
        end = self.seconds() + self._last
        if alone and end and self._declared - end > max(1.0, 0.05 * self._declared):
            self.damage = f"it ends after {end:.6g} of the {self._declared:.6g} s it declares"

    def track(self, declared: Fraction | None, aspect: float) -> Track:
        """Sum up.

        Raises:
            VideoError: if there is nothing to sum up.
        """
        if not self._pts:
            raise VideoError(f"not one frame can be decoded ({self.damage or 'it holds none'})")
        pts, rate = trusted_times(self._pts, self._tick, declared)
        return Track(
            length=len(self._pts),
            pts=pts,
            tick=self._tick,
            rate=rate,
            keys=np.array(self._keys, dtype=np.int64),
            imprints=np.array(self._imprints, dtype=np.uint32),
            sizes=tuple(self._sizes),
            aspect=aspect if 0.01 <= aspect <= 100 else 1.0,
            turn=self._turn,
            damage=self.damage,
        )
