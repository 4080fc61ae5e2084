"""`farframe data inspect` over data made to have each problem, and over clean data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from farframe.cli import main
from farframe.data.tfrecord_writer import write_tfrecords
from farframe.types import Clip
from farframe.video import pictures, write_video
from farframe.worlds.shapes import ShapesSource

WORLD = ShapesSource(clips=40, length=60, frame_size=48, seed=7)


def clip(index: int, length: int = 24) -> Clip:
    """With actions and poses; without labels, which take longer than frames."""
    rng = np.random.default_rng(index)
    return replace(
        WORLD.read(index, range(length)),
        actions=rng.normal(size=(length, 5)).astype(np.float32),
        poses=rng.normal(size=(length, 12)).astype(np.float32),
        labels={},
    )


def film(path: Path, *indices: int, length: int = 24) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [pictures(WORLD.read(i, range(length)).frames) for i in indices]
    write_video(path, np.concatenate(frames), 10.0)


def records(root: Path, *clips: Clip) -> Path:
    root.mkdir(exist_ok=True)
    write_tfrecords(root / "a-train.tfrecord", clips)
    return root


def look(path: Path | str, *args: str, tmp: Path) -> tuple[int, dict[str, Any]]:
    """Exit code with --strict, and all that was found."""
    file = tmp / "found.json"
    code = main(["data", "inspect", str(path), "--strict", "--json", str(file), *args])
    return code, json.loads(file.read_text())


def problems(found: dict[str, Any]) -> dict[str, str]:
    return {p["kind"]: "; ".join(p["places"]) for p in found["problems"]}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``records`` and ``videos`` without problems, which tests leave as they are."""
    root = tmp_path_factory.mktemp("clean")
    records(root / "records", *(clip(i) for i in range(12)))
    for i in range(6):
        film(root / "videos" / f"{i}.mp4", i, length=40)
    return root


@pytest.mark.parametrize("name", ["shapes", "records", "videos"])
def test_clean_data_has_no_problems(
    name: str, clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes = ["--data.clips", "30", "--data.clip-length", "30"]
    path = name if name == "shapes" else clean / name
    code, found = look(path, *shapes, "--clips", "0", tmp=tmp_path)
    assert problems(found) == {}
    assert code == 0
    assert "no problems found" in capsys.readouterr().out
    assert found["read_frames"] >= found["frames"] > 0


def test_it_tells_what_there_is(
    clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = look(clean / "records", "--out", str(tmp_path / "deep" / "out"), tmp=tmp_path)
    printed = capsys.readouterr().out
    assert code == 0
    assert (found["kind"], found["recordings"], found["frames"]) == ("tfrecord", 12, 288)
    assert found["split"] == "hash"
    counts = found["splits"]
    assert sum(part["frames"] for part in counts.values()) == 288
    assert counts["train"]["clips"] == counts["train"]["recordings"] * 5
    stacked = np.concatenate([clip(i).actions for i in range(12)])
    np.testing.assert_allclose(found["actions"]["mean"], stacked.mean(0), atol=1e-5)
    np.testing.assert_allclose(found["actions"]["high"], stacked.max(0), atol=1e-5)
    np.testing.assert_allclose(found["poses"]["low"][:1], [_poses()[:, 0].min()], atol=1e-5)
    assert found["clip_seconds"] > 0
    for text in ("tfrecord", "12 of 24 frames", "5 numbers a frame", "contact-sheet.png", "train"):
        assert text in printed
    sheet = np.asarray(Image.open(tmp_path / "deep" / "out" / "contact-sheet.png"))
    assert sheet.shape[0] > 12 * 96
    assert len(np.unique(sheet[40:160])) > 50


def _poses() -> np.ndarray:
    return np.concatenate([clip(i).poses for i in range(12)])


def test_large_data_is_sampled_and_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, found = look("shapes", "--data.clips", "1500", "--clips", "8", tmp=tmp_path)
    assert found["read_stretches"] == 8
    assert found["read_frames"] < 600
    assert found["compared"] == 1000
    assert "512 of 210,000 frames" in capsys.readouterr().out


def test_copies_of_videos_are_found_across_splits(tmp_path: Path) -> None:
    for i, name in enumerate(("train/a", "train/b", "train/c", "test/d", "validation/e")):
        film(tmp_path / "v" / f"{name}.mp4", i)
    shutil.copy(tmp_path / "v/train/a.mp4", tmp_path / "v/test/copy.mp4")
    shutil.copy(tmp_path / "v/train/b.mp4", tmp_path / "v/train/again.mp4")
    code, found = look(tmp_path / "v", "--data.split", "pattern", tmp=tmp_path)
    assert code == 1
    assert problems(found) == {
        "leak": "test/copy.mp4 (test) and train/a.mp4 (train)",
        "duplicate": "train/again.mp4 and train/b.mp4",
    }


def test_a_cut_is_found_in_a_video(tmp_path: Path) -> None:
    film(tmp_path / "v" / "a.mp4", 1, length=30)
    frames = pictures(WORLD.read(2, range(30)).frames)
    write_video(tmp_path / "v" / "b.mp4", np.concatenate((frames, 255 - frames)), 10.0)
    code, found = look(tmp_path / "v", "--clips", "0", "--data.split", "time", tmp=tmp_path)
    assert (code, problems(found)) == (1, {"cut": "b.mp4, frame 30"})


def test_files_that_cannot_be_read_are_counted_and_told_once(
    clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(clean / "videos", tmp_path / "videos"))
    (root / "bad.mp4").write_bytes(b"\0" * 5000)
    (root / "empty.mp4").write_bytes(b"")
    code, found = look(root, tmp=tmp_path)
    assert code == 1
    assert found["problems"][0]["kind"] == "unreadable"
    assert found["problems"][0]["count"] == 2
    assert "bad.mp4" in problems(found)["unreadable"]
    captured = capsys.readouterr()
    assert captured.out.count("empty.mp4") == 1
    assert "empty.mp4" not in captured.err


def test_a_damaged_record_is_told(clean: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(clean / "records", tmp_path / "records"))
    file = root / "a-train.tfrecord"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    code, found = look(root, tmp=tmp_path)
    assert code == 1
    assert "a-train.tfrecord" in problems(found)["unreadable"]


def test_actions_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    bad = clip(0)
    bad.actions[3, 1] = np.nan
    root = records(tmp_path / "r", bad, *(clip(i) for i in range(1, 9)))
    code, found = look(root, tmp=tmp_path)
    assert code == 1
    assert {"unreadable", "not finite"} & problems(found).keys()
    assert "action" in str(problems(found))


def test_zeros_are_told_and_can_be_meant(tmp_path: Path) -> None:
    none = [
        replace(clip(i), actions=clip(i).actions * 0, poses=clip(i).poses * 0) for i in range(9)
    ]
    root = records(tmp_path / "r", *none)
    code, found = look(root, tmp=tmp_path)
    assert code == 1
    assert problems(found)["zeros"].startswith("actions, 5 numbers in 216 frames; poses, 12")
    assert look(root, "--data.controls", "zeros", tmp=tmp_path)[0] == 0


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("range", lambda c: replace(c, frames=(c.frames > 100).astype(np.uint8))),
        ("constant", lambda c: replace(c, frames=c.frames[:1].repeat(len(c), 0))),
        ("blank", lambda c: replace(c, frames=np.zeros_like(c.frames))),
        ("frozen", lambda c: replace(c, frames=c.frames[np.minimum(np.arange(len(c)), 12)])),
        ("repeats", lambda c: replace(c, frames=c.frames[np.arange(len(c)) // 2])),
        ("scales", lambda c: replace(c, actions=c.actions * np.float32([1, 1, 1, 1, 1e4]))),
    ],
)
def test_each_problem_is_found_alone(
    kind: str, change: Callable[[Clip], Clip], tmp_path: Path
) -> None:
    root = records(tmp_path / "r", *(change(clip(i)) for i in range(9)))
    code, found = look(root, tmp=tmp_path)
    assert (code, list(problems(found))) == (1, [kind])


def test_short_recordings_are_told(clean: Path, tmp_path: Path) -> None:
    code, found = look(clean / "records", "--data.sequence-length", "30", tmp=tmp_path)
    assert code == 1
    assert found["problems"][0]["count"] == 12
    assert "(24 frames, a clip needs 30)" in problems(found)["short"]


def test_problems_alone_are_no_failure(clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "inspect", str(clean / "records"), "--data.sequence-length", "30"]) == 0
    assert "problem 12 x too short" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "PATH"),
        (["/no/such/place"], "does not exist"),
        (["shapes", "--kind", "vido"], "unknown kind 'vido': is video meant?"),
        (["shapes", "--clips", "-1"], "--clips is -1: must be >= 0"),
        (["shapes", "--frame-size", "0"], "--frame-size is 0"),
        (["shapes", "--strct"], "is --strict meant?"),
    ],
)
def test_mistakes_are_one_line(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "inspect", *args]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_places_that_cannot_be_written_are_told_before_reading(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for option in ("--out", "--json"):
        place = tmp_path / "file" / ("x.json" if option == "--json" else "")
        assert main(["data", "inspect", "shapes", option, str(place)]) == 2
        assert "is a file" in capsys.readouterr().err


def test_an_unknown_word_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data"]) == 2
    assert "inspect" in capsys.readouterr().err
