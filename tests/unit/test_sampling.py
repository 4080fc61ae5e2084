from __future__ import annotations

import itertools

import pytest

from farframe.data.sampling import spread_recordings, spread_stretches
from farframe.data.source import Recording


def recordings(*lengths: int) -> list[Recording]:
    return [Recording(id=f"{i}", file="", length=n, fps=10.0) for i, n in enumerate(lengths)]


def test_recordings_are_spread_from_the_first_to_the_last() -> None:
    assert spread_recordings(10, 4) == [0, 3, 6, 9]
    assert spread_recordings(3, 64) == [0, 1, 2]
    assert spread_recordings(5, 0) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("wanted", [1, 2, 7, 64, 1000])
def test_stretches_lie_within_and_are_as_many_as_wanted(wanted: int) -> None:
    known = recordings(10, 64, 65, 500, 1, 2000)
    found = spread_stretches(known, wanted, 64)
    assert len(found) <= wanted
    assert len(set(found)) == len(found)
    for part in found:
        assert 0 <= part.start < part.stop <= known[part.recording].length
        assert part.stop - part.start <= 65


def test_a_single_long_recording_is_looked_at_everywhere() -> None:
    starts = sorted(part.start for part in spread_stretches(recordings(10_000), 10, 64))
    gaps = [b - a for a, b in itertools.pairwise(starts)]
    assert len(starts) == 10
    assert max(gaps) < 1.2 * min(gaps)


def test_all_is_every_pair_of_neighbouring_frames() -> None:
    known = recordings(1, 2, 64, 65, 66, 300)
    parts = spread_stretches(known, 0, 64)
    pairs = {(part.recording, t) for part in parts for t in range(part.start, part.stop - 1)}
    assert pairs == {(i, t) for i, r in enumerate(known) for t in range(r.length - 1)}
    assert parts[0].stop == 1
