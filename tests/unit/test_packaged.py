"""Models that come with farframe: by name in place of a run, whether this copy has any or none."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from refusals import told
from untrained_run import untrained

import farframe
from farframe.cli import main
from farframe.evaluation.card import MADE
from farframe.evaluation.compare import read_evaluation
from farframe.prediction_world import WORLDS, WorldClip
from farframe.presets import PRESETS
from farframe.pretrained import names
from farframe.pretrained.export import ExportOptions, export_run
from farframe.pretrained.results import markdown, packaged

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 8_000_000
MARKS = re.compile(r"<!-- farframe models --markdown -->\n(.*?)\n<!-- end -->", re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of farframe that has a model of its own, called shapes."""
    folder = tmp_path_factory.mktemp("package")
    run = untrained(folder / "run")
    export_run(run, folder / "home" / "shapes", ExportOptions(summary="Shapes that bounce."))
    return folder / "home"


@pytest.fixture
def with_one(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(names, "HOME", home)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def with_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(names, "HOME", tmp_path / "empty")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- by name -----------------------------------------------------------------------------------


def test_predict_by_name(with_one: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "--model", "shapes", "shapes:0", "--horizon=3", "--out", "a"]) == 0
    assert "3 of 3 predicted frames" in capsys.readouterr().out
    assert main(["predict", "shapes:0", "--out", "b", "--horizon", "3", "--model=shapes"]) == 0
    assert main(["predict", "shapes", "shapes:0", "--horizon", "3", "--out", "c"]) == 0
    videos = {(with_one / name / "prediction.mp4").read_bytes() for name in "abc"}
    assert len(videos) == 1


def test_evaluate_and_compare_by_name(
    with_one: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--horizon", "3", "--clips", "9", "--device", "cpu"]
    assert main(["evaluate", "--model", "shapes", *words, "--out", "measured"]) == 0
    measured = read_evaluation(with_one / "measured")
    assert measured.card[MADE]["run"] == "shapes"
    assert main(["compare", "shapes", "measured", "--json", "tests.json"]) == 0
    text = capsys.readouterr().out
    assert "shapes (4) against shapes (4): means over the horizon, clip by clip" in text
    assert "9 clips of 9 recordings; p: two-sided sign-flip test" in text
    assert (with_one / "tests.json").read_text().startswith("[")
    line = told(capsys, "evaluate", "--model", "shapes", *words)
    assert "is an exported model and left as it is: name a folder with --out" in line
    assert {path.name for path in home.iterdir()} == {"shapes"}


def test_load_by_name_unless_a_run_lies_there(with_one: Path) -> None:
    model = farframe.load("shapes")
    assert model.config == PRESETS["debug"].config.model
    (with_one / "shapes").mkdir()  # data, say: no run
    named = farframe.load(Path("shapes")).state_dict()
    assert all(torch.equal(named[name], value) for name, value in model.state_dict().items())
    (with_one / "shapes" / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"shapes has no checkpoint yet"):
        farframe.load("shapes")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--model", "shpaes", "shapes:0"], "--model: unknown model 'shpaes': is shapes meant?"),
        (
            ["--model", "cats", "shapes:0"],
            "unknown model 'cats': must be one of shapes, robot-push",
        ),
        (["--model", "humans", "humans:0"], "no weights of it (it has: shapes); give the folder"),
        (["runs/a", "shapes:0", "--model", "shapes"], "RUN and --model shapes are both given"),
        (["shapes:0"], "missing: INPUT (see farframe predict --help); RUN is a trained run's"),
        ([], "missing: RUN, INPUT (see farframe predict --help); RUN is a trained run's folder"),
        (["--model", "shapes", "shapes:0", "--hroizon", "3"], "unknown option '--hroizon'"),
        (["nowhere", "shapes:0"], "no such folder; give the folder of a trained run, or the name"),
    ],
)
def test_wrong_names_are_told_in_one_line(
    with_one: Path, words: list[str], answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = told(capsys, "predict", *words, "--horizon", "3", "--out", "out")
    assert answer in line
    assert not list(with_one.iterdir())


def test_a_copy_without_models_says_so(with_none: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in names.PLANNED:
        line = told(capsys, "predict", "--model", name, "shapes:0", "--horizon=3", "--out=out")
        assert f"--model {name}: this copy of farframe has no weights of it (it has: none)" in line
    assert "RUN and" not in told(capsys, "evaluate", "shapes")
    assert main(["models"]) == 0
    assert "has no trained models" in capsys.readouterr().out
    assert markdown() == "None has been trained yet."


# -- the list and README's table ---------------------------------------------------------------


def test_the_list_and_the_table(with_one: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    assert "shapes (32x32 after 2 frames, 0.1 MB): Shapes that bounce." in text
    command = "farframe predict --model shapes shapes:0 --horizon 3 --out out/"
    assert f"  {command}\n" in text
    assert main(["models", "--markdown"]) == 0
    table = capsys.readouterr().out
    psnr = read_evaluation(names.HOME / "shapes").value("psnr", "mean 1-3", "model")
    assert psnr is not None
    row = next(line for line in table.splitlines() if line.startswith("| [`shapes`]("))
    assert "(src/farframe/pretrained/shapes/README.md) | 2 → 3 | 9 |" in row
    assert f"| {psnr.mean:.2f} (" in row
    assert command in table


def test_names_need_no_torch() -> None:
    code = (
        "import sys, farframe.cli_words, farframe.pretrained.names as n; n.offered(); "
        "print({'torch', 'numpy', 'tyro'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# -- the models that this copy has -------------------------------------------------------------


def test_the_readme_has_the_table_of_the_models_that_are_there() -> None:
    [found] = MARKS.findall((ROOT / "README.md").read_text("utf-8"))
    assert found == markdown(), "put what `farframe models --markdown` prints between the marks"


def test_models_that_are_there_are_small_and_measured_as_they_are() -> None:
    for model in packaged():
        name = model.folder.name
        assert model.about.name == name
        assert sum(path.stat().st_size for path in model.folder.iterdir()) < MOST_BYTES, name
        assert model.evaluation is not None, name
        made = model.evaluation.card[MADE]
        assert made["weights"] in (model.about.weights, model.about.trained_weights), name
        assert len(model.evaluation.clips().ids) == model.evaluation.card["data"]["clips"]
        assert model.about.summary, name
        assert model.about.licence, name
        assert model.config.data.path in ("", *WORLDS), name


def test_models_that_are_there_predict_their_own_world() -> None:
    for model in packaged():
        if model.folder.name not in WORLDS or find_spec("pybullet") is None:
            continue
        sizes, stride = model.config.model, model.config.data.stride
        context = sizes.context_frames
        clip = WorldClip(model.folder.name, 0).make(sizes.frame_size, 0, context + 2, stride)
        actions = clip.actions if sizes.action_dim else None
        drawn = farframe.load(model.folder).predict(clip.frames[:context], actions, horizon=2)
        assert np.isfinite(drawn.frames.numpy()).all()
