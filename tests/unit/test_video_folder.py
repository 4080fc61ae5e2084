"""A folder of videos as a source of clips: what it finds, skips, remembers and hands out."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import pickle
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from video_files import AVI, MKV, RECIPES, Recipe, decode, make_sound, make_video

from farframe.config import DataConfig
from farframe.data import frame_cache, open_files, video_index, video_seek
from farframe.data.source import ClipSource, DataError
from farframe.data.video_folder import VideoFolder

SIZE = 32
COUNT = 40


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of each kind, and one whose frames are unevenly spaced."""
    folder = tmp_path_factory.mktemp("videos")
    for recipe in RECIPES:
        if not recipe.name.endswith(".h264"):  # no suffix of a video
            make_video(folder / recipe.name, recipe, count=COUNT)
    times = np.cumsum(np.random.default_rng(0).integers(15, 160, COUNT)).tolist()
    make_video(folder / "uneven.mp4", times=times)
    return folder


@pytest.fixture
def three(tmp_path: Path, store: Path) -> Path:
    """A tree with three good files."""
    folder = tmp_path / "videos"
    for name, copy in (("divx.avi", "b.avi"), ("lossless.mkv", "a/z.mkv"), ("two.mpg", "c.mpg")):
        (folder / copy).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(store / name, folder / copy)
    return folder


def open_videos(path: Path, cache_dir: Path | None = None, **options: object) -> VideoFolder:
    return VideoFolder.open(DataConfig(path=str(path), **options), SIZE, cache_dir)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


def test_a_tree_of_files_is_a_clip_source(three: Path) -> None:
    source = open_videos(three)
    assert isinstance(source, ClipSource)
    assert (source.kind, source.frame_size, source.action_dim, source.pose_dim) == (
        "video", SIZE, 0, 0,
    )  # fmt: skip
    names = [(r.id, r.file, r.length, r.fps) for r in source.recordings]
    assert names == [(n, n, COUNT, 25.0) for n in ("a/z.mkv", "b.avi", "c.mpg")]
    clip = source.read(1, range(5, 35, 10))
    assert (clip.id, clip.fps, len(clip)) == ("b.avi", 25.0, 3)
    assert clip.frames.shape == (3, 3, SIZE, SIZE)
    assert clip.frames.dtype == np.uint8
    assert clip.actions.shape == clip.poses.shape == (3, 0)
    assert decode(clip.frames) == [5, 15, 25]
    with pytest.raises(IndexError, match="has 40 frames"):
        source.read(1, range(35, 41))
    with pytest.raises(IndexError):
        source.read(1, range(-1, 3))
    with pytest.raises(IndexError):
        source.read(3, range(1))


def test_hidden_and_other_files_are_left_alone(
    three: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (three / "._b.avi").write_bytes(b"not a video, a Mac's notes on one")
    (three / ".trash").mkdir()
    shutil.copy(three / "b.avi", three / ".trash" / "old.avi")
    (three / "readme.txt").write_text("hello")
    (three / "loop").symlink_to(three)
    assert len(open_videos(three).recordings) == 3
    assert warnings_of(caplog) == []


def test_a_single_file_may_have_any_name(store: Path, tmp_path: Path) -> None:
    for name in ("b-frames.mp4", "moving.gif"):
        copy = tmp_path / "10:30 clip.bin"
        shutil.copy(store / name, copy)
        (recording,) = open_videos(copy).recordings
        assert (recording.id, recording.length) == ("10:30 clip.bin", COUNT)


@pytest.mark.parametrize("fps", [0.0, 30.0])
def test_streamed_is_cached_to_the_bit(store: Path, tmp_path: Path, fps: float) -> None:
    cached = open_videos(store, tmp_path, fps=fps)
    streamed = open_videos(store, tmp_path, fps=fps, cache="off")
    assert cached.recordings == streamed.recordings
    assert cached.fingerprint() == streamed.fingerprint()
    random = np.random.default_rng(0)
    for index, recording in enumerate(cached.recordings):
        for _ in range(6):
            start, step = random.integers(0, recording.length - 9), random.integers(1, 4)
            window = range(int(start), min(int(start) + 9, recording.length), int(step))
            window = window if random.random() < 0.7 else window[::-1]
            np.testing.assert_array_equal(
                cached.read(index, window).frames, streamed.read(index, window).frames
            )


@pytest.mark.parametrize(("fps", "expected"), [(0.0, 40), (5.0, 8), (50.0, 79)])
def test_every_window_shows_the_right_frames(store: Path, fps: float, expected: int) -> None:
    source = open_videos(store / "b-frames.mp4", fps=fps)
    (recording,) = source.recordings
    assert (recording.length, recording.fps) == (expected, fps or 25.0)
    ratio = 25 / recording.fps
    numbers = [int(np.ceil(k * ratio - 0.5)) for k in range(expected)]
    assert decode(source.read(0, range(expected)).frames) == numbers
    for start in range(expected - 4):
        clip = source.read(0, range(start, start + 4))
        assert decode(clip.frames) == numbers[start : start + 4]
    assert len(source.read(0, range(3, 3))) == 0


def test_broken_files_among_good_ones(three: Path, caplog: pytest.LogCaptureFixture) -> None:
    (three / "empty.mp4").touch()
    (three / "text.mp4").write_text("hello\n" * 500)
    make_sound(three / "sound.mp4")
    whole = (three / "a" / "z.mkv").read_bytes()
    (three / "head.mkv").write_bytes(whole[:300])
    good = open_videos(three)
    assert [r.id for r in good.recordings] == ["a/z.mkv", "b.avi", "c.mpg"]
    assert [text.split(":")[0] for text in warnings_of(caplog)] == [
        "skipping empty.mp4", "skipping head.mkv", "skipping sound.mp4", "skipping text.mp4",
    ]  # fmt: skip
    assert "it is empty" in warnings_of(caplog)[0]
    assert "only audio" in warnings_of(caplog)[2]
    assert decode(good.read(0, range(3)).frames) == [0, 1, 2]
    with pytest.raises(DataError, match=r"^empty.mp4: it is empty; .*drop --data.strict$"):
        open_videos(three, strict=True)


def test_a_file_that_goes_bad_keeps_its_beginning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_video(tmp_path / "v" / "a.avi", AVI, count=60)
    make_video(tmp_path / "v" / "b.avi", AVI, count=12)
    path.write_bytes(path.read_bytes()[:-12000])
    source = open_videos(tmp_path / "v", tmp_path / "cache")
    first, second = source.recordings
    assert (10 < first.length < 50, second.length) == (True, 12)
    assert decode(source.read(0, range(first.length)).frames) == list(range(first.length))
    (text,) = warnings_of(caplog)
    assert text.startswith(f"a.avi: it goes bad after frame {first.length - 1} (")
    with pytest.raises(DataError, match="goes bad after frame"):
        open_videos(tmp_path / "v", strict=True)


def test_nothing_to_read_says_what_was_tried(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere does not exist"):
        open_videos(tmp_path / "nowhere")
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "readme.txt").write_text("hello")
    with pytest.raises(DataError, match=r"v holds no videos: looked .*\.avi .*\.mp4"):
        open_videos(tmp_path / "v")
    for name in "abcde":
        (tmp_path / "v" / f"{name}.mp4").touch()
    with pytest.raises(DataError) as caught:
        open_videos(tmp_path / "v")
    assert str(caught.value) == (
        f"no readable video in {tmp_path / 'v'}; tried a.mp4: it is empty; b.mp4: it is empty; "
        "c.mp4: it is empty; and 2 more"
    )


def test_crops_are_checked_against_every_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_video(tmp_path / "small.mkv", MKV, count=12)
    make_video(tmp_path / "large.mkv", MKV, count=12, size=(128, 96))
    source = open_videos(tmp_path, crop="40,20,48")
    assert [r.id for r in source.recordings] == ["large.mkv"]
    (text,) = warnings_of(caplog)
    assert text == "skipping small.mkv: crop 40,20,48 reaches to 88x68, the picture is 64x48"
    with pytest.raises(DataError, match="crop 40,20,48 reaches"):
        open_videos(tmp_path, crop="40,20,48", strict=True)
    with pytest.raises(DataError, match=r"the picture is 128x96; small.*the picture is 64x48"):
        open_videos(tmp_path, crop="400,20,48")
    middle = open_videos(tmp_path / "large.mkv", crop="16,0,96").read(0, range(12)).frames
    centre = open_videos(tmp_path / "large.mkv").read(0, range(12)).frames
    np.testing.assert_array_equal(middle, centre)
    for crop in ("middle", "1,2", "1,2,0", "-1,2,3", "1,2,3,4", "1.5,2,3", "²,1,1", ""):
        with pytest.raises(
            ValueError, match=r"data\.crop is .*must be center, stretch or X,Y,SIDE"
        ):
            open_videos(tmp_path, crop=crop)


def test_absurd_rates_skip_the_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_video(tmp_path / "slides.mkv", MKV, count=3, times=[0, 600_000, 1_200_000])
    make_video(tmp_path / "video.mkv", MKV, count=12)
    assert [r.id for r in open_videos(tmp_path, fps=30.0).recordings] == ["video.mkv"]
    assert "lower --data.fps" in warnings_of(caplog)[0]
    assert len(open_videos(tmp_path).recordings) == 2


def test_the_index_spares_decoding(
    three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    scanned: list[str] = []
    scan = video_index.scan
    monkeypatch.setattr(
        video_index, "scan", lambda path, **kw: (scanned.append(path.name), scan(path, **kw))[1]
    )
    (three / "bad.mp4").write_text("no video")

    def opened() -> list[str]:
        scanned.clear()
        caplog.clear()
        found = [r.id for r in open_videos(three, cache, cache="off").recordings]
        assert found == ["a/z.mkv", "b.avi", "c.mpg"]
        assert [t.split(":")[0] for t in warnings_of(caplog)][-1:] == ["skipping bad.mp4"]
        return sorted(scanned)

    everything = ["b.avi", "bad.mp4", "c.mpg", "z.mkv"]
    assert opened() == everything
    assert opened() == []
    os.utime(three / "b.avi", (1, 1))
    assert opened() == ["b.avi"]
    index = cache / video_index.INDEX_NAME
    text = index.read_text()
    for broken in (
        "",
        "{",
        "[]",
        "null",
        '{"version": 1}',
        text[:-30],
        text.replace("25.0", "52.0"),
    ):
        index.write_text(broken)
        assert opened() == everything
        assert opened() == []
    data = json.loads(text) | {"version": [0, "0"]}
    index.write_text(json.dumps(data))
    assert opened() == everything
    index.unlink()
    index.mkdir()  # can't be read and can't be replaced
    assert opened() == everything
    assert list(cache.glob("*.tmp")) == []


def test_two_paths_may_share_a_cache(three: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    make_video(tmp_path / "other" / "q.mkv", MKV)
    first = open_videos(three, cache)
    second = open_videos(tmp_path / "other", cache)
    assert first.fingerprint() != second.fingerprint()
    known = json.loads((cache / video_index.INDEX_NAME).read_text())["files"]
    assert sorted(known) == ["a/z.mkv", "b.avi", "c.mpg", "q.mkv"]
    assert decode(first.read(1, range(4)).frames) == decode(second.read(0, range(4)).frames)


def test_the_cache_is_written_once(
    three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="farframe")
    cache = tmp_path / "cache"
    source = open_videos(three, cache)
    (file,) = cache.glob("frames-*.npy")
    assert np.load(file).shape == (3 * COUNT, 3, SIZE, SIZE)
    assert f"caching {3 * COUNT} frames of {SIZE}x{SIZE}: 369 kB in {cache}" in caplog.text
    frames = source.read(2, range(COUNT)).frames
    assert decode(frames) == list(range(COUNT))

    def fail(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(video_seek, "open_container", fail)
    again = open_videos(three, cache)
    np.testing.assert_array_equal(again.read(2, range(COUNT)).frames, frames)
    monkeypatch.undo()
    file.write_bytes(file.read_bytes()[:-1])
    np.testing.assert_array_equal(open_videos(three, cache).read(2, range(COUNT)).frames, frames)
    assert sorted(p.name for p in cache.iterdir()) == sorted(
        [".lock", file.name, video_index.INDEX_NAME]
    )


def test_a_full_disk_is_told_before_writing(
    three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(frame_cache.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        DataError, match=r"take 369 kB in .*, where 100 kB are free: .*--data.cache off"
    ):
        open_videos(three, tmp_path / "cache")
    assert list((tmp_path / "cache").glob("frames*")) == []
    assert open_videos(three, tmp_path / "cache", cache="off").read(0, range(2)).id == "a/z.mkv"


def test_processes_that_start_together_share_the_work(three: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with ThreadPoolExecutor(3) as pool:
        sources = list(pool.map(lambda _: open_videos(three, cache), range(3)))
    assert len({s.fingerprint() for s in sources}) == 1
    for source in sources:
        assert decode(source.read(1, range(COUNT)).frames) == list(range(COUNT))
    assert list(cache.glob("*.tmp")) == []


@pytest.mark.parametrize("cache", ["on", "off"])
def test_copies_travel_to_other_processes(three: Path, tmp_path: Path, cache: str) -> None:
    source = open_videos(three, tmp_path / "cache", cache=cache)
    expected = source.read(1, range(7, 12)).frames
    data = pickle.dumps(source)
    assert len(data) < 20_000
    np.testing.assert_array_equal(pickle.loads(data).read(1, range(7, 12)).frames, expected)


def test_a_forked_process_opens_its_own_files(three: Path) -> None:
    """A fork shares the parent's place in an open file: both would read nonsense."""
    source = open_videos(three)
    source.read(1, range(10))
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(
        target=lambda: results.put(
            [decode(source.read(1, range(k, k + 5)).frames) for k in range(10, 35)]
        )
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: forking with threads
        child.start()
    mine = [decode(source.read(1, range(k, k + 5)).frames) for k in range(10, 35)]
    theirs = results.get()
    child.join(30)
    assert mine == theirs == [list(range(k, k + 5)) for k in range(10, 35)]
    assert child.exitcode == 0


def test_streaming_keeps_a_few_files_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        make_video(tmp_path / f"{number}.mkv", MKV, count=20)
    source = open_videos(tmp_path)
    opened: list[str] = []
    real = video_seek.open_container
    monkeypatch.setattr(
        video_seek,
        "open_container",
        lambda path, threads: (opened.append(path.name), real(path, threads))[1],
    )
    for start in range(0, 20, 4):
        source.read(0, range(start, start + 4))
    assert opened == ["0.mkv"]
    for index in range(6):
        source.read(index, range(4))
    assert len(source._store.decoder.open_files._readers) == open_files.KEPT_OPEN
    source.read(5, range(4, 8))
    assert len(opened) == 6 or opened.count("5.mkv") == 1


def test_a_file_that_changes_later_is_an_error_that_names_it(three: Path) -> None:
    source = open_videos(three)
    make_video(three / "a" / "z.mkv", MKV, count=5)
    with pytest.raises(DataError, match=r"^a/z.mkv: it has changed since it was indexed"):
        source.read(0, range(20, 30))
    assert decode(source.read(1, range(3)).frames) == [0, 1, 2]
    make_video(three / "a" / "z.mkv", MKV)
    assert decode(source.read(0, range(20, 22)).frames) == [20, 21]


def test_the_fingerprint_follows_content_and_reading(three: Path, tmp_path: Path) -> None:
    base = open_videos(three).fingerprint()
    shutil.copytree(three, tmp_path / "copy")
    os.utime(tmp_path / "copy" / "b.avi", (5, 5))
    assert open_videos(tmp_path / "copy").fingerprint() == base
    assert open_videos(three, strict=True, stride=3).fingerprint() == base
    (tmp_path / "copy" / "b.avi").rename(tmp_path / "copy" / "d.avi")
    others = [
        open_videos(three, fps=10.0),
        open_videos(three, crop="stretch"),
        open_videos(three, crop="0,0,40"),
        VideoFolder.open(DataConfig(path=str(three)), 64, None),
        open_videos(tmp_path / "copy"),
        open_videos(three / "b.avi"),
    ]
    assert len({base, *(s.fingerprint() for s in others)}) == 7
    make_video(three / "b.avi", Recipe(name="b.avi", codec="mpeg4", options={"g": "11"}))
    assert open_videos(three).fingerprint() != base


def test_names_of_any_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    path = make_video(folder / "a.mkv", MKV, count=12)
    strange = os.fsdecode(os.fsencode(folder) + b"/\xff \xfe%03d.mkv")
    try:
        os.rename(path, strange)
    except OSError:
        pytest.skip("this disk knows only names in UTF-8")
    for _ in range(2):  # the second time from the index
        source = open_videos(folder, tmp_path / "cache")
        assert [r.length for r in source.recordings] == [12]
        assert decode(source.read(0, range(3)).frames) == [0, 1, 2]
