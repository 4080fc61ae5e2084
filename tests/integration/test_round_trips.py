"""Converted data, converted back, is what it was: exactly, or as near as a video can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from farframe.config import DataConfig
from farframe.data.conversion import ConvertOptions, convert
from farframe.data.formats import AnyFormat, LeRobotFormat, TFRecordFormat, VideoFormat
from farframe.data.source import open_source
from farframe.data.splits import segments
from farframe.types import Clip

ROBOT = Path(__file__).parents[1] / "data" / "tfrecord" / "robot-train-00000-of-00001.tfrecord"
LEROBOT = Path(__file__).parents[1] / "data" / "lerobot-v3"
FORMS: dict[str, tuple[AnyFormat, float]] = {
    "tfrecord": (TFRecordFormat(), np.inf),
    "video-lossless": (VideoFormat(lossless=True), np.inf),
    "video": (VideoFormat(), 35),
    "lerobot-lossless": (LeRobotFormat(lossless=True), np.inf),
    "lerobot": (LeRobotFormat(), 35),
}
OPTIONS = ConvertOptions(processes=1, shard_clips=2)


def clips_of(path: Path, **how: str) -> list[Clip]:
    source = open_source(DataConfig(path=str(path), cache="off", **how), 64)  # type: ignore[arg-type]
    return [source.read(i, range(r.length)) for i, r in enumerate(source.recordings)]


@pytest.fixture(scope="module", params=["tfrecord", "lerobot"])
def original(request: pytest.FixtureRequest) -> tuple[DataConfig, list[Clip]]:
    """Records of 12 poses and 5 actions; episodes of 4 and 3."""
    path, camera = (ROBOT, "") if request.param == "tfrecord" else (LEROBOT, "front")
    data = DataConfig(path=str(path), camera=camera, split="hash", data_pattern="*", cache="off")
    return data, clips_of(path, camera=camera)


@pytest.mark.parametrize("name", FORMS)
def test_there_and_back(name: str, original: tuple[DataConfig, list[Clip]], tmp_path: Path) -> None:
    data, before = original
    form, least = FORMS[name]
    there = convert(data, form, tmp_path / "there", OPTIONS)
    again = DataConfig(path=str(there.out), cache="off")
    back = convert(again, TFRecordFormat(), tmp_path / "back", OPTIONS)
    assert sum(clips for clips, _ in there.splits.values()) == len(before)
    assert sum(clips for clips, _ in back.splits.values()) == len(before)
    found = clips_of(back.out)
    for clip in before:
        key = clip.poses.tobytes() + clip.actions.tobytes()
        (same,) = [c for c in found if c.poses.tobytes() + c.actions.tobytes() == key]
        assert same.fps == clip.fps
        error = np.square(same.frames.astype(float) - clip.frames).mean((1, 2, 3))
        psnr = 10 * np.log10(255**2 / np.maximum(error, 1e-12)) if least < np.inf else -error
        assert psnr.min() > least if least < np.inf else not error.any()


@pytest.mark.parametrize("name", FORMS)
def test_splits_survive(name: str, tmp_path: Path) -> None:
    data = DataConfig(path="shapes", clips=30, clip_length=5)
    form, _ = FORMS[name]
    written = convert(data, form, tmp_path / "there", OPTIONS)
    assert set(written.splits) == {"train", "validation", "test"}
    again = DataConfig(path=str(written.out), cache="off")
    source = open_source(again, 64)
    for name_of_split, (clips, _) in written.splits.items():
        assert len(segments(source, again, name_of_split)) == clips  # type: ignore[arg-type]
