"""Data in places that fsspec reaches: read as if it were here, and asked for what is needed."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from tiny_run import ROBOT, contents, differing, tiny

from farframe.config import DataConfig
from farframe.data import remote
from farframe.data.remote import RemotePath, located
from farframe.data.source import ClipSource, DataError, actions_in, open_source
from farframe.data.splits import segments
from farframe.training.loop import train

PLACE = "memory://bucket/some data"


@pytest.fixture
def bucket() -> Iterator[Any]:
    """The tests' TFRecords in memory, a folder with a hidden neighbour."""
    fs = fsspec.filesystem("memory")
    for file in ROBOT.glob("*.tfrecord"):
        fs.pipe_file(f"/bucket/some data/{file.name}", file.read_bytes())
    fs.pipe_file("/bucket/some data/.hidden/x-train.tfrecord", b"nothing")
    yield fs
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_TRIES", (0.0, 0.0))


def opened(path: str, **options: Any) -> ClipSource:
    return open_source(DataConfig(path=path, **options), 32)


# -- paths ---------------------------------------------------------------------------------------


def test_paths_keep_their_url() -> None:
    path = located("s3://bucket/a b/c.tfrecord")
    assert isinstance(path, RemotePath)
    assert str(path) == path.url == "s3://bucket/a b/c.tfrecord"
    assert path.name == "c.tfrecord"
    assert str(path.parent / "d") == "s3://bucket/a b/d"
    assert path.relative_to(located("s3://bucket")).as_posix() == "a b/c.tfrecord"
    assert str(located("simplecache::gs://b/c")) == "simplecache::gs://b/c"
    assert pickle.loads(pickle.dumps(path)) == path
    assert path.absolute() is path
    assert not os.path.exists(path)


def test_local_paths_stay_local() -> None:
    for text in ("here", "/there", "~/home", "file:///with%20space"):
        assert not isinstance(located(text), RemotePath)
    assert located("file:///with%20space") == Path("/with space")
    assert located("~/x") == Path.home() / "x"


def test_nothing_is_ever_written(bucket: Any) -> None:
    path = located(f"{PLACE}/x")
    with pytest.raises(OSError, match="Read-only"):
        path.open("wb")
    with pytest.raises(OSError, match="Read-only"):
        path.mkdir()


# -- sources -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "/robot-train-00000-of-00001.tfrecord"])
@pytest.mark.parametrize("place", [PLACE, f"file://{ROBOT}", f"simplecache::{PLACE}"])
def test_the_same_clips_as_here(name: str, place: str, bucket: Any, tmp_path: Path) -> None:
    here, there = opened(f"{ROBOT}{name}"), opened(f"{place}{name}")
    assert there.recordings == here.recordings
    assert there.fingerprint() == here.fingerprint()
    parts = (
        segments(source, DataConfig(path=f"{root}{name}"), "train")
        for source, root in ((here, ROBOT), (there, place))
    )
    assert next(parts) == next(parts)
    for i, recording in enumerate(here.recordings):
        for frames in (range(recording.length), range(1, 2)):
            mine, theirs = here.read(i, frames), there.read(i, frames)
            assert np.array_equal(mine.frames, theirs.frames)
            assert np.array_equal(mine.actions, theirs.actions)


def test_training_learns_the_same(bucket: Any, tmp_path: Path) -> None:
    config = tiny("individual", steps=3)
    train(config, tmp_path / "here")
    data: dict[str, Any] = {"path": PLACE, "data_pattern": "robot-train*"}
    train(tiny("individual", steps=2, data=data), tmp_path / "there")
    train(tiny("individual", steps=3, data=data), tmp_path / "there", resume=True)
    assert differing(contents(tmp_path / "here"), contents(tmp_path / "there")) == []
    index = list((tmp_path / "there" / "cache").rglob("*.index"))
    assert len(index) == len(list(ROBOT.glob("*.tfrecord")))


def test_a_clip_is_one_request(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = opened(PLACE)
    asked: list[tuple[str, int, int]] = []
    real = type(bucket).cat_file

    def counted(self: Any, path: str, start: int, end: int) -> bytes:
        asked.append((path, start, end))
        return real(self, path, start=start, end=end)

    for name in ("info", "open", "_open", "ls", "find", "cat"):
        monkeypatch.setattr(type(bucket), name, None)
    monkeypatch.setattr(type(bucket), "cat_file", counted)
    source.read(0, range(2))
    ((path, start, end),) = asked
    assert path.endswith(source.recordings[0].file)
    assert 0 <= start < end


def test_an_index_is_made_anew_when_the_file_changes(bucket: Any, tmp_path: Path) -> None:
    data = DataConfig(path=PLACE)
    first = open_source(data, 32, tmp_path)
    again = open_source(data, 32, tmp_path)
    assert again.fingerprint() == first.fingerprint()
    human = next(ROBOT.glob("humans*")).read_bytes()
    bucket.pipe_file("/bucket/some data/robot-train-00000-of-00001.tfrecord", human)
    assert open_source(data, 32, tmp_path).fingerprint() != first.fingerprint()
    assert not any(".farframe-index" in name for name in bucket.store)


# -- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("memory://nowhere", r"^memory://nowhere does not exist: name"),
        ("s3://bucket/push", r"^s3://bucket/push can't be read: .*s3fs"),
        ("nonsense://x/y", r"^nonsense://x/y can't be read: Protocol not known: nonsense"),
        ("memory://videos", r"^memory://videos holds data of kind video, of which only tfrecord"),
    ],
)
def test_mistakes_are_one_line(path: str, message: str, bucket: Any) -> None:
    bucket.pipe_file("/videos/a.mp4", b"x")
    for ask in (opened, lambda path: actions_in(DataConfig(path=path))):
        with pytest.raises(DataError, match=message) as error:
            ask(path)
        assert "\n" not in str(error.value)


def test_without_fsspec_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(DataError, match=r"pip install 'farframe\[remote\]'"):
        opened(PLACE)


def test_a_moment_of_bad_network_is_waited_for(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = opened(PLACE)
    real, failures = type(bucket).cat_file, [2]

    def flaky(self: Any, path: str, start: int, end: int) -> bytes:
        if failures[0]:
            failures[0] -= 1
            raise TimeoutError("the network is away\nfor a moment")
        return real(self, path, start=start, end=end)

    monkeypatch.setattr(type(bucket), "cat_file", flaky)
    source.read(0, range(2))
    failures[0] = 3
    with pytest.raises(DataError, match=r"memory://bucket/.*: record 0: .*network is away for a"):
        source.read(0, range(2))


def test_what_is_gone_is_not_waited_for(bucket: Any) -> None:
    source = opened(PLACE)
    bucket.store.clear()
    with pytest.raises(DataError, match=r"memory://bucket/some data/.*: record 0: "):
        source.read(0, range(2))


def test_a_copy_in_a_folder_is_read_like_its_original(tmp_path: Path) -> None:
    shutil.copytree(ROBOT, tmp_path / "data")
    assert opened(f"file://{tmp_path}/data").recordings == opened(str(tmp_path / "data")).recordings
