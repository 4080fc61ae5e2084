"""``open_source``: what a path is taken for, and the one line when it is nothing."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farframe.config import DataConfig
from farframe.data.source import DataError, Recording, open_source
from farframe.data.tfrecord import TFRecordSource
from farframe.data.tfrecord_file import is_tfrecord
from farframe.data.tfrecord_writer import write_tfrecords
from farframe.types import Clip


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    clip = Clip(
        frames=np.zeros((2, 3, 8, 8), np.uint8),
        actions=np.zeros((2, 0), np.float32),
        poses=np.zeros((2, 0), np.float32),
        fps=1.0,
        id="",
    )
    write_tfrecords(path, [clip])
    return path


@dataclass
class Opened:
    """A ``ClipSource`` that only knows how it was opened."""

    how: tuple[Any, ...]
    kind: str = ""
    frame_size: int = 0
    action_dim: int = 0
    pose_dim: int = 0
    recordings: Sequence[Recording] = ()

    def read(self, index: int, frames: range) -> Clip:
        raise NotImplementedError

    def fingerprint(self) -> str:
        raise NotImplementedError


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the other sources, whose own tests open them for real."""

    def opening(*args: Any, **kwargs: Any) -> Opened:
        return Opened((*args, kwargs))

    video = types.ModuleType("farframe.data.video_folder")
    video.VideoFolder = types.SimpleNamespace(open=opening)  # type: ignore[attr-defined]
    shapes = types.ModuleType("farframe.worlds.shapes")
    shapes.ShapesSource = opening  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, video.__name__, video)
    monkeypatch.setitem(sys.modules, shapes.__name__, shapes)


@pytest.mark.parametrize(
    "name",
    [
        "a.tfrecord",
        "a.TFRecords",
        "push_train.tfrecord-00000-of-00001",
        "robot-train-00000-of-00002",
        "x.tfrecords-3-of-10",
        "noname",  # by its first bytes
        "odd.suffix",
        "clip.bin",
    ],
)
def test_recognised(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "deep" / "er" / name)
    assert is_tfrecord(path)
    for at in (path, tmp_path):
        source = open_source(DataConfig(path=str(at), fps=5.0), 32)
        assert isinstance(source, TFRecordSource)
        assert (source.frame_size, source.recordings[0].fps) == (32, 5)
        file = name if at == path else f"deep/er/{name}"
        assert source.recordings[0].id == f"{file}:0"


@pytest.mark.parametrize("name", ["notes.txt", "a.mp4", "picture.png", "model.ckpt.data"])
def test_not_recognised(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"something else, long enough to have a header")
    assert not is_tfrecord(tmp_path / name)


def test_special_files_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tfrecord")
    assert not is_tfrecord(tmp_path / "pipe.tfrecord")
    with pytest.raises(DataError, match="no data that farframe knows"):
        open_source(DataConfig(path=str(tmp_path)), 64)
    with pytest.raises(DataError, match="neither a file nor a folder"):
        open_source(DataConfig(path=str(tmp_path / "pipe.tfrecord")), 64)


def test_links_are_followed_once(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "a.tfrecord")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "dangling").symlink_to(tmp_path / "nowhere")
    source = open_source(DataConfig(path=str(tmp_path / "data")), 64)
    assert [r.id for r in source.recordings] == ["link/a.tfrecord:0"]


@pytest.mark.usefixtures("others")
def test_videos_and_worlds_go_to_their_sources(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.MP4").write_bytes(b"video")
    (tmp_path / "odd.name").write_bytes(b"a video, perhaps")
    for path in (tmp_path, tmp_path / "sub" / "a.MP4", tmp_path / "odd.name"):
        data = DataConfig(path=str(path))
        assert open_source(data, 64, tmp_path / "cache") == Opened(
            (data, 64, tmp_path / "cache", {})
        )
    shapes = {"clips": 7, "length": 9, "frame_size": 32, "seed": 3}
    for data in (DataConfig(), DataConfig(path="ignored", kind="shapes")):
        data = replace(data, clips=7, clip_length=9, world_seed=3)
        assert open_source(data, 32) == Opened((shapes,))


@pytest.mark.usefixtures("others")
def test_kind_overrules_looks(tmp_path: Path) -> None:
    write(tmp_path / "a.tfrecord")
    write(tmp_path / "sneaky.mp4")
    both = DataConfig(path=str(tmp_path))
    with pytest.raises(DataError, match=r"both 1 TFRecord file\(s\) and 1 video\(s\)"):
        open_source(both, 64)
    chosen = open_source(replace(both, kind="tfrecord"), 64)
    assert [r.file for r in chosen.recordings] == ["a.tfrecord"]
    named = DataConfig(path=str(tmp_path / "sneaky.mp4"), kind="tfrecord")
    assert len(open_source(named, 64).recordings) == 1
    assert isinstance(open_source(replace(both, kind="video"), 64), Opened)


@pytest.mark.parametrize("kind", ["auto", "tfrecord", "video"])
@pytest.mark.parametrize("path", ["nowhere/at/all", "nul\0byte", "x" * 5000, "~nobody_such"])
def test_missing_paths(kind: Any, path: str) -> None:
    with pytest.raises(DataError, match="does not exist") as caught:
        open_source(DataConfig(path=path, kind=kind), 64)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_empty_and_foreign_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no data that farframe knows among 0 file"):
        open_source(DataConfig(path=str(tmp_path)), 64)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"no data that farframe knows among 1 file"):
        open_source(DataConfig(path=str(tmp_path)), 64)
    with pytest.raises(DataError, match="holds no TFRecords"):
        open_source(DataConfig(path=str(tmp_path), kind="tfrecord"), 64)
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises(DataError, match=r"is empty \(0 bytes\)"):
        open_source(DataConfig(path=str(tmp_path / "empty.mp4")), 64)


def test_strict_reaches_the_source(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tfrecord")
    path.write_bytes(path.read_bytes() + b"tail")
    assert len(open_source(DataConfig(path=str(path)), 64).recordings) == 1
    with pytest.raises(DataError, match="record 1: the file is cut off after 4 bytes"):
        open_source(DataConfig(path=str(path), strict=True), 64)
