"""Which part of large data is looked at, so that a look takes seconds: evenly, always the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from farframe.data.source import Recording
from farframe.data.splits import Segment

STRETCH = 64
"""Consecutive frames of a recording that are looked at together, at least."""


def spread_recordings(count: int, wanted: int) -> list[int]:
    """``wanted`` (0: all) of ``count`` recordings, evenly, the first and the last among them."""
    if wanted <= 0 or wanted >= count:
        return list(range(count))
    return sorted({round(i) for i in np.linspace(0, count - 1, wanted).tolist()})


def spread_stretches(recordings: Sequence[Recording], wanted: int, frames: int) -> list[Segment]:
    """``wanted`` stretches of ``frames`` frames, evenly over recordings and over time.

    Fewer where there are no more; a shorter recording is one stretch. Where a recording is taken
    whole, each stretch also has the first frame of the next, so that no change is missed.
    """
    chosen = spread_recordings(len(recordings), wanted)
    found: list[Segment] = []
    for rank, index in enumerate(chosen):
        length = recordings[index].length
        whole = range(0, max(1, length - 1), frames)
        fitting = len(whole)
        share = wanted // len(chosen) + (rank < wanted % len(chosen)) if wanted > 0 else fitting
        if share >= fitting:
            found += [Segment(index, s, min(s + frames + 1, length)) for s in whole]
            continue
        # Spread by the golden ratio, so that single stretches are from all times.
        room, phase = length - frames + 1, (rank + 1) * 0.6180339887498949 % 1
        starts = [int((k + phase) * room / share) for k in range(share)]
        found += [Segment(index, s, s + frames) for s in starts]
    return found
