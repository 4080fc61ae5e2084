from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farframe.data.clips import ClipWindows, TooShortError
from farframe.data.source import DataError, Recording
from farframe.data.splits import Segment
from farframe.types import Clip

sys.path.insert(0, str(Path(__file__).parent))
from memory_source import MemorySource, recordings


def windows(*lengths: int, sequence_length: int = 3, stride: int = 1) -> ClipWindows:
    source = MemorySource(recordings(*lengths))
    whole = [Segment(i, 0, length) for i, length in enumerate(lengths)]
    return ClipWindows(source, whole, sequence_length, stride)


def test_every_window_of_every_segment_is_there_once() -> None:
    source = MemorySource(recordings(10, 20, 6))
    clips = ClipWindows(source, [Segment(0, 0, 10), Segment(1, 5, 16), Segment(2, 0, 6)], 3, 2)
    expected = [(0, s) for s in range(6)] + [(1, s) for s in range(5, 12)] + [(2, 0), (2, 1)]
    assert len(clips) == len(expected)
    for i, (recording, start) in enumerate(expected):
        clip = clips[i]
        assert clip.id == f"r{recording}@{start}"
        assert clip.frames[:, 0, 0, 0].tolist() == [recording] * 3
        assert clip.frames[:, 1, 0, 0].tolist() == [start, start + 2, start + 4]
        assert clip.actions[:, 0].tolist() == [start, start + 2, start + 4]
        assert clips.name(i) == f"{recording}.mp4"


def test_no_window_leaves_its_segment() -> None:
    clips = ClipWindows(MemorySource(recordings(100)), [Segment(0, 80, 90)], 4, 3)
    assert len(clips) == 1
    assert clips.locate(0) == (0, range(80, 90, 3))


@pytest.mark.parametrize("index", [-1, 8])
def test_windows_that_are_not_there(index: int) -> None:
    with pytest.raises(IndexError, match=f"window {index} of 8"):
        windows(10)[index]


def test_a_hundred_million_windows_cost_nothing() -> None:
    one = Recording(id="long", file="long.mp4", length=10**6, fps=1.0)
    source = MemorySource([one] * 200)
    clips = ClipWindows(source, [Segment(i, 0, 10**6) for i in range(200)], 20)
    assert len(clips) == 200 * (10**6 - 19)
    assert clips.locate(len(clips) - 1) == (199, range(10**6 - 20, 10**6))
    assert len(set(clips.spread(1000))) == 1000


def test_short_recordings_are_left_out_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        clips = windows(2, 9, 1, 3)
    assert [clips.locate(i)[0] for i in range(len(clips))] == [1] * 7 + [3]
    (record,) = caplog.records
    assert "2 of 4 recordings are shorter than the 3 frames" in record.getMessage()


def test_long_enough_recordings_give_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    windows(3, 9)
    assert not caplog.records


def test_nothing_long_enough_names_the_longest_and_both_numbers() -> None:
    with pytest.raises(DataError, match=r"^1\.mp4: 7 frames, .*needs 9 \(.*5, stride 2\)"):
        windows(5, 7, 6, sequence_length=5, stride=2)
    with pytest.raises(DataError, match=r"^0\.mp4: 10 frames \(of 100 in all splits\)"):
        ClipWindows(MemorySource(recordings(100)), [Segment(0, 80, 90)], 20)
    with pytest.raises(DataError, match="no recordings"):
        ClipWindows(MemorySource([]), [], 20)


@pytest.mark.parametrize(("length", "stride"), [(0, 1), (3, 0)])
def test_lengths_below_one(length: int, stride: int) -> None:
    with pytest.raises(ValueError, match="must be >= 1"):
        windows(10, sequence_length=length, stride=stride)


@settings(max_examples=50)
@given(lengths=st.lists(st.integers(3, 60), min_size=1, max_size=12), count=st.integers(0, 400))
def test_spread_is_distinct_and_even_over_recordings(lengths: list[int], count: int) -> None:
    clips = windows(*lengths)
    chosen = clips.spread(count)
    assert chosen == sorted(set(chosen)) == clips.spread(count)
    assert len(chosen) == min(count, len(clips))
    assert all(0 <= i < len(clips) for i in chosen)
    found = [clips.locate(i) for i in chosen]
    shares = np.bincount([recording for recording, _ in found], minlength=len(lengths))
    # Who has windows left has at most one fewer than anybody else.
    assert all(
        shares[r] >= shares.max() - 1 for r in np.flatnonzero(shares < np.array(lengths) - 2)
    )
    for r in np.flatnonzero(shares > 1):
        gaps = np.diff([frames.start for recording, frames in found if recording == r])
        assert gaps.max() - gaps.min() <= 1


def test_spread_covers_recordings_and_times() -> None:
    clips = windows(*[102] * 640)
    found = [clips.locate(i) for i in clips.spread(64)]
    assert [recording // 10 for recording, _ in found] == list(range(64))
    tenths = np.bincount([frames.start // 10 for _, frames in found], minlength=10)
    assert tenths.min() >= 5
    assert tenths.max() <= 8


def test_first_cuts_one_window_a_segment() -> None:
    source = MemorySource(recordings(10, 20, 6))
    parts = [Segment(0, 0, 10), Segment(1, 5, 16), Segment(2, 0, 6)]
    clips = ClipWindows(source, parts, 3, 2, first=True)
    assert [clips.locate(i) for i in range(len(clips))] == [
        (0, range(0, 5, 2)),
        (1, range(5, 10, 2)),
        (2, range(0, 5, 2)),
    ]
    assert clips.spread(9) == [0, 1, 2]


def test_strict_stops_at_the_first_that_is_too_short() -> None:
    source = MemorySource(recordings(9, 2, 1))
    with pytest.raises(TooShortError, match=r"^r1: 2 frames, but a clip needs 3 ") as caught:
        ClipWindows(source, [Segment(i, 0, n) for i, n in enumerate((9, 2, 1))], 3, strict=True)
    assert (caught.value.recording, caught.value.length) == ("r1", 2)
    assert len(ClipWindows(source, [Segment(0, 0, 9)], 3, strict=True)) == 7


@pytest.mark.parametrize("name", ["actions", "poses"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_clips_of_numbers_that_are_not_finite_are_refused(name: str, value: float) -> None:
    """Whatever the source: a loss would show it too late, and blame the learning rate."""

    class Bad(MemorySource):
        def read(self, index: int, frames: range) -> Clip:
            numbers = np.zeros((len(frames), 3), np.float32)
            numbers[[t == 5 for t in frames]] = value
            return replace(super().read(index, frames), **{name: numbers})

    windows = ClipWindows(Bad(recordings(8)), [Segment(0, 0, 8)], 3)
    assert windows[2].id == "r0@2"
    message = rf"^0\.mp4: the {name[:-1]} at frame 5 of r0 holds NaN or infinity"
    with pytest.raises(DataError, match=message):
        windows[3]
