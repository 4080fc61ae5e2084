"""A model with actions against the same model without: the same clips, tested clip by clip."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from farframe.cli import main
from farframe.data.tfrecord_writer import write_tfrecords
from farframe.run import load_config
from farframe.types import Clip


def moved(number: int) -> Clip:
    """A bright bar that goes where the actions say."""
    rng = np.random.default_rng(number)
    steps = rng.integers(-3, 4, 8)
    frames = np.zeros((8, 3, 32, 32), np.uint8)
    for t, at in enumerate((16 + np.cumsum(steps)) % 32):
        frames[t, :, :, at] = 220
    actions = np.repeat(steps[:, None], 5, 1).astype(np.float32)
    none = np.zeros((8, 0), np.float32)
    return Clip(frames=frames, actions=actions, poses=none, fps=10.0, id=str(number))


def test_the_same_clips_with_and_without_actions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for split, numbers in {"train": range(2), "test": range(2, 12)}.items():
        write_tfrecords(tmp_path / "data" / f"bars-{split}.tfrecord", map(moved, numbers))
    for name, more in {"with": (), "without": ("--model.action-dim", "0")}.items():
        words = ["--data", "data", "--train.steps", "1", "--train.evaluate-every", "0", *more]
        assert main(["train", "debug", "--out", name, "--train.device", "cpu", *words]) == 0
        measure = ["--horizon", "6", "--clips", "10", "--device", "cpu"]
        assert main(["evaluate", name, *measure]) == 0
    assert [load_config(name).model.action_dim for name in ("with", "without")] == [5, 0]
    capsys.readouterr()
    assert main(["compare", "with", "without", "--json", "tests.json"]) == 0
    shown = capsys.readouterr().out
    assert "with (1) against without (1): means over the horizon, clip by clip" in shown
    assert "10 clips of 10 recordings" in shown
    [found] = json.loads(Path("tests.json").read_text())
    assert {"psnr", "ssim", "mse", "mae"} <= found["tests"].keys()
    assert 0 < found["tests"]["psnr"]["p"] <= 1
    assert found["tests"]["psnr"]["gain"]["mean"] == pytest.approx(gain(), abs=2e-3)


def gain() -> float:
    """The difference of the two means that the tables show."""
    means: list[float] = []
    for name in ("with", "without"):
        table = json.loads(Path(name, "evaluation", "evaluation.json").read_text())["table"]
        row = next(r for r in table if (r["quantity"], r["frames"]) == ("psnr", "mean 1-6"))
        means.append(row["model"]["mean"])
    return means[0] - means[1]
