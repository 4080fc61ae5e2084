"""`farframe study persons` on a run of one step, with a detector that is known in advance."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_run import tiny

from farframe.cli import main
from farframe.evaluation.detector import Person, PersonDetector
from farframe.evaluation.evaluate import redraw
from farframe.evaluation.setting import Setting
from farframe.evaluation.tally import Curve
from farframe.evaluation.yolo import Candidates
from farframe.studies.chart import Line, Panel, charts, ticks
from farframe.studies.persons import COMPARED, measured
from farframe.studies.persons_options import PersonOptions
from farframe.studies.persons_pictures import chosen, marked
from farframe.studies.persons_report import study_persons, table
from farframe.training.loop import train
from farframe.types import Prediction

OPTIONS = PersonOptions(horizon=6, clips=9, split="all", batch_size=4, threshold=0.5)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("persons") / "run"
    train(tiny(steps=1), folder)
    return folder


def look(frames: torch.Tensor) -> Candidates:
    """As sure of a person as a frame is red in its upper left quarter."""
    scores = torch.zeros(len(frames), 2, 80)
    scores[:, 1, 0] = frames[:, 0, :16, :16].mean((1, 2))
    return Candidates(torch.tensor([0.1, 0.2, 0.6, 0.9]).expand(len(frames), 2, 4), scores)


DETECTOR = PersonDetector(look, "d" * 64)


def test_scores_are_those_of_everyones_frames(run: Path) -> None:
    at = Setting.of(run, OPTIONS.evaluation, "", "cpu")
    found = measured(at, OPTIONS, DETECTOR)
    assert found.clips == 9
    truth, copied = np.zeros((9, 6)), np.zeros((9, 6))
    for n, index in enumerate(at.indices):
        red = at.windows[index].frames[:, 0, :16, :16].mean((1, 2)) / 255
        truth[n], copied[n] = red[at.context :], red[at.context - 1]
    for name, expected in {"truth": truth, "copy_last": copied}.items():
        np.testing.assert_allclose(found.tally.mean(f"{name}/score"), expected.mean(0), atol=1e-5)
        np.testing.assert_allclose(found.tally.mean(f"{name}/seen"), (expected >= 0.5).mean(0))
    drawn: list[Prediction] = [
        redraw(at.model, at.windows, at.indices, n, found, batch_size=4)[1] for n in range(9)
    ]
    reds = np.stack([d.frames[0, :, 0, :16, :16].mean((1, 2)).numpy() for d in drawn])
    np.testing.assert_allclose(found.tally.mean("model/score"), reds.mean(0), atol=1e-5)
    np.testing.assert_allclose(found.scores, reds.mean(1), atol=1e-5)
    assert chosen(found)["best"] == reds.mean(1).argmax()
    rows = {(row.quantity, row.frames): row for row in table(found, OPTIONS)}
    last = rows["score", "6"]
    assert last.values["model"].mean == pytest.approx(reds[:, 5].mean(), abs=1e-5)
    assert last.lost.mean == pytest.approx((truth - reds)[:, 5].mean(), abs=1e-5)
    assert last.values["truth"].low is not None
    whole = rows["score", "mean 1-6"]
    assert whole.values["oracle"].mean == pytest.approx(found.tally.mean("oracle/score").mean())


def test_every_second_frame_gives_the_same_of_fewer_frames(run: Path) -> None:
    at = Setting.of(run, OPTIONS.evaluation, "", "cpu")
    whole = measured(at, OPTIONS, DETECTOR)
    options = replace(OPTIONS, every=2)
    half = measured(at, options, DETECTOR)
    for name in whole.tally.names:
        np.testing.assert_allclose(half.tally.mean(name), whole.tally.mean(name)[1::2], atol=1e-6)
    frames = [row.frames for row in table(half, options) if row.quantity == "score"]
    assert frames == ["2", "6", "mean 1-5", "mean 1-6"]
    [row] = [r for r in table(half, options) if (r.quantity, r.frames) == ("score", "mean 1-5")]
    expected = half.tally.mean("truth/score")[:2].mean()
    assert row.values["truth"].mean == pytest.approx(expected)


def test_the_study_as_typed(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(PersonDetector, "load", lambda device, side: DETECTOR)
    out = tmp_path / "out"
    command = f"study persons {run} --split all --horizon 6 --clips 9 --every 2 --out {out}"
    assert main(command.split()) == 0
    printed = capsys.readouterr().out
    assert "score of a person" in printed
    assert "share of clips with a person" in printed
    assert f"wrote {out / 'persons.json'}" in printed
    names = [
        "persons.json",
        "persons.png",
        *(f"strip-{n}.png" for n in ("best", "median", "worst")),
    ]
    assert sorted(path.name for path in out.iterdir()) == names
    content = json.loads((out / "persons.json").read_text())
    assert content["frames"] == [2, 4, 6]
    assert content["card"]["features"]["person"]["weights"] == "d" * 64
    assert content["card"]["every"] == 2
    assert content["card"]["made"]["step"] == 1
    assert set(content["curves"]["seen"]) == set(COMPARED)
    assert all("@" in clip for clip in content["strips"].values())
    options = PersonOptions(split="all", horizon=6, clips=9, every=2)
    study_persons(run, options, out=tmp_path / "again")
    again = json.loads((tmp_path / "again" / "persons.json").read_text())
    assert again == content
    for name in names[1:]:
        with Image.open(out / name) as picture:
            assert picture.size > (600, 300)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("study", "name one of shapes, ablations, persons"),
        ("study person", "unknown word 'person': is persons meant?"),
        ("study persons", "missing: RUN"),
        ("study persons nowhere", "nowhere: there is no such folder"),
        ("study persons RUN --every 70", "--every is 70: must be 1 to --horizon"),
        ("study persons RUN --threshold 1.5", "--threshold is 1.5: must be between 0 and 1"),
        ("study persons RUN --horizon 0", "--horizon is 0: must be at least 1"),
        ("study persons RUN --side 100 --horizon 6 --split all", "side is 100: must be a multiple"),
        ("study persons RUN --horizon 6 --split all", "run `farframe weights get person-detector`"),
        ("study persons RUN --horizon 60", "lower --horizon to"),
    ],
)
def test_mistakes_are_told(
    words: str,
    said: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(words.replace("RUN", str(run)).split()) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert said in err
    assert not (run / "persons").exists()


# -- pictures ------------------------------------------------------------------------------------


def test_boxes_are_drawn_where_people_are_sure() -> None:
    grey = np.full((100, 100, 3), 90, np.uint8)
    sure, unsure = Person((0.2, 0.1, 0.6, 0.7), 0.9), Person((0.7, 0.7, 0.9, 0.9), 0.1)
    picture = marked(grey, [sure, unsure], 0.5)
    yellow = (picture == (255, 221, 51)).all(2)
    assert yellow[10, 20:61].all()
    assert yellow[10:71, 60].all()
    assert not yellow[30:60, 70:].any()
    assert not (marked(grey, [unsure], 0.5)[:75] != 90).any()
    outside = marked(grey, [Person((-0.5, -0.5, 1.5, 1.5), 0.9)], 0.5)
    assert (outside[0, :70] == (255, 221, 51)).all()


def test_charts_draw_their_lines_where_the_numbers_are() -> None:
    red = (200, 0, 0)
    curve = Curve(np.array([0.0, 0.5, 1.0]))
    picture = charts("t", [Panel("p", (1, 2, 3), [Line("x", red, curve)])], "frame")
    assert picture.shape == (784, 1120, 3)
    line = (picture[124 + 80 : 784 - 92] == red).all(2)  # below title and legend, above the axis
    ys, xs = np.nonzero(line)
    assert len(ys) > 500
    slope = np.polyfit(xs, ys, 1)[0]
    assert slope == pytest.approx(-(330 - 40 - 46) / (560 - 52 - 20), rel=0.03)
    with_band = Curve(curve.mean, curve.mean - 0.1, curve.mean + 0.1)
    banded = charts("t", [Panel("p", (1, 2, 3), [Line("x", red, with_band)])], "frame")
    assert (banded != picture).any(2).sum() > 20_000
    charts("t", [Panel("p", (1,), [Line("x", red, Curve(np.array([0.5])))], mark=0.2)] * 2, "frame")
    assert ticks(1, 60) == [1, 10, 20, 30, 40, 50, 60]
    assert ticks(5, 127) == [5, 20, 40, 60, 80, 100, 127]
    assert ticks(3, 3) == [3]
