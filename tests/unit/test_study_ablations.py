"""`farframe study ablations`: what differs between the runs, and the paired differences."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from farframe import cli
from farframe.evaluation.compare import read_evaluation
from farframe.evaluation.tally import Tally
from farframe.presets import PRESETS
from farframe.presets_ablations import BASE, ablations
from farframe.run import write_config
from farframe.studies.ablations import study_ablations, with_start
from farframe.studies.ablations_numbers import AblationsStudy, spans
from farframe.studies.ablations_options import AblationsOptions
from farframe.studies.starting import TrainingOptions
from farframe.training.progress import Reporter

ONLY = ("no-first-frame", "context-4")
OPTIONS = AblationsOptions(only=ONLY, horizon=8, clips=9, strips=1)


def study(out: Path, only: tuple[str, ...] = ONLY) -> AblationsStudy:
    training, options = TrainingOptions(preset="debug", steps=1), replace(OPTIONS, only=only)
    return study_ablations(out, options, training, device="cpu", reporter=Reporter())


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AblationsStudy]:
    out = tmp_path_factory.mktemp("ablations")
    return out, study(out)


def test_each_differs_in_what_it_says_and_nothing_else() -> None:
    base = PRESETS["shapes-tiny"].config
    known = ablations(base)
    changes = {name: set(base.changes(a.config)) for name, a in known.items()}
    assert changes == {
        BASE: set(),
        "no-parts": {"model.decoder_parts"},
        "no-first-frame": {"model.decoder_parts", "model.decoder_first_frame"},
        "e2e": {"mode"},
        "epev-e2e": {"mode"},
        "epev-gan": {"mode"}
        | {f"train.{n}_every" for n in ("log", "evaluate", "checkpoint")}
        | {"train.steps", "train.warmup_steps"},
        "context-10": {"model.context_frames", "data.sequence_length"},
    }
    gan = known["epev-gan"].config
    assert gan.train.steps == base.train.steps * gan.mode.turns
    assert [name for name, a in known.items() if a.start] == ["epev-gan"]
    assert known["no-first-frame"].against == "no-parts"
    longer = known["context-10"].config
    assert longer.data.sequence_length - longer.model.context_frames == 15


def test_other_presets_are_refused() -> None:
    with pytest.raises(ValueError, match=r"robot-e2e can't be the base of ablations: .* mode e2e"):
        ablations(PRESETS["robot-e2e"].config)
    base = PRESETS["debug"].config
    with pytest.raises(ValueError, match="first_frame 'blank'; they start from"):
        ablations(replace(base, model=replace(base.model, decoder_first_frame="blank")))


def test_all_are_trained_and_measured_on_the_same_clips(done: tuple[Path, AblationsStudy]) -> None:
    out, found = done
    assert list(found.results) == [BASE, *ONLY]
    cards = [read_evaluation(out / name / "study-ablations").card for name in found.results]
    assert len({card["data"]["ids"] for card in cards}) == 1
    assert [(c["context"], c["horizon"]) for c in cards] == [(2, 8), (2, 8), (4, 6)]
    assert [c["made"]["step"] for c in cards] == [1, 1, 1]
    for name in ("ablations-strips.png", "ablations-curves.png"):
        assert np.asarray(Image.open(out / name)).std() > 10
    page = (out / "ablations.html").read_text()
    assert all(name in page for name in found.results)


def test_again_gives_the_same_and_trains_no_further(done: tuple[Path, AblationsStudy]) -> None:
    out, _ = done
    before = json.loads((out / "ablations.json").read_text())["ablations"]
    kept = {p: p.stat().st_mtime_ns for p in out.rglob("weights.safetensors")}
    assert len(kept) == 3
    study(out, only=("no-first-frame",))
    assert json.loads((out / "ablations.json").read_text())["ablations"] == before[:2]
    assert {p: p.stat().st_mtime_ns for p in out.rglob("weights.safetensors")} == kept


def test_the_gan_starts_from_the_trained_base_and_keeps_to_it(tmp_path: Path) -> None:
    gan, run = ablations(PRESETS["debug"].config)["epev-gan"], tmp_path / "epev-gan"
    config = with_start(gan, tmp_path, run)
    assert config.train.start_from == str(tmp_path / BASE)
    run.mkdir()
    write_config(run, config, "")
    assert with_start(gan, tmp_path / "moved" / "..", run) == config


def test_differences_are_of_the_same_frames_of_the_same_clips(
    done: tuple[Path, AblationsStudy],
) -> None:
    """Means over the horizon of each clip are in clips.csv: their differences' mean must agree."""
    out, found = done
    means = {}
    for name in (BASE, "no-first-frame"):
        table = np.genfromtxt(out / name / "study-ablations" / "clips.csv", delimiter=",",
                              names=True, dtype=None, encoding="utf-8")  # fmt: skip
        means[name] = table["modelpsnr"]
    number = found.numbers["no-first-frame"]["psnr"][-1]
    assert number is not None
    assert number.difference is not None
    apart = means["no-first-frame"] - means[BASE]
    assert number.difference.mean == pytest.approx(apart.mean(), abs=1e-4)
    half = number.difference.high - number.difference.low  # type: ignore[operator]
    assert half == pytest.approx(2 * 2.3 * apart.std(ddof=1) / np.sqrt(len(apart)), rel=0.35)


def test_more_context_is_compared_on_the_frames_that_both_predict(
    done: tuple[Path, AblationsStudy],
) -> None:
    out, found = done
    five, last, whole = found.numbers["context-4"]["psnr"]
    assert spans(8) == [(5, 5), (8, 8), (1, 8)]
    assert five is not None
    assert last is not None
    assert whole is not None
    assert (whole.first, whole.last, whole.against) == (3, 8, BASE)
    curves = [
        json.loads((out / name / "study-ablations" / "evaluation.json").read_text())["curves"]
        for name in ("context-4", BASE)
    ]
    mine, theirs = (np.array(c["psnr"]["model"]["mean"]) for c in curves)
    assert five.mean.mean == pytest.approx(mine[2], rel=1e-5)
    assert last.difference is not None
    assert last.difference.mean == pytest.approx(mine[5] - theirs[7], abs=1e-4)


def test_mistakes_are_told_in_one_line(
    capsys: pytest.CaptureFixture[str], done: tuple[Path, AblationsStudy], tmp_path: Path
) -> None:
    def said(*args: str) -> str:
        start = ["study", "ablations", "--preset", "debug", "--out", str(tmp_path / "new")]
        assert cli.main([*start, *args]) == 2
        return capsys.readouterr().err

    assert "unknown ablation 'e2ee': is e2e meant?" in said("--only", "e2ee")
    assert "--horizon is 2: must be above 2: context-4 is given 2 frames more" in said(
        "--horizon", "2"
    )
    assert not (tmp_path / "new").exists()
    assert "train.seed" in said("--out", str(done[0]), "--preset", other_seed(tmp_path))


def other_seed(folder: Path) -> str:
    base = PRESETS["debug"].config
    write_config(folder, replace(base, train=replace(base.train, seed=7)), "")
    return str(folder)


def test_tallies_of_other_clips_are_not_joined() -> None:
    tallies = {name: Tally(replicates=20) for name in "ab"}
    tallies["a"].add({"x": np.ones((9, 3))})
    tallies["b"].add({"x": np.ones((8, 3))})
    with pytest.raises(ValueError, match="b was measured on 8 clips with seed 0, others on 9"):
        Tally.joined(tallies, ["x"], 3)
