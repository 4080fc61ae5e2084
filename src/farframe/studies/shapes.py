"""``farframe study shapes``: trained on 16 frames, is the right shape still there at frame 1,020?

The paper's Table 1 made automatic: held-out clips of the generated world, judged by its own labels
(``worlds/judge.py``), with errors of position and size beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from farframe.atomic import sweep
from farframe.data.progress import progress
from farframe.evaluation import card as cards
from farframe.evaluation.evaluate import Evaluation
from farframe.evaluation.options import EvaluateOptions
from farframe.evaluation.report import place_for_results
from farframe.evaluation.setting import Setting
from farframe.evaluation.stored_json import write_json
from farframe.evaluation.tally import Estimate, Tally
from farframe.prediction_files import check_writable
from farframe.run import RunConfig, load_config
from farframe.studies.estimates import Quartiles, quartiles, share
from farframe.studies.shapes_measure import VERDICTS, Judged, Measured, measure
from farframe.studies.shapes_options import PAPER, SOURCE, TRAINED, ShapesOptions
from farframe.studies.shapes_pictures import write_chart, write_strips
from farframe.studies.starting import TrainingOptions, trained
from farframe.training.progress import Reporter

WORLD = "shapes"
MEANINGS: Mapping[str, str] = {
    "right": "right shape in the right colour (worlds/judge.py); Wilson's 95 % interval over clips",
    "right_colour": "right, or another shape or none that is known, in the right colour",
    "in_place": "right, and at most half the true radius from the true place",
    "wrong_shape": "the right colour, but not the right shape",
    "wrong_colour": "a shape in another colour",
    "vanished": "nothing there",
    "position": "distance of centres in pixels, infinite where nothing is there; median, its 95 % "
    "interval and quartiles over clips",
    "size": "difference of radii of circles of equal area in pixels, likewise",
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """One subject at one frame of the clip."""

    shares: Mapping[str, Estimate]
    position: Quartiles
    size: Quartiles

    def to_json(self) -> dict[str, Any]:
        """As a mapping of JSON's types."""
        shares = {name: value.to_json() for name, value in self.shares.items()}
        return shares | {"position": self.position.to_json(), "size": self.size.to_json()}


@dataclass(frozen=True, kw_only=True)
class ShapesStudy:
    """What was found: ``table[frame][subject]``, for the frames of the horizon and the curves."""

    run: Path
    card: Mapping[str, Any]
    trained_on: int
    context: int
    clips: int
    horizon: tuple[int, ...]
    table: Mapping[int, Mapping[str, Found]]
    written: tuple[Path, ...] = ()


def study_shapes(
    run: Path | None,
    options: ShapesOptions,
    training: TrainingOptions,
    *,
    out: Path | None,
    device: str,
    reporter: Reporter,
) -> ShapesStudy:
    """Study a trained run, or train one first, and write ``shapes.json``, a page and pictures.

    Args:
        run: a run's folder (its newest checkpoint is taken) or one checkpoint's; None: one is
            trained in ``out/run``, or gone on with.
        options: where and on what to judge.
        training: what to train without a ``run``.
        out: folder to write into (None: ``<run>/study-shapes``).
        device: where to compute, as in ``train.device``.
        reporter: hears of the training.

    Raises:
        ValueError: if the run is not of the generated shapes world, or ``out`` can't be written.
    """
    if run is None:
        if out is None:
            raise ValueError("name a trained RUN, or with --out where one is to be trained")
        config = _config(training, device)
        options.check_context(config.model.context_frames)
        run = out / "run"
        trained(config, run, reporter)
    folder = place_for_results(run, out, "study-shapes")
    check_writable(folder)
    at, trained_on = _setting(run, options, device)
    frames = options.frames(at.context)
    with progress("judging", len(at.indices), "clips") as advance:
        measured = measure(at, frames, options.batch_size, advance)
    study = ShapesStudy(
        run=run,
        card=_card(at, options, measured),
        trained_on=trained_on,
        context=at.context,
        clips=len(at.indices),
        horizon=options.horizon,
        table=_table(measured),
    )
    return replace(study, written=_write(study, at, options, folder))


def _config(training: TrainingOptions, device: str) -> RunConfig:
    """A run of the generated world on clips of 16 frames."""
    config = training.config(device)
    if config.data.path != WORLD:
        raise ValueError(
            f"the study is of the generated world: its training data must be --data {WORLD}, not "
            f"{config.data.path}"
        )
    return replace(config, data=replace(config.data, sequence_length=TRAINED))


def _setting(run: Path, options: ShapesOptions, device: str) -> tuple[Setting, int]:
    """The model and its held-out clips, and the length of the clips it was trained on."""
    config = load_config(run)
    data, model = config.data, config.model
    if data.path != WORLD or data.stride != 1:
        raise ValueError(
            f"{run} was trained on {data.path} (stride {data.stride}): the study judges held-out "
            f"clips of the generated world, so it needs a run trained with --data {WORLD}"
        )
    context = model.context_frames
    options.check_context(context)
    wanted = EvaluateOptions(
        horizon=options.horizon[-1] - context,
        clips=options.clips,
        seed=options.seed,
        batch_size=options.batch_size,
    )
    return Setting.of(run, wanted, "shapes-1000", device), data.sequence_length


def _card(at: Setting, options: ShapesOptions, measured: Measured) -> dict[str, Any]:
    """The protocol card of an evaluation, saying which frames were judged and how."""
    evaluation = Evaluation(
        context=at.context,
        horizon=at.options.horizon,
        tally=Tally(replicates=0),
        scores=np.zeros(len(at.indices)),
        ids=measured.ids,
    )
    made = cards.card(at, evaluation)
    made["data"]["clips"] = len(at.indices)
    study = {"name": "shapes", "horizon": list(options.horizon), "frames": list(measured.frames)}
    return made | {"study": study, "measures": dict(MEANINGS)}


def _table(measured: Measured) -> dict[int, dict[str, Found]]:
    return {
        frame: {name: _found(judged, n) for name, judged in measured.subjects.items()}
        for n, frame in enumerate(measured.frames)
    }


def _found(judged: Judged, n: int) -> Found:
    codes = judged.codes[:, n]
    is_ = {name: codes == code for code, name in enumerate(VERDICTS)}
    right = is_["right"] | is_["in_place"]
    groups = {"right": right, "right_colour": right | is_["wrong_shape"]}
    groups |= {name: is_[name] for name in ("in_place", "wrong_shape", "wrong_colour", "vanished")}
    return Found(
        shares={name: share(of) for name, of in groups.items()},
        position=quartiles(judged.position[:, n]),
        size=quartiles(judged.size[:, n]),
    )


def _write(
    study: ShapesStudy, at: Setting, options: ShapesOptions, folder: Path
) -> tuple[Path, ...]:
    """The pictures and the page, and last the JSON file that says that all is there."""
    from farframe.studies.shapes_page import write_page

    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    names = ("shapes-strips.png", "shapes-errors.png", "shapes.html", "shapes.json")
    strips, chart, page, file = (folder / name for name in names)
    file.unlink(missing_ok=True)
    write_strips(strips, at, options)
    write_chart(chart, study)
    write_page(page, study, strips)
    write_json(file, to_json(study))
    return strips, chart, page, file


def to_json(study: ShapesStudy) -> dict[str, Any]:
    """The study as JSON holds it."""
    return {
        "card": study.card,
        "trained_on_frames": study.trained_on,
        "paper": {"source": SOURCE, "table": PAPER},
        "table": [
            {"frame": frame, "after_context": frame - study.context}
            | {"judged": frame in study.horizon}
            | {name: found.to_json() for name, found in row.items()}
            for frame, row in study.table.items()
        ],
    }
