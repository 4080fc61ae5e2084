"""Exported models: small folders that predict and measure as their runs do."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from refusals import told
from untrained_run import MEASURED, untrained

import farframe
from farframe.cli import main
from farframe.cli_args import parse_train
from farframe.cli_evaluate import EvaluateArgs
from farframe.cli_parse import parse
from farframe.config import DataConfig
from farframe.evaluation.compare import pair, read_evaluation
from farframe.evaluation.report import evaluate_run
from farframe.modes import MODES
from farframe.presets import PRESETS
from farframe.pretrained import export
from farframe.pretrained.commands import evaluate_command, train_command, wrapped
from farframe.pretrained.curve import course_of
from farframe.pretrained.export import ExportOptions, export_run
from farframe.pretrained.folder import ABOUT, WEIGHTS, narrowed, read_about
from farframe.pretrained.origins import origin_of, portable, runs_before
from farframe.run import find, load_config, write_config
from farframe.training.starting import read_start

FILES = {"config.json", "model.safetensors", "evaluation.json", "clips.csv", "training.csv"}
FILES |= {"README.md", "model.json"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("runs") / "debug")


@pytest.fixture(scope="module")
def half(run: Path) -> Path:
    out = run.parent / "half"
    options = ExportOptions(half=True, summary="Shapes that bounce.", licence="Apache-2.0")
    export_run(run, out, options)
    return out


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# -- what is exported --------------------------------------------------------------------------


def test_the_model_is_the_runs(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "model"
    made = export_run(run, out, ExportOptions())
    assert {path.name for path in out.iterdir()} == FILES == set(made.files)
    assert (made.about.name, made.about.step, made.evaluated) == ("model", 4, True)
    assert sum(made.files.values()) < 200_000
    mine, theirs = farframe.load(out).state_dict(), farframe.load(run).state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert load_config(out) == portable(load_config(run))
    assert list((tmp_path / "deep").iterdir()) == [out]


def test_half_precision_halves_it_and_measures_the_same(
    run: Path, half: Path, tmp_path: Path
) -> None:
    newest = find(run).weights
    assert (half / WEIGHTS).stat().st_size < 0.65 * newest.stat().st_size
    stored = safetensors.torch.load_file(half / WEIGHTS)
    assert {t.dtype for t in stored.values() if t.dim() > 1} == {torch.float16}
    assert {t.dtype for t in stored.values() if t.dim() == 1} <= {torch.float32, torch.int64}
    model = farframe.load(half)
    assert {p.dtype for p in model.parameters()} == {torch.float32}

    evaluate_run(half, MEASURED, out=tmp_path, device="cpu")
    measured = read_evaluation(tmp_path)
    assert measured.card["made"]["run"] == str(half)
    again = tmp_path / "again"
    export_run(run, again, ExportOptions(half=True, name="half", evaluation=tmp_path))
    assert (again / WEIGHTS).read_bytes() == (half / WEIGHTS).read_bytes()
    found = pair(read_evaluation(run), read_evaluation(again))
    assert {"psnr", "ssim", "mask_iou"} <= found.keys()
    assert abs(found["psnr"].gain.mean) < 0.005
    assert found["psnr"].clips == 9


def test_weights_beyond_half_precision_are_refused() -> None:
    kept = narrowed({"bias": torch.tensor([1e6]), "steps": torch.tensor(3)})
    assert kept["bias"].item() == 1e6
    with pytest.raises(ValueError, match=r"kernel has weights beyond half .*leave out --half"):
        narrowed({"kernel": torch.tensor([[1e6]])})


def test_nothing_tells_of_the_machine(run: Path, half: Path) -> None:
    config = load_config(run)
    data = replace(config.data, path="/home/me/secret/push")
    started = replace(config.train, start_from="/home/me/runs/first")
    clean = portable(replace(config, data=data, train=started))
    assert (clean.data.path, clean.train.start_from) == ("", "first")
    assert portable(config).data.path == "shapes"
    for name, content in bytes_of(half).items():
        assert str(run.parent).encode() not in content, name
    assert json.loads((half / "evaluation.json").read_text())["card"]["made"]["run"] == "half"


def test_the_card_tells_what_was_measured(half: Path) -> None:
    text = (half / "README.md").read_text()
    assert text.startswith("# half\n\nShapes that bounce.\n")
    stored = read_evaluation(half)
    first = stored.value("psnr", "1", "model")
    assert first is not None
    row = next(line for line in text.splitlines() if line.startswith("| 1 |"))
    assert f"{first.mean:.2f} ({first.low:.2f}..{first.high:.2f})" in row
    for words in ("Apache-2.0", "The world shapes, seed 0", "9 clips (split: test)", "float16"):
        assert words in text
    assert read_about(half).weights in text
    assert "farframe train debug --out RUN --train.device cpu" in text


def test_the_same_run_gives_the_same_bytes(run: Path, half: Path, tmp_path: Path) -> None:
    options = ExportOptions(half=True, summary="Shapes that bounce.", licence="Apache-2.0")
    export_run(run, tmp_path / "half", options)
    assert bytes_of(tmp_path / "half") == bytes_of(half)


# -- folders that are whole --------------------------------------------------------------------


@pytest.mark.parametrize("earlier", [True, False])
def test_a_failure_half_way_leaves_everything_as_it_was(
    run: Path, tmp_path: Path, earlier: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model"
    if earlier:
        export_run(run, out, ExportOptions(licence="mine"))
    before = bytes_of(out) if earlier else {}
    written: list[int] = []

    def fail(handle: int) -> None:
        written.append(handle)
        if len(written) == 4:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(export.os, "fsync", fail)
    with pytest.raises(ValueError, match="model can't be written: No space left on device"):
        export_run(run, out, ExportOptions(overwrite=True))
    assert (bytes_of(out) if earlier else {}) == before
    assert list(tmp_path.iterdir()) == ([out] if earlier else [])


def test_the_earlier_model_is_back_if_the_new_one_cannot_take_its_place(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model"
    export_run(run, out, ExportOptions(licence="mine"))
    before, rename = bytes_of(out), Path.rename

    def fail(path: Path, target: Path) -> Path:
        if (path / ABOUT).is_file() and target == out and read_about(path).licence == "":
            raise OSError(1, "Operation not permitted")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(ValueError, match="can't be written: Operation not permitted"):
        export_run(run, out, ExportOptions(overwrite=True))
    assert bytes_of(out) == before
    assert list(tmp_path.iterdir()) == [out]


def test_overwrite_replaces_exported_models_alone(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    export_run(run, out, ExportOptions(licence="first"))
    (out / "left.txt").touch()
    with pytest.raises(ValueError, match="holds an exported model: --overwrite replaces it"):
        export_run(run, out, ExportOptions())
    export_run(run, out, ExportOptions(licence="second", overwrite=True))
    assert read_about(out).licence == "second"
    assert {path.name for path in out.iterdir()} == FILES
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(ValueError, match="other is there already and not empty"):
        export_run(run, tmp_path / "other", ExportOptions(overwrite=True))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda f: (f / WEIGHTS).write_bytes(b"x"), "safetensors is damaged: its bytes are not"),
        (lambda f: (f / WEIGHTS).unlink(), "safetensors can't be read: No such file"),
        (lambda f: (f / ABOUT).write_text("{"), r"model\.json is damaged .*not JSON"),
        (lambda f: (f / ABOUT).write_text("{}"), r"model\.json is damaged .*missing key"),
        (lambda f: (f / "config.json").unlink(), "is not a run: it has no config.json"),
    ],
)
def test_damage_is_told(half: Path, tmp_path: Path, harm: Any, words: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(half, folder)
    harm(folder)
    with pytest.raises(ValueError, match=words):
        farframe.load(folder)


# -- evaluations that belong -------------------------------------------------------------------


def test_only_evaluations_of_these_weights_go_with_them(run: Path, tmp_path: Path) -> None:
    older = run / "checkpoints" / "step-000000002"
    with pytest.raises(ValueError, match=r"of other weights \(step 4\) .* \(step 2\): run"):
        export_run(older, tmp_path / "a", ExportOptions())
    content = json.loads((run / "evaluation" / "evaluation.json").read_text())
    (tmp_path / "evaluation.json").write_text(json.dumps(content))
    alone = export_run(run, tmp_path / "b", ExportOptions(evaluation=tmp_path))
    assert set(alone.files) == FILES - {"clips.csv"}
    lines = (run / "evaluation" / "clips.csv").read_text().splitlines(keepends=True)
    (tmp_path / "clips.csv").write_text("".join(lines[:-1]))
    with pytest.raises(ValueError, match=r"clips\.csv is of other clips than evaluation\.json"):
        export_run(run, tmp_path / "c", ExportOptions(evaluation=tmp_path))
    wrong = [line.replace(line.split(",")[1], "1.0", 1) for line in lines[1:]]
    (tmp_path / "clips.csv").write_text("".join([lines[0], *wrong]))
    with pytest.raises(ValueError, match=r"clips\.csv beside .* is of another evaluation"):
        export_run(run, tmp_path / "c", ExportOptions(evaluation=tmp_path))
    assert not (tmp_path / "c").exists()


def test_without_an_evaluation_the_card_says_so(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(run, bare, ignore=shutil.ignore_patterns("evaluation", "metrics.jsonl"))
    assert main(["export", str(bare), "--out", str(tmp_path / "model")]) == 0
    assert "without an evaluation: the card says so" in capsys.readouterr().out
    text = (tmp_path / "model" / "README.md").read_text()
    assert "Not evaluated by whoever exported it." in text
    assert "not stated by whoever exported it" in text
    assert not (tmp_path / "model" / "training.csv").exists()


def test_notes_are_part_of_the_card(run: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("Corners fade after **frame 50**.\n")
    export_run(run, tmp_path / "model", ExportOptions(notes=notes))
    text = (tmp_path / "model" / "README.md").read_text()
    assert text.endswith("Corners fade after **frame 50**.\n")
    with pytest.raises(ValueError, match=r"--notes .*none\.md: No such file"):
        export_run(run, tmp_path / "b", ExportOptions(notes=tmp_path / "none.md"))


# -- an exported model in place of a run -------------------------------------------------------


def test_it_is_left_as_it_is(half: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = bytes_of(half)
    line = told(capsys, "evaluate", half)
    assert "half is an exported model and left as it is: name a folder with --out" in line
    for more in ((), ("--resume",)):
        line = told(capsys, "train", "debug", "--out", half, *more)
        assert "is an exported model, and left as it is: start a training from it with" in line
    assert "is an exported model already" in told(capsys, "export", half, "--out", f"{half}2")
    assert bytes_of(half) == before


def test_a_training_starts_from_it(half: Path) -> None:
    config = PRESETS["debug"].config
    start = read_start(replace(config, train=replace(config.train, start_from=str(half))))
    assert start is not None
    weights = farframe.load(half).state_dict()
    assert start.weights.keys() == weights.keys()
    assert all(torch.equal(start.weights[name], value) for name, value in weights.items())


# -- commands and courses ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["debug", "video-small", "human-epev-gan"])
def test_the_training_command_makes_the_run_again(name: str) -> None:
    preset = PRESETS[name].config
    sizes = replace(preset.model, encoder_coords=True, action_dim=0, van_keep_prob=0.75)
    data = replace(preset.data, validation_pattern="", batch_size=5)
    changed = replace(preset, model=sizes, data=data)
    for config in (preset, changed, replace(changed, mode=MODES["e2e"]())):
        words = shlex.split(wrapped(train_command(config)).replace("\\\n", ""))
        assert words[:3] == ["farframe", "train", name]
        _, again = parse_train(words[3:], preset, "farframe train")
        assert replace(again, data=replace(again.data, path=config.data.path)) == config
    assert train_command(replace(preset, name="my own")) == ""


def test_the_card_tells_of_the_runs_before(run: Path, tmp_path: Path) -> None:
    config = load_config(run)
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, start in ((first, ""), (second, str(first))):
        folder.mkdir()
        train = replace(config.train, start_from=start, steps=7)
        write_config(folder, replace(config, train=train), "")
    after = replace(config, train=replace(config.train, start_from=str(second)))
    commands = [train_command(before, name) for name, before in runs_before(after)]
    assert [words.partition(" --out ")[2].split()[0] for words in commands] == ["first", "second"]
    assert all("--train.steps 7" in words for words in commands)
    assert "--train.start-from first" in commands[1]
    assert runs_before(config) == []
    loop = replace(config, train=replace(config.train, start_from=str(first)))
    write_config(first, loop, "")
    assert 0 < len(runs_before(loop)) < 100
    shutil.copytree(run, tmp_path / "third")
    write_config(tmp_path / "third", after, "")
    export_run(tmp_path / "third", tmp_path / "made", ExportOptions())
    card = (tmp_path / "made" / "README.md").read_text()
    assert card.index("--out first") < card.index("--out second") < card.index("--out RUN")


def test_the_evaluation_command_measures_the_same(half: Path) -> None:
    card = read_evaluation(half).card
    words = shlex.split(evaluate_command(card, "half/", "DATA"))
    parsed = parse(EvaluateArgs, words[2:], "farframe evaluate")
    assert parsed.run == Path("half")
    assert parsed.evaluation == replace(MEASURED, data="DATA", context=2, stride=1)
    more = {"name": "bair with clips 9", "features": {"lpips": {}, "fvd": {"frames": [16, 16]}}}
    text = evaluate_command({**card, **more}, "--model half", "")
    assert "--model half --out" in text
    assert text.endswith(
        "--protocol bair --context 2 --horizon 3 --samples 1 --seed 0 "
        "--split test --stride 1 --clips 9 --metrics lpips fvd --fvd-frames 16"
    )


def test_the_course_is_means_of_stretches_and_hours(tmp_path: Path) -> None:
    lines = [
        {"step": step, "loss/a": float(step), "speed/steps_per_second": 2.0, "curve": [1, 2]}
        for step in range(10, 7201, 10)
    ]
    lines.insert(300, {"step": 3000, "val/psnr": 20.0})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "metrics.jsonl").write_text(text + '{"step": 7210, "los')
    course = course_of(tmp_path, 7200)
    assert course is not None
    assert course.hours == pytest.approx(1.0)
    assert len(course.rows) == 200
    rows = list(csv.DictReader(course.to_csv().splitlines()))
    assert rows[-1]["step"] == "7200"
    assert [row["val/psnr"] for row in rows if row["val/psnr"]] == ["20"]
    means = np.array([float(row["loss/a"]) for row in rows])
    np.testing.assert_allclose(means, np.linspace(20, 7180, 200), atol=12)
    half_way = course_of(tmp_path, 3600)
    assert half_way is not None
    assert half_way.hours == pytest.approx(0.5)
    assert course_of(tmp_path / "none", 10) is None


def test_data_of_a_world_is_told_with_its_command(tmp_path: Path) -> None:
    made = {"world": "robot-push", "frame_size": 64, "clip_length": 30, "clips_per_scene": 10}
    splits = {"train": 380, "validation": 40, "test": 40, "testnovel": 40}
    record = {
        "origin": {**made, "fps": 10.0, "objects": 10, "seed": 0},
        "splits": {name: {"clips": count} for name, count in splits.items()},
    }
    (tmp_path / "dataset.json").write_text(json.dumps(record))
    config = replace(PRESETS["debug"].config, data=DataConfig(path=str(tmp_path)))
    origin = origin_of(config, "f00")
    assert origin.command == (
        "farframe data make robot-push --out DATA --clips 380 --held-out 40 --clip-length 30"
    )
    assert "380 train, 40 validation, 40 test, 40 testnovel clips of 30 frames" in origin.words
    (tmp_path / "dataset.json").write_text('{"origin": {"source": "x"}}')
    origin = origin_of(config, "f00")
    assert origin.command == ""
    assert f"`{tmp_path.name}`, which is not public here (fingerprint f00)" in origin.words
