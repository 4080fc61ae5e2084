"""A LeRobotDataset from training to numbers: actions of any width, splits of the data's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from farframe.cli import main
from farframe.data import lerobot_writer, video_writer
from farframe.data.shards import Shard
from farframe.data.splits import Segment
from farframe.run import load_config
from farframe.types import Clip
from farframe.worlds.shapes import ShapesSource

SPLITS = (("train", 4), ("validation", 2), ("test", 2))
LENGTH = 24


def made(recordings: tuple[int, ...]) -> Iterator[Clip]:
    source = ShapesSource(clips=8, length=LENGTH, frame_size=32, seed=3)
    for i in recordings:
        numbers = np.random.default_rng(i).normal(size=(LENGTH, 7)).astype(np.float32)
        clip = source.read(i, range(LENGTH))
        yield replace(clip, actions=numbers[:, :3], poses=numbers[:, 3:], id=f"c{i}", fps=10.0)


@pytest.mark.parametrize("kind", ["lerobot", "video"])
def test_train_evaluate_predict(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    writer = lerobot_writer if kind == "lerobot" else video_writer
    first = 0
    for number, (split, count) in enumerate(SPLITS):
        shard = Shard(
            split=split,
            number=number,
            of=len(SPLITS),
            part=0,
            parts=1,
            segments=tuple(Segment(i, 0, LENGTH) for i in range(first, first + count)),
            first_clip=first,
            first_frame=first * LENGTH,
        )
        writer.write_shard(
            Path("data"), shard, made([segment.recording for segment in shard.segments])
        )
        first += count
    writer.finish(Path("data"))
    split = ["--data.split", "source" if kind == "lerobot" else "pattern"]
    assert main(["train", "debug", "--data", "data", "--out", "run", *split]) == 0
    assert load_config("run").model.action_dim == 3
    assert main(["evaluate", "run"]) == 0
    one = ["data", "--clip", "7"] if kind == "lerobot" else ["data/test/c7.mp4"]
    assert main(["predict", "run", *one, "--horizon", "20", "--out", "out"]) == 0
    assert Path("out/comparison.mp4").exists()
    capsys.readouterr()
    fresh = ["train", "debug", "--data", "data", "--out", "no", *split]
    for command, message in (
        (["evaluate", "run", "--data", "shapes"], "its actions have 0 numbers"),
        (["predict", "run", *one, "--horizon", "40", "--out", "no"], "has 24 actions: 41 are"),
        (
            [*fresh, "--model.action-dim", "5"],
            "must be 0 (use no actions) or 3",
        ),
        (
            [*fresh, "--mode", "individual", "--model.enc-size", "12"],
            "needs data with poses of 12 numbers, but those of data have 4",
        ),
        (
            [*fresh, "--mode", "epev_pose", "--model.enc-size", "12"],
            "or another mode; --mode.pose-size 4 learns from these",
        ),
    ):
        assert main(command) == 2
        assert message in capsys.readouterr().err
