"""The file of decoded frames: whole or not there, whatever happens while it is written."""

from __future__ import annotations

import io
import logging
import pickle
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from farframe.data.concurrency import locked, side_by_side
from farframe.data.frame_cache import FrameCache
from farframe.data.progress import progress
from farframe.data.source import DataError

LENGTHS = (3, 40, 1, 70)
FRAMES = np.random.default_rng(0).integers(0, 255, (sum(LENGTHS), 3, 8, 8), dtype=np.uint8)
STARTS = np.cumsum((0, *LENGTHS))


def frames_of(index: int, stop: threading.Event) -> Iterator[np.ndarray]:
    yield from FRAMES[STARTS[index] : STARTS[index + 1]]


@pytest.fixture
def cache(tmp_path: Path) -> FrameCache:
    return FrameCache(tmp_path / "new" / "frames-1.npy", len(FRAMES), 8)


def test_what_is_written_is_read(cache: FrameCache, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="farframe")
    assert not cache.whole()
    with pytest.raises(DataError, match="gone or damaged"):
        cache.read(np.array([0]))
    cache.write(LENGTHS, frames_of)
    assert cache.whole()
    rows = np.array([5, 5, 0, 113, 2])
    np.testing.assert_array_equal(cache.read(rows), FRAMES[rows])
    assert cache.read(rows).flags.owndata
    np.testing.assert_array_equal(np.load(cache.path), FRAMES)
    assert [p.name for p in cache.path.parent.iterdir()] == ["frames-1.npy"]
    assert "caching 114 frames of 8x8: 22 kB in" in caplog.text


def test_a_mapped_cache_is_pickled_without_its_frames(cache: FrameCache) -> None:
    cache.write(LENGTHS, frames_of)
    cache.read(np.array([0]))
    data = pickle.dumps(cache)
    assert len(data) < 1000
    np.testing.assert_array_equal(pickle.loads(data).read(np.array([7])), FRAMES[7:8])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b"x"),
        lambda path: path.write_bytes(b""),
        lambda path: np.save(path, FRAMES[1:]),
        lambda path: np.save(path, FRAMES.astype(np.int8)),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_a_file_of_another_shape_does_not_count(
    cache: FrameCache, spoil: Callable[[Path], object]
) -> None:
    cache.write(LENGTHS, frames_of)
    spoil(cache.path)
    assert not cache.whole()


@pytest.mark.parametrize(
    "error", [DataError("bad frame"), KeyboardInterrupt(), OSError(28, "full")]
)
@pytest.mark.parametrize("lengths", [LENGTHS, (len(FRAMES),)])
def test_a_failure_leaves_nothing(
    cache: FrameCache, error: BaseException, lengths: tuple[int, ...]
) -> None:
    def failing(index: int, stop: threading.Event) -> Iterator[np.ndarray]:
        yield FRAMES[0]
        if index in (0, 3) and len(lengths) in (1, 4):
            raise error
        yield from FRAMES[1 : lengths[index]]

    expected = DataError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected, match=r"bad|full.*--data\.cache off|^$"):
        cache.write(lengths, failing)
    assert list(cache.path.parent.iterdir()) == []


def test_too_little_room_is_told_first(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "frames-1.npy", 2**50, 64)

    def never(index: int, stop: threading.Event) -> Iterator[np.ndarray]:
        raise AssertionError("begun in spite of it")
        yield

    with pytest.raises(DataError, match=r"would take .* GB in .* are free: .*--data\.cache off"):
        cache.write([2**50], never)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_not_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = FrameCache(tmp_path / "file" / "frames-1.npy", 3, 8)
    with pytest.raises(DataError, match=r"can't write .*--data\.cache off"):
        cache.write([3], frames_of)
    with locked(tmp_path / "file"):
        pass


def test_leftovers_of_killed_processes_are_removed(cache: FrameCache) -> None:
    cache.path.parent.mkdir()
    (cache.path.parent / "frames-0.npy.tmp").write_bytes(b"half")
    (cache.path.parent / "notes.tmp").write_bytes(b"mine")
    cache.write(LENGTHS, frames_of)
    assert sorted(p.name for p in cache.path.parent.iterdir()) == ["frames-1.npy", "notes.tmp"]


def test_only_one_prepares_a_folder(tmp_path: Path) -> None:
    order: list[str] = []
    inside = threading.Event()

    def second() -> None:
        inside.wait(10)
        with locked(tmp_path):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with locked(tmp_path):
        inside.set()
        time.sleep(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_the_first_error_stops_the_others() -> None:
    stop, begun = threading.Event(), []

    def work(number: int) -> int:
        begun.append(number)
        if number == 0:
            raise DataError("the first")
        assert stop.wait(10)
        return number

    with pytest.raises(DataError, match="the first"):
        side_by_side(200, work, stop)
    assert len(begun) < 200
    assert side_by_side(5, lambda n: n * n, threading.Event()) == [0, 1, 4, 9, 16]
    assert side_by_side(0, work, stop) == []


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with progress("decoding", 40, "frames") as advance:
        advance(40)
    assert "decoding" in screen.getvalue()
    assert "40/40 frames" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())


def test_progress_is_a_line_now_and_then_elsewhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="farframe")
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with progress("decoding", 40, "frames") as advance:
        advance(10)
        assert caplog.text == ""
        monkeypatch.setattr("farframe.data.progress.time.monotonic", lambda: 1e12)
        advance(10)
        advance(10)
    assert [r.getMessage() for r in caplog.records] == ["decoding: 20 of 40 frames"]
