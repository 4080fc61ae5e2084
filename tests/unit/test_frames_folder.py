"""Folders of pictures: what is a recording, what lies beside it, and what is left out and why."""

from __future__ import annotations

import logging
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from farframe.config import DataConfig
from farframe.data import frames_decoder, frames_index, frames_store
from farframe.data.source import ClipSource, DataError, actions_in, open_source
from farframe.data.splits import segments, split_mode

SIDE = 32


def picture(number: int, width: int = 48, height: int = 40) -> np.ndarray:
    out = np.full((height, width, 3), 10 * number, np.uint8)
    out[: height // 2] += 5
    return out


def folder(path: Path, count: int = 5, width: int = 48, suffix: str = ".png") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.fromarray(picture(i, width)).save(path / f"{i}{suffix}")
    return path


def opened(path: Path, cache: Path | None = None, **options: Any) -> ClipSource:
    return open_source(DataConfig(path=str(path), **options), SIDE, cache)


def numbers(source: ClipSource, index: int = 0) -> list[int]:
    clip = source.read(index, range(source.recordings[index].length))
    return [round(float(level) / 10) for level in clip.frames[:, 0, -4:].mean((1, 2))]


@pytest.mark.parametrize("cached", [False, True])
def test_each_folder_with_pictures_is_a_recording_in_natural_order(
    tmp_path: Path, cached: bool
) -> None:
    data = tmp_path / "data"
    folder(data / "b" / "cam", 12)
    folder(data / "a", 3, 64, ".jpg")
    folder(data / ".hidden", 3)
    (data / "empty").mkdir()
    (data / "b" / "notes.txt").write_text("hello")
    (data / "a" / "back").symlink_to(data)
    source = opened(data, tmp_path / "cache" if cached else None)
    assert [(r.id, r.file, r.length, r.fps) for r in source.recordings] == [
        ("a", "a", 3, 10.0),
        ("b/cam", "b/cam", 12, 10.0),
    ]
    assert numbers(source, 1) == list(range(12))
    assert opened(data, fps=6.25).recordings[0].fps == 6.25
    assert (tmp_path / "cache").exists() == cached


def test_a_folder_that_is_one_itself_is_cut_in_time(tmp_path: Path) -> None:
    source = opened(folder(tmp_path / "f", 20))
    data = DataConfig(path=str(tmp_path / "f"))
    assert source.recordings[0].id == "."
    assert split_mode(source, data) == "time"
    assert [(s.start, s.stop) for s in segments(source, data, "validation")] == [(16, 18)]


def test_numbers_beside_the_pictures(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    actions = rng.normal(size=(5, 3)).astype(np.float32)
    np.save(folder(tmp_path / "a") / "actions.npy", actions)
    np.savez(folder(tmp_path / "b") / "actions.npz", actions=actions)
    (tmp_path / "a" / "poses.csv").write_text("x,y\n" + "1,2\n" * 5)
    np.savez(tmp_path / "b" / "poses.npz", poses=np.ones((5, 2)))
    source = opened(tmp_path)
    assert (source.action_dim, source.pose_dim) == (3, 2)
    assert actions_in(DataConfig(path=str(tmp_path))) == 3
    clip = source.read(0, range(4, 0, -2))
    np.testing.assert_array_equal(clip.actions, actions[[4, 2]])
    np.testing.assert_array_equal(clip.poses, [[1, 2], [1, 2]])
    before = source.fingerprint()
    np.save(tmp_path / "a" / "actions.npy", actions + 1)
    assert opened(tmp_path).fingerprint() != before


def no_file(path: Path) -> None:
    (path / "actions.npy").unlink()


def other_width(path: Path) -> None:
    np.save(path / "actions.npy", np.zeros((5, 9)))


def short(path: Path) -> None:
    np.save(path / "actions.npy", np.zeros((4, 2)))


def twice(path: Path) -> None:
    (path / "actions.csv").write_text("1,2\n" * 5)


def not_finite(path: Path) -> None:
    np.save(path / "actions.npy", np.full((5, 2), np.nan))


def other_size(path: Path) -> None:
    Image.fromarray(picture(2, 50)).save(path / "2.png")


def nothing(path: Path) -> None:
    (path / "0.png").write_bytes(b"")


def narrow(path: Path) -> None:
    for i in range(5):
        Image.fromarray(picture(i, 9)).save(path / f"{i}.png")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_file, r"b: actions of 0 numbers and poses of 0, but a has 2 and 0 \(0: no file\)"),
        (other_width, "b: actions of 9 numbers"),
        (short, "b: actions of 4 frames beside 5 pictures: one row a frame is needed"),
        (twice, "b: .*holds both actions.csv and actions.npy"),
        (not_finite, r"b: .*actions\.npy: action 0"),
        (other_size, r"b: 2\.png is 50x40, 0\.png is 48x40: all pictures of a folder"),
        (nothing, r"b: .*0\.png can't be decoded"),
        (narrow, "b: crop 0,0,40 reaches to 40x40, the picture is 9x40"),
    ],
)
def test_what_does_not_fit_is_left_out_with_one_line(
    tmp_path: Path, spoil: Any, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in "abc":
        np.save(folder(tmp_path / name) / "actions.npy", np.zeros((5, 2)))
    spoil(tmp_path / "b")
    with caplog.at_level(logging.WARNING, "farframe"):
        source = opened(tmp_path, crop="0,0,40")
    assert [r.id for r in source.recordings] == ["a", "c"]
    (record,) = caplog.records
    assert record.getMessage().startswith("skipping b: ")
    with pytest.raises(DataError, match=message) as caught:
        opened(tmp_path, crop="0,0,40", strict=True)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"no readable folder of pictures in .*; tried \.: "):
        opened(tmp_path / "b", crop="0,0,99")


def cut_off(path: Path) -> None:
    data = (path / "3.png").read_bytes()
    (path / "3.png").write_bytes(data[: len(data) * 2 // 3])


def garbled(path: Path) -> None:
    """A picture whose header and ends are right, and whose inside isn't."""
    data = (path / "3.png").read_bytes()
    at = data.index(b"IDAT") - 4
    size = struct.unpack(">I", data[at : at + 4])[0]
    chunk = b"IDAT" + bytes(size)
    chunk += struct.pack(">I", zlib.crc32(chunk))
    (path / "3.png").write_bytes(data[: at + 4] + chunk + data[at + 12 + size :])


@pytest.mark.parametrize("spoil", [cut_off, garbled])
def test_a_broken_picture_ends_its_recording(
    tmp_path: Path,
    spoil: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    folder(data / "a", 2)
    spoil(folder(data / "b"))
    folder(data / "c", 4)
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "farframe"):
            source = opened(data, cache)
        assert [r.length for r in source.recordings] == [2, 3, 4]
        assert [numbers(source, i) for i in range(3)] == [[0, 1], [0, 1, 2], [0, 1, 2, 3]]
        (record,) = caplog.records
        assert "3.png can't be decoded" in record.getMessage()
        assert record.getMessage().endswith("; the 3 frames before are used")
        assert len(list(cache.glob("*.npy"))) == 1
        decoded = frames_decoder.pixels_of
        monkeypatch.setattr(frames_decoder, "pixels_of", None)  # the second start decodes nothing
    monkeypatch.setattr(frames_decoder, "pixels_of", decoded)
    with pytest.raises(DataError, match=r"b: .*3\.png can't be decoded .*drop --data.strict"):
        opened(data, tmp_path / "other", strict=True)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_picture_that_was_cut_off_is_found_without_decoding_all(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(tmp_path / "a", 5, suffix=suffix)
    path = tmp_path / "a" / f"3{suffix}"
    path.write_bytes(path.read_bytes()[:-40])
    monkeypatch.setattr(frames_decoder, "pixels_of", None)
    source = opened(tmp_path)
    assert [r.length for r in source.recordings] == [3]


def test_an_unchanged_folder_is_not_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    folder(data / "a")
    folder(data / "b")
    looked: list[str] = []
    real = frames_index.size_of
    monkeypatch.setattr(
        frames_index, "size_of", lambda path: looked.append(path.parent.name) or real(path)
    )
    first = opened(data, cache).fingerprint()
    assert len(looked) == 10
    assert opened(data, cache).fingerprint() == first
    assert len(looked) == 10
    os.utime(data / "b" / "0.png", (1, 1))
    assert opened(data, cache).fingerprint() == first
    assert looked[10:] == ["b"] * 5
    folder(data / "b", 6)
    assert opened(data, cache).fingerprint() != first
    (cache / frames_store.INDEX_NAME).write_text("{")
    assert len(opened(data, cache).recordings) == 2
    assert "is damaged and is made anew" in caplog.text


def test_mistakes_get_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        opened(tmp_path / "empty", kind="frames")
    with pytest.raises(DataError, match="a single picture: name the folder"):
        opened(folder(tmp_path / "f") / "0.png")
    source = opened(tmp_path / "f")
    (tmp_path / "f" / "4.png").unlink()
    with pytest.raises(DataError, match="has lost pictures"):
        source.read(0, range(5))
    Image.fromarray(picture(0, 99)).save(tmp_path / "f" / "0.png")
    with pytest.raises(DataError, match="another size"):
        source.read(0, range(1))
