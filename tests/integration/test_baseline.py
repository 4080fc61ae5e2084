"""A baseline through the same commands as the method: trained, predicted, measured, compared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import farframe
from farframe.cli import main
from farframe.run import load_any

TRAIN = (
    "--model.context-frames 2 --model.width 2 --model.units 4 --data.batch-size 2 "
    "--data.sequence-length 6 --data.clips 200 --data.clip-length 64 --train.steps 2 "
    "--train.evaluate-every 2 --train.evaluate-clips 1 --train.evaluate-horizon 3 "
    "--train.device cpu"
)
MEASURE = "--horizon 6 --clips 2 --samples 2 --videos 1 --device cpu"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of both, ``svg`` and ``ours``, on the same data."""
    folder = tmp_path_factory.mktemp("baseline")
    assert main(["train", "svg-tiny", *TRAIN.split(), "--out", str(folder / "svg")]) == 0
    assert main(["train", "debug", "--train.steps", "2", "--out", str(folder / "ours")]) == 0
    return folder


def test_it_trains_on_and_predicts(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = ["train", "--resume", "--train.steps", "3", "--out", str(here / "svg")]
    assert main(again) == 0
    assert "trained 3 steps" in capsys.readouterr().out
    out = here / "predicted"
    command = "--horizon 5 --samples 2 --npz --device cpu --out"
    assert main(["predict", str(here / "svg"), "shapes:0", *command.split(), str(out)]) == 0
    names = {path.name for path in out.iterdir()}
    assert names == {"prediction.mp4", "comparison.mp4", "strip.png", "prediction.npz"} | {
        "prediction.json"
    }
    with np.load(out / "prediction.npz") as arrays:
        assert set(arrays) == {"times", "frames"}
        assert arrays["frames"].shape == (2, 5, 3, 32, 32)


def test_it_is_measured_and_compared_with_ours(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("svg", "ours"):
        assert main(["evaluate", str(here / name), *MEASURE.split()]) == 0
    found = json.loads((here / "svg" / "evaluation" / "evaluation.json").read_text())
    assert set(found["curves"]) == {"psnr", "ssim", "sharpness", "mse", "mae", "diversity"}
    subjects = {"model", "model_best", "model_worst", "copy_last", "context_mean"}
    assert set(found["curves"]["psnr"]) == subjects
    page = (here / "svg" / "evaluation" / "report.html").read_text()
    assert page.count("<canvas") % 3 == 0
    assert "<figcaption>mask" not in page
    assert "perfect predictor" not in page
    capsys.readouterr()
    assert main(["compare", str(here / "svg"), str(here / "ours")]) == 0
    said = capsys.readouterr().out
    assert "PSNR" in said
    assert "mask IoU" not in said


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("predict {svg} shapes:0 --horizon 3 --int8 --device cpu --out {out}", "int8 is for the"),
        ("train debug --train.start-from {svg} --out {out}", "is a run of the baseline svg"),
        ("train svg-tiny --mode epev --out {out}", "choose a preset of such a model"),
    ],
)
def test_what_only_the_hierarchical_model_can_is_refused(
    command: str, message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = here / "refused"
    assert main(command.format(svg=here / "svg", out=out).split()) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
    assert not out.exists()


def test_load_is_for_the_hierarchical_model(here: Path) -> None:
    with pytest.raises(ValueError, match=r"svg is a run of the baseline svg.*load_any"):
        farframe.load(here / "svg")
    assert load_any(here / "svg").training is False
    assert type(load_any(here / "ours")) is farframe.HierarchicalModel
