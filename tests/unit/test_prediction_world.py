"""Clips of worlds as what a prediction starts from: made now, the same ones every time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from farframe.config import ModelConfig
from farframe.models.hierarchical import HierarchicalModel
from farframe.prediction import predict_file
from farframe.prediction_input import actions_for, read_input
from farframe.prediction_options import PredictOptions
from farframe.prediction_world import WorldClip
from farframe.types import Clip
from farframe.worlds import catalogue
from farframe.worlds.robot_push import RobotPush
from farframe.worlds.shapes import ShapesSource

simulated = pytest.mark.skipif(
    find_spec("pybullet") is None, reason="PyBullet has no wheel for this Python"
)


@pytest.fixture(scope="module")
def model() -> HierarchicalModel:
    torch.manual_seed(3)
    sizes = {"frame_size": 32, "width": 2, "enc_size": 4, "action_dim": 5, "pred_cells": 3}
    return HierarchicalModel(ModelConfig(encoder="conv", **sizes))


@simulated
def test_the_robot_moves_by_its_own_actions_or_by_those_of_a_file(
    model: HierarchicalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = next(RobotPush(frame_size=32, clip_length=6).scene("test", 3))
    source, options = Path("robot-push:3"), PredictOptions(horizon=4, npz=True)
    outputs = predict_file(model, source, tmp_path / "own", options=options)
    assert outputs.said == ("actions: those of robot-push:3 itself (--actions FILE replaces them)",)
    report = json.loads((tmp_path / "own" / "prediction.json").read_text())
    assert (report["clip"], report["actions"]) == ("test-3-0", "robot-push:3")
    expected = model.predict(made.frames[:2], made.actions[:5], horizon=4)
    with np.load(tmp_path / "own" / "prediction.npz") as arrays:
        np.testing.assert_allclose(arrays["enc_pred"], expected.enc_pred.numpy(), atol=1e-5)

    file = tmp_path / "mine.npy"
    np.save(file, np.zeros((5, 5), np.float32))
    options = PredictOptions(horizon=4, actions=file)
    given = actions_for(made, source, 5, options, 2)
    assert given.values is not None
    assert not given.values.any()
    assert (given.origin, given.replaced) == (str(file), True)
    monkeypatch.setattr(WorldClip, "make", lambda *_: made)  # the same again
    outputs = predict_file(model, source, tmp_path / "mine", options=options)
    assert outputs.said == (
        f"actions: {file}; the true frames came about under robot-push:3's own",
    )


@dataclass(frozen=True, kw_only=True)
class Counting:
    """A world of frames that are as bright as their number, a number of frames a scene darker."""

    name: ClassVar[str] = "humans"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    action_dim: ClassVar[int] = 0
    pose_dim: ClassVar[int] = 0
    frame_size: int = 64
    clip_length: int = 80
    clips_per_scene: int = 4
    fps: float = 12.5
    seed: int = 0

    def scene(self, split: str, number: int) -> Iterator[Clip]:
        assert (split, self.clips_per_scene) == ("test", 1)
        bright = np.arange(self.clip_length, dtype=np.uint8)[:, None, None, None] - number
        frames = np.broadcast_to(bright, (self.clip_length, 3, *2 * [self.frame_size])).copy()
        none = np.zeros((self.clip_length, 0), np.float32)
        yield Clip(frames=frames, actions=none, poses=none, fps=self.fps, id=f"{self.clip_length}")

    def fingerprint(self) -> str:
        return "counting"


def test_people_are_the_same_for_most_horizons_and_taken_at_the_runs_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Motions and camera are chosen for a whole clip: its length must not follow the horizon."""
    made: list[str] = []
    monkeypatch.setitem(catalogue.WORLDS, "humans", Counting)
    scene = Counting.scene

    def heard(world: Counting, split: str, number: int) -> Iterator[Clip]:
        for clip in scene(world, split, number):
            made.append(clip.id)
            yield clip

    monkeypatch.setattr(Counting, "scene", heard)
    for count, stride in ((3, 1), (80, 1), (40, 2), (81, 1), (160, 2)):
        options = PredictOptions(horizon=1)
        clip = read_input(Path("humans:2"), 32, options, count, stride=stride)
        assert clip.frames[:, 0, 0, 0].tolist() == [(k * stride - 2) % 256 for k in range(count)]
    assert made == ["80", "80", "80", "160", "320"]
    with pytest.raises(ValueError, match=r"--fps is 5\.0: means nothing for humans:2"):
        read_input(Path("humans:2"), 32, PredictOptions(horizon=1, fps=5.0), 3)


def test_strides_are_told_and_kept(tmp_path: Path) -> None:
    options = PredictOptions(horizon=3, start=2)
    every = read_input(Path("shapes:1"), 32, PredictOptions(horizon=1), 20)
    clip = read_input(Path("shapes:1"), 32, options, 5, stride=3)
    assert (clip.frames == every.frames[6:21:3]).all()
    sizes = {"frame_size": 32, "width": 2, "enc_size": 4, "action_dim": 0, "pred_cells": 3}
    still = HierarchicalModel(ModelConfig(encoder="conv", **sizes))
    outputs = predict_file(still, Path("shapes:1"), tmp_path, options=options, stride=3)
    assert outputs.said == ("frames: one of 3 of shapes:1, as in the training",)
    assert outputs.fps == pytest.approx(10 / 3)


def test_names_that_mean_a_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert WorldClip.named(Path("robot-push:12")) == WorldClip("robot-push", 12)
    for other in ("robot:1", "humans:-1", "shapes:1234567", "humans", "x/humans:1"):
        assert WorldClip.named(Path(other)) is None
    (tmp_path / "humans:1").touch()
    assert WorldClip.named(Path("humans:1")) is None
    with pytest.raises(ValueError, match=r"no such file .*: shapes:0, robot-push:0, humans:0$"):
        read_input(Path("human:1"), 32, PredictOptions(horizon=1), 3)


def test_without_pybullet_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farframe.worlds.bullet.find_spec", lambda _: None)
    for name in ("robot-push:0", "humans:0"):
        with pytest.raises(ValueError, match=r"PyBullet is missing.*'farframe\[worlds\]'"):
            read_input(Path(name), 32, PredictOptions(horizon=1), 3)
    clip = read_input(Path("shapes:0"), 32, PredictOptions(horizon=1), 3)
    assert isinstance(clip.frames, np.ndarray)
    assert ShapesSource(clips=1, length=3, frame_size=32, seed=0).kind == "shapes"
