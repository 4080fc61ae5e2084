"""The commands as a user types them, from training to numbers, and what they say to mistakes."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from farframe.cli import main
from farframe.run import load_config
from farframe.video import pictures, write_video
from farframe.worlds.shapes import ShapesSource

RECORDS = Path(__file__).resolve().parents[1] / "data" / "tfrecord"
CONTEXT = 2  # of the debug preset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good and bad files, and a trained run: ``run``."""
    folder = tmp_path_factory.mktemp("commands")
    clip = ShapesSource(clips=1, length=80, frame_size=48, seed=1).read(0, range(80))
    write_video(folder / "good.mp4", pictures(clip.frames), 10.0)
    write_video(folder / "three.mp4", pictures(clip.frames[:3]), 10.0)
    write_video(folder / "one.mp4", pictures(clip.frames[:1]), 10.0)
    (folder / "text.mp4").write_text("this is no video\n" * 20)
    (folder / "zero.mp4").touch()
    (folder / "torn.tfrecord").write_bytes((RECORDS / HUMANS).read_bytes()[:999])
    (folder / "empty").mkdir()
    (folder / "notes").mkdir()
    (folder / "notes" / "notes.txt").write_text("no videos here")
    (folder / "pictures").mkdir()
    for i, picture in enumerate(pictures(clip.frames[:6])):
        Image.fromarray(picture).save(folder / "pictures" / f"{i:03d}.png")
    assert main(["train", "debug", "--out", str(folder / "run")]) == 0
    return folder


HUMANS = "humans-train-00000-of-00001.tfrecord"


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def out(here: Path) -> Iterator[Path]:
    """A folder's name for one test."""
    yield here / "out"
    shutil.rmtree(here / "out", ignore_errors=True)


def run(command: str) -> int:
    return main(command.split())


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


# -- the way through -------------------------------------------------------------------------------


def test_train_leaves_a_run(here: Path) -> None:
    config = load_config(here / "run")
    assert config.name == "debug"
    assert (here / "run" / "checkpoints" / "step-000000004" / "weights.safetensors").is_file()
    assert list((here / "run" / "logs").iterdir())
    text = (here / "run" / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["step"] for line in lines} == {1, 2, 3, 4}
    assert any("val/psnr" in line for line in lines)


@pytest.mark.parametrize("source", ["good.mp4", "shapes:3", "pictures", f"{RECORDS}/{HUMANS}"])
def test_predict_writes_videos_and_pictures(
    source: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"predict run {source} --horizon 12 --out out --npz") == 0
    for name in ("prediction.mp4", "masks.mp4"):
        assert frames_of(out / name) == CONTEXT + 12
        assert str(Path("out") / name) in capsys.readouterr().out or name == "masks.mp4"
    with np.load(out / "prediction.npz") as arrays:
        assert arrays["frames"].shape[-4:] == (12, 3, 32, 32)
        assert arrays["times"].tolist() == list(range(1, 13))
    with Image.open(out / "strip.png") as strip:
        assert strip.width > 300


@pytest.mark.parametrize(
    ("options", "times"),
    [
        ("--horizon 60 --at 60", [60]),
        ("--horizon 60 --at 5,50", [5, 50]),
        ("--at 5 50 --horizon 60", [5, 50]),
        ("--horizon 30 --every 10", [10, 20, 30]),
    ],
)
def test_predict_draws_only_what_is_asked_for(options: str, times: list[int], out: Path) -> None:
    assert run(f"predict run good.mp4 --out out --npz {options} --start 4 --context 6") == 0
    with np.load(out / "prediction.npz") as arrays:
        assert arrays["times"].tolist() == times
    assert frames_of(out / "prediction.mp4") == 6 + len(times)
    report = json.loads((out / "prediction.json").read_text())
    assert report["context_frames"] == 6


def test_evaluate_prints_and_writes_the_same_numbers(
    here: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate run --horizon 20 --clips 10 --videos 2 --out out") == 0
    printed = capsys.readouterr().out
    report = json.loads((out / "evaluation.json").read_text())
    card = report["card"]
    assert (card["context"], card["horizon"], card["data"]["clips"]) == (CONTEXT, 20, 10)
    assert (card["made"]["step"], card["data"]["split"]) == (4, "test")
    assert card["made"]["data_path"] == "shapes"
    baselines = {"copy_last", "context_mean", "linear", "oracle"}
    for quantity in ("psnr", "ssim", "mse", "mae"):
        curves = report["curves"][quantity]
        assert curves.keys() == {"model", *baselines}
        for curve in curves.values():
            assert all(len(c) == 20 and all(map(math.isfinite, c)) for c in curve.values())
            ends = zip(curve["low"], curve["mean"], curve["high"], strict=True)
            assert all(low <= mean <= high for low, mean, high in ends)
    assert report["curves"]["enc_mse"].keys() == {"model", "copy_last", "linear"}
    assert report["curves"]["mask_iou"].keys() == {"model"}
    for row in report["table"]:
        if row["quantity"] == "psnr":
            assert f"{row['model']['mean']:.2f}" in printed
            assert f"{row['oracle']['mean']:.2f}" in printed
    rows = {(row["quantity"], row["frames"]): row for row in report["table"]}
    mean = rows["psnr", "mean 1-20"]
    psnr = np.mean(report["curves"]["psnr"]["model"]["mean"])
    assert mean["model"]["mean"] == pytest.approx(psnr, abs=1e-3)
    lines = (out / "clips.csv").read_text().splitlines()
    clips = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    assert len({clip["clip"] for clip in clips}) == 10
    assert psnr == pytest.approx(np.mean([float(c["model/psnr"]) for c in clips]), abs=1e-3)
    assert sum(report["world"].values()) == pytest.approx(1 + report["world"]["in_place"])
    assert "against the world's labels" in printed
    assert "PSNR: first no better than copying the last frame at frame" in printed
    for number in range(2):
        assert frames_of(out / f"comparison-{number:02d}.mp4") == CONTEXT + 20
    assert sorted(p.name for p in out.iterdir()) == [
        "clips.csv",
        "comparison-00.mp4",
        "comparison-01.mp4",
        "evaluation.json",
        "report.html",
    ]


def test_evaluate_again_gives_the_same_and_other_data_other_numbers(here: Path, out: Path) -> None:
    command = "evaluate run --horizon 5 --clips 8 --out out/{}.json"
    assert run(command.format("a")) == 0
    assert run(command.format("b")) == 0
    assert run(command.format("c") + " --split train") == 0
    assert run(command.format("d") + " --split all --data good.mp4") == 0
    assert (out / "a.json").read_bytes() == (out / "b.json").read_bytes()
    a, c, d = (json.loads((out / f"{x}.json").read_text()) for x in "acd")
    curves = [tuple(x["curves"]["psnr"]["model"]["mean"]) for x in (a, c, d)]
    assert len(set(curves)) == 3
    assert d["world"] == {}
    assert "mask_iou" not in d["curves"]
    assert d["card"]["data"]["kind"] == "video"


def test_compare_shows_evaluations_of_one_protocol_and_refuses_others(
    here: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = "run/checkpoints/step-000000002"
    for name, options in {"a": "run", "b": older, "c": "run --seed 1 --horizon 4"}.items():
        assert run(f"evaluate {options} --horizon 5 --clips 8 --out out/{name}.json") == 0
    capsys.readouterr()
    assert run("compare out/a.json out/b.json") == 0
    printed = capsys.readouterr().out
    for name in "ab":
        row = next(
            row
            for row in json.loads((out / f"{name}.json").read_text())["table"]
            if row["quantity"] == "psnr" and row["frames"] == "mean 1-5"
        )
        assert f"{row['model']['mean']:.2f}" in printed
    assert "run (4)" in printed
    assert "step-000000002 (2)" in printed
    assert "copy last frame" in printed


def test_a_standard_protocol_and_what_differs_from_it(
    here: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate run --protocol robot --clips 8 --out out/a.json") == 0
    card = json.loads((out / "a.json").read_text())["card"]
    assert card["name"] == "robot with clips 8"
    assert (card["context"], card["horizon"]) == (2, 18)
    assert run("evaluate run --protocol human --clips 8 --out out/b.json") == 0
    card = json.loads((out / "b.json").read_text())["card"]
    assert (card["context"], card["horizon"], card["data"]["fps"]) == (5, 27, 5.0)
    assert "protocol human means 6.25 frames/s, these clips have 5" in capsys.readouterr().err


def test_a_checkpoint_can_be_named_instead_of_the_newest(here: Path, out: Path) -> None:
    older = "run/checkpoints/step-000000002"
    assert run(f"evaluate {older} --horizon 5 --clips 2 --out out") == 0
    report = json.loads((out / "evaluation.json").read_text())
    assert report["card"]["made"]["step"] == 2
    assert report["table"][0]["model"]["low"] is None  # two clips are too few for an interval
    assert run(f"predict {older} shapes:0 --horizon 3 --out out") == 0


def test_training_goes_on(here: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train debug --out out --train.steps 2 --mode.lr 2e-3") == 0
    assert run("train --resume --out out --train.steps 3") == 0
    assert "trained 3 steps" in capsys.readouterr().out
    assert run("train debug --resume --out out --train.steps 4") == 0
    assert load_config(out).train.steps == 4
    assert load_config(out).mode.lr == 2e-3
    assert (out / "checkpoints" / "step-000000004").is_dir()


def test_a_run_that_is_to_be_resumed_may_be_a_new_one(here: Path, out: Path) -> None:
    assert run("train debug --out out --resume --train.steps 2") == 0
    assert (out / "checkpoints" / "step-000000002").is_dir()


def test_train_on_videos_in_another_mode(here: Path, out: Path) -> None:
    sizes = "--train.evaluate-horizon 3 --data.sequence-length 4 --train.steps 2"
    assert run(f"train debug --data good.mp4 --mode e2e --out out {sizes}") == 0
    config = load_config(out)
    assert (config.data.path, config.mode.tag, config.model.action_dim) == ("good.mp4", "e2e", 0)
    assert run("evaluate out --horizon 3 --clips 2") == 0
    assert (out / "evaluation" / "evaluation.json").is_file()


def test_train_on_records_takes_their_actions(
    here: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--data.split time --train.evaluate-every 0 --data.sequence-length 4"
    assert run(f"train debug --data {RECORDS} --out out --train.steps 2 {options}") == 0
    assert f"model.action_dim is 5, as {RECORDS} has it" in capsys.readouterr().out
    assert load_config(out).model.action_dim == 5
    assert run("evaluate out --horizon 5 --clips 2 --split all") == 0


# -- mistakes --------------------------------------------------------------------------------------

TRAIN = {
    "train": ["name a preset", "shapes-tiny"],
    "train debgu --out out": ["'debgu'", "debug meant"],
    "train debug": ["missing", "--out"],
    "train debug --out out --train.stesp 3": ["--train.stesp", "--train.steps meant"],
    "train debug --out out --train.steps 0": ["train.steps is 0", ">= 1"],
    "train debug --out out --data.sequence-length 2": ["data.sequence_length is 2", "above"],
    "train debug --out out --model.frame-size 40": ["model.frame_size is 40", "32, 64, 96"],
    "train debug --out out --train.device tpu": ["tpu"],
    "train video-small --out out": ["video-small needs --data"],
    "train debug --out out --data nowhere": ["nowhere does not exist"],
    "train debug --out out --data text.mp4": ["text.mp4"],
    "train debug --out out --data zero.mp4": ["zero.mp4", "0 bytes"],
    "train debug --out out --data torn.tfrecord": ["torn.tfrecord"],
    "train debug --out out --data empty": ["empty"],
    "train debug --out out --data notes": ["notes", "videos"],
    "train debug --out out --data three.mp4": ["three.mp4", "frames"],
    "train debug --out out --data good.mp4 --data.crop round": ["crop", "round"],
    "train debug --out run": ["run already holds a run", "--resume"],
    "train debug --out good.mp4": ["good.mp4"],
    "train --resume --out out": ["out holds no run to resume"],
    "train --resume --out run --mode.lr 3": ["mode.lr is 3.0", "leave out --mode.lr"],
    "train video --resume --out run": ["started from preset debug, not video"],
    f"train debug --out out --data {RECORDS} --model.action-dim 3": ["action_dim is 3", "5"],
}
PREDICT = {
    "predict run good.mp4 --out out": ["missing", "--horizon"],
    "predict run good.mp4 --horizon 0 --out out": ["horizon is 0", "at least 1"],
    "predict run good.mp4 --horizn 5 --out out": ["--horizn", "--horizon meant"],
    "predict nowhere good.mp4 --horizon 5 --out out": ["nowhere", "no such folder"],
    "predict notes good.mp4 --horizon 5 --out out": ["notes is not a run"],
    "predict good.mp4 good.mp4 --horizon 5 --out out": ["good.mp4 is a file", "run"],
    "predict run nowhere.mp4 --horizon 5 --out out": ["nowhere.mp4", "no such file"],
    "predict run text.mp4 --horizon 5 --out out": ["text.mp4"],
    "predict run zero.mp4 --horizon 5 --out out": ["zero.mp4"],
    "predict run torn.tfrecord --horizon 5 --out out": ["torn.tfrecord"],
    "predict run empty --horizon 5 --out out": ["empty"],
    "predict run notes --horizon 5 --out out": ["notes"],
    "predict run one.mp4 --horizon 5 --out out": ["one.mp4", "1 frame", "2"],
    "predict run good.mp4 --horizon 5 --out out --context 1": ["context is 1", "2 frames"],
    "predict run three.mp4 --horizon 5 --out out --context 9": ["3 frame", "9"],
    "predict run good.mp4 --horizon 5 --out out --start 79": ["good.mp4", "start"],
    "predict run good.mp4 --horizon 5 --out out --start 500": ["good.mp4", "80"],
    "predict run good.mp4 --horizon 5 --out out --every 6": ["every is 6", "1 to 5"],
    "predict run good.mp4 --horizon 5 --out out --at 6": ["at is", "6", "1 to 5"],
    "predict run good.mp4 --horizon 5 --out out --samples 3": ["samples is 3", "deterministic"],
    "predict run good.mp4 --horizon 5 --out out --clip 3": ["clip is 3", "good.mp4"],
    "predict run good.mp4 --horizon 5 --out out --actions good.mp4": ["actions"],
    "predict run good.mp4 --horizon 5 --out run/config.json": ["is a file"],
    "predict run good.mp4 --horizon 5 --out out --device tpu": ["tpu"],
}
EVALUATE = {
    "evaluate": ["missing", "RUN"],
    "evaluate nowhere": ["nowhere", "no such folder"],
    "evaluate run --horizon 0": ["horizon is 0", "at least 1"],
    "evaluate run --horizon 500": ["64 frames", "502", "lower --horizon to 62"],
    "evaluate run --clips 0": ["clips is 0", "at least 1"],
    "evaluate run --videos -1": ["videos is -1", "at least 0"],
    "evaluate run --split tset": ["'tset'", "'test'"],
    "evaluate run --data nowhere": ["nowhere does not exist"],
    "evaluate run --data zero.mp4": ["zero.mp4"],
    "evaluate run --data three.mp4 --split all": ["3 frames", "needs 22", "--horizon to 1"],
    "evaluate run --out good.mp4": ["good.mp4 is a file"],
    "evaluate run --device tpu": ["tpu"],
    "evaluate run stray": ["stray"],
    "evaluate run --context 1": ["--context is 1", "trained with 2"],
    "evaluate run --samples 0": ["samples is 0", "at least 1"],
    "evaluate run --protocol bari": ["unknown protocol 'bari'", "bair meant"],
    "evaluate run --protocol shapes-1000 --data good.mp4": ["about the world shapes"],
    "evaluate run --metrics lpisp": ["lpisp"],
    "evaluate run --metrics lpips": ["farframe weights get lpips"],
    "evaluate run --metrics lpips_vgg": ["farframe weights get lpips"],
    "evaluate run --metrics fvd": ["farframe weights get i3d"],
    "compare": ["two evaluations"],
    "compare run": ["two evaluations"],
    "compare run nowhere": ["holds no evaluation.json", "farframe evaluate"],
    "compare good.mp4 good.mp4": ["good.mp4 is no evaluation"],
}


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """All that lies there, but for decoded videos: those are not wrong, and worth keeping."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.name != ".lock" and "cache" not in path.parts
        if path.is_file() or not any(path.iterdir())
    }


@pytest.mark.parametrize(("command", "words"), (TRAIN | PREDICT | EVALUATE).items(), ids=str)
def test_a_mistake_gets_one_line_and_leaves_nothing(
    command: str,
    words: list[str],
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "no-weights"))
    before = tree(here)
    assert run(command) == 2
    err = capsys.readouterr().err
    lines = [line for line in err.splitlines() if not line.startswith("farframe: caching ")]
    assert len(lines) == 1, err
    assert lines[0].startswith("farframe: error: ")
    assert all(word in err for word in words), err
    assert "Traceback" not in err
    assert tree(here) == before
