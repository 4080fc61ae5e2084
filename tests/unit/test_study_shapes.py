"""`farframe study shapes`: only the frames that are judged are drawn, and they are right."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_run import ROBOT

from farframe import cli
from farframe.evaluation.measure import predict_clips
from farframe.evaluation.options import EvaluateOptions
from farframe.evaluation.setting import Setting
from farframe.evaluation.subjects import BASELINES, Scene
from farframe.presets import PRESETS
from farframe.run import load_config, write_config
from farframe.studies.shapes import ShapesStudy, study_shapes
from farframe.studies.shapes_measure import BESIDE, drawn, read
from farframe.studies.shapes_options import ShapesOptions
from farframe.studies.starting import TrainingOptions
from farframe.training.progress import Reporter
from farframe.video import to_uint8
from farframe.worlds.judge import judge

OPTIONS = ShapesOptions(horizon=(4, 16, 40), clips=7, points=4, strips=2, batch_size=3)
TRAINING = TrainingOptions(preset="debug", steps=2)


def study(out: Path, run: Path | None = None) -> ShapesStudy:
    return study_shapes(run, OPTIONS, TRAINING, out=out, device="cpu", reporter=Reporter())


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ShapesStudy]:
    out = tmp_path_factory.mktemp("study") / "deep"
    return out, study(out)


@pytest.fixture(scope="module")
def at(done: tuple[Path, ShapesStudy]) -> Setting:
    wanted = EvaluateOptions(horizon=38, clips=7, batch_size=3)
    return Setting.of(done[0] / "run", wanted, "shapes-1000", "cpu")


def test_it_trains_on_16_frames_and_writes_all(done: tuple[Path, ShapesStudy]) -> None:
    out, found = done
    config = load_config(out / "run")
    assert (config.data.sequence_length, config.train.steps) == (16, 2)
    assert [path.name for path in found.written] == [
        *("shapes-strips.png", "shapes-errors.png", "shapes.html", "shapes.json")
    ]
    assert {path.name for path in out.iterdir()} == {"run", *(p.name for p in found.written)}
    for name in ("shapes-strips.png", "shapes-errors.png"):
        assert np.asarray(Image.open(out / name)).std() > 10
    page = (out / "shapes.html").read_text()
    for words in ("96.9%", "69.7%", "ICML 2018", "Protocol card", "perfect predictor (oracle)"):
        assert words in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_again_gives_the_same_and_trains_no_further(done: tuple[Path, ShapesStudy]) -> None:
    out, _ = done
    before = (out / "shapes.json").read_bytes()
    weights = {p: p.stat().st_mtime_ns for p in (out / "run" / "checkpoints").rglob("*")}
    study(out)
    assert (out / "shapes.json").read_bytes() == before
    assert {p: p.stat().st_mtime_ns for p in (out / "run" / "checkpoints").rglob("*")} == weights


def test_clips_are_those_of_an_evaluation_cut_short(at: Setting) -> None:
    for index in at.indices[:2]:
        whole, some = at.windows[index], read(at, index, (4, 16, 40))
        wanted = [0, 1, 3, 15, 39]
        np.testing.assert_array_equal(some.frames, whole.frames[wanted])
        assert some.id == whole.id
        for name, values in some.labels.items():
            np.testing.assert_array_equal(values, whole.labels[name][wanted])


def test_what_is_drawn_is_what_an_evaluation_draws(at: Setting) -> None:
    frames, indices = (4, 16, 40), at.indices[:3]
    clips = [at.windows[i] for i in indices]
    shown = drawn(at, [read(at, i, frames) for i in indices], frames, 0)
    whole = {"model": predict_clips(at.model.eval(), clips, at.context, 38).frames}
    whole |= {n: BASELINES[n](Scene.of(at.model, clips, at.context, 38)).frames for n in BESIDE}
    for name, pictures in shown.items():
        expected = to_uint8(whole[name][:, [n - at.context - 1 for n in frames]].numpy())
        np.testing.assert_allclose(pictures.astype(int), expected, atol=1)


def test_shares_are_the_judges_and_errors_those_of_places(
    done: tuple[Path, ShapesStudy], at: Setting
) -> None:
    found = done[1].table
    clips = [at.windows[i] for i in at.indices]
    copied = np.stack([clip.frames[at.context - 1] for clip in clips])
    for frame in (16, 40):
        truth = {n: np.stack([c.labels[n][frame - 1] for c in clips]) for n in clips[0].labels}
        expected = judge(copied, truth)
        mine = found[frame]["copy_last"].shares
        assert {n: mine[n].mean for n in expected} == pytest.approx(expected)
        last = np.stack([c.labels["position"][at.context - 1] for c in clips])
        away = 32 * np.linalg.norm(last - truth["position"], axis=1)
        assert found[frame]["copy_last"].position.median.mean == pytest.approx(
            np.median(away), abs=0.5
        )
        for subject in found[frame].values():
            shares = {n: s.mean for n, s in subject.shares.items()}
            four = ("right", "wrong_shape", "wrong_colour", "vanished")
            assert sum(shares[n] for n in four) == pytest.approx(1)
            assert shares["right_colour"] == pytest.approx(shares["right"] + shares["wrong_shape"])


def test_the_json_tells_the_protocol(done: tuple[Path, ShapesStudy]) -> None:
    written = json.loads((done[0] / "shapes.json").read_text())
    assert [r["frame"] for r in written["table"] if r["judged"]] == [4, 16, 40]
    assert [r["after_context"] for r in written["table"] if r["judged"]] == [2, 14, 38]
    card = written["card"]
    assert (card["context"], card["horizon"], card["data"]["clips"]) == (2, 38, 7)
    assert card["study"]["horizon"] == [4, 16, 40]
    assert card["data"]["split"] == "test"
    assert card["made"]["step"] == 2
    assert written["trained_on_frames"] == 16
    assert written["paper"]["table"]["EPEV (paper)"]["right_colour"] == 0.969


def said(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert cli.main(["study", "shapes", *args]) == 2
    return capsys.readouterr().err


def test_mistakes_are_told_in_one_line(
    capsys: pytest.CaptureFixture[str], done: tuple[Path, ShapesStudy], tmp_path: Path
) -> None:
    run, out = str(done[0] / "run"), str(tmp_path / "out")
    assert "name a trained RUN, or with --out" in said(capsys)
    assert "--horizon is 2: must be above 2: the model is given" in said(
        capsys, run, "--horizon", "2", "9"
    )
    assert "must be frames in ascending order" in said(capsys, run, "--horizon", "9", "4")
    assert "lower --horizon to 1022" in said(capsys, run, "--horizon", "1025")
    assert "unknown preset 'debgu': is debug meant?" in said(
        capsys, "--preset", "debgu", "--out", out
    )
    assert f"must be --data shapes, not {ROBOT}" in said(
        capsys, "--preset", "debug", "--data", str(ROBOT), "--out", out
    )
    config = PRESETS["debug"].config
    write_config(tmp_path, replace(config, data=replace(config.data, path="videos/")), "")
    assert "was trained on videos/" in said(capsys, str(tmp_path))
    assert not Path(out).exists()


def test_words_of_study_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["study", "--help"]) == 0
    assert "farframe study shapes" in capsys.readouterr().out
    assert cli.main(["study", "shaeps"]) == 2
    assert "is shapes meant?" in capsys.readouterr().err
