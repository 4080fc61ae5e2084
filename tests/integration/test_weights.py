"""From the original's checkpoint to predictions and to a training that starts from it, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from farframe.cli import main
from farframe.run import load_config

TESTS = Path(__file__).resolve().parents[1]
PREFIX = TESTS / "golden" / "ckpt" / "model.ckpt-100"
RECORDS = TESTS / "data" / "tfrecord"
ROBOT = RECORDS / "robot-train-00000-of-00001.tfrecord"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    assert main(["import-checkpoint", str(PREFIX), "--out", str(folder / "imported")]) == 0
    return folder


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def run(command: str) -> int:
    return main(command.split())


def test_import_says_what_it_found(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"import-checkpoint {PREFIX}.index --out {tmp_path}/run --context-frames 3") == 0
    printed = capsys.readouterr().out
    for words in ("64 pixels, width 4, encodings of 16", "498 slots of Adam", "global_step"):
        assert words in printed
    assert load_config(tmp_path / "run").model.context_frames == 3


def test_predict_and_evaluate_with_an_imported_run(here: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "actions.npy", np.zeros((9, 5), np.float32))
    options = f"--horizon 3 --out {tmp_path}/p --actions {tmp_path}/actions.npy"
    assert run(f"predict imported shapes:0 {options}") == 0
    assert (tmp_path / "p" / "prediction.mp4").is_file()
    command = f"evaluate imported --data {ROBOT} --split all --horizon 3 --clips 1"
    assert run(f"{command} --out {tmp_path}/e.json") == 0
    assert json.loads((tmp_path / "e.json").read_text())["card"]["made"]["step"] == 100


SIZES = "--model.frame-size 64 --model.width 4 --model.enc-size 16 --model.encoder vgg"
SIZES += " --model.activation relu --model.pred-cells 21 --model.pred-residual none"


@pytest.mark.parametrize("start", ["imported", str(PREFIX)])
def test_train_from_it(
    start: str, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = f"--data {RECORDS} --data.split time --data.sequence-length 4 --train.steps 1"
    command = f"train debug {SIZES} {options} --train.evaluate-every 0 --out {tmp_path}/run"
    assert run(f"{command} --train.start-from {start}") == 0
    assert f"the networks start from {start}" in capsys.readouterr().out.replace("\n", " ")
    assert load_config(tmp_path / "run").train.start_from == start


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("import-checkpoint", ["missing", "PREFIX", "--out"]),
        (f"import-checkpoint {PREFIX} --out imported", ["imported is there already"]),
        ("import-checkpoint nowhere --out new", ["nowhere", "no nowhere.index"]),
        (f"import-checkpoint {PREFIX.parent} --out new", ["such as", "model.ckpt-100"]),
        (f"import-checkpoint {TESTS}/data/tf/vgg_16.ckpt --out new", ["no checkpoint of the orig"]),
        (f"import-checkpoint {PREFIX} --out new --context-frames 0", ["context_frames is 0"]),
        (f"import-checkpoint {PREFIX} --out new --pred-noise-std 1", ["no noise inputs"]),
        (f"import-checkpoint {PREFIX} --out new --enc-nrom l2", ["--enc-norm meant"]),
        ("evaluate imported", ["imported has no data of its own", "--data"]),
        ("train --resume --out imported", ["was imported", "--train.start-from imported"]),
        ("train debug --out new --train.start-from nowhere", ["train.start_from", "nowhere"]),
        ("train debug --out new --train.start-from imported", ["--model.width 4 would|would fit"]),
        ("train debug --out new --train.encoder-weights x.pth", ["needs --model.encoder vgg"]),
    ],
)
def test_a_mistake_gets_one_line_and_leaves_nothing(
    command: str, words: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path for path in here.rglob("*") if path.name != ".lock"}
    assert run(command) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    assert err.startswith("farframe: error: ")
    assert all(any(choice in err for choice in word.split("|")) for word in words), err
    assert {path for path in here.rglob("*") if path.name != ".lock"} == before
