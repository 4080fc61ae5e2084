"""Whether a video file's presentation times can be believed, and what rate they tell."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from jaxtyping import Int

from farframe.data.source import DataError

SLOWEST, FASTEST = 1 / 3600, 10_000  # frames a second that a real recording may have


class VideoError(DataError):
    """Why one file can't be read; says no file name, whoever catches it knows it."""


def trusted_times(
    pts: Sequence[int | None], tick: Fraction, declared: Fraction | None
) -> tuple[Int[np.ndarray, " n"] | None, float]:
    """The presentation times, if they can be believed, and the average rate.

    Times that are missing or run backwards (raw streams; AVI with reordered frames) are dropped:
    then frames are as far apart as the rate that the file declares.

    Raises:
        VideoError: if no camera could have taken that, or nothing tells the rate.
    """
    known = [p for p in pts if p is not None]
    array = np.array(known, dtype=np.int64)
    if len(known) == len(pts) and len(pts) > 1 and np.all(np.diff(array) >= 0):
        steps, seconds = len(pts) - 1, float((known[-1] - known[0]) * tick)
        # A declared rate that agrees to within the times' rounding is exact (30000/1001);
        # many containers declare something else.
        if declared and abs(steps / float(declared) - seconds) <= max(0.002, 2 * float(tick)):
            return array, float(declared)
        if seconds > 0:
            return array, _sane(steps / seconds, f"{len(pts)} frames in {seconds:.6g} s")
    if not declared:
        raise VideoError("it has neither times nor a frame rate")
    rate = _sane(float(declared), f"{float(declared):.6g} frames a second")
    return (array if len(known) == len(pts) == 1 else None), rate


def _sane(rate: float, text: str) -> float:
    if not SLOWEST <= rate <= FASTEST:
        raise VideoError(f"its times make no sense: {text}")
    return rate
