"""Pictures of ``farframe study ablations``: the same frames by each model, and curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from farframe.evaluation.colours import RUNS
from farframe.evaluation.evaluate import resting
from farframe.evaluation.examples import spread
from farframe.evaluation.measure import predict_clips, seed_noise
from farframe.evaluation.plot import Series, plot
from farframe.evaluation.quantities import QUANTITIES, key
from farframe.evaluation.setting import Setting
from farframe.evaluation.table import STEPS
from farframe.studies.ablations_numbers import AblationsStudy
from farframe.video import pictures, strip, write_png

CHARTS = ("psnr", "sharpness")

Cells = list[UInt8[np.ndarray, "h w 3"] | None]


@dataclass(frozen=True)
class Shots:
    """Some frames of some clips, true ones and predicted ones: a row of cells for each clip.

    ``times`` are counted after the base's context; a cell is None where a frame was given.
    """

    clips: tuple[int, ...]
    times: tuple[int, ...]
    truth: tuple[Cells, ...]
    predicted: tuple[Cells, ...]


def shots(at: Setting, count: int, later: int, horizon: int) -> Shots:
    """Predict ``count`` clips spread over all, by a model given ``later`` frames more."""
    first, some = at.context - later, tuple(spread(len(at.indices), count))
    times = (*(step for step in STEPS if step < horizon), horizon)
    truth: list[Cells] = []
    predicted: list[Cells] = []
    with resting(at.model):
        for number in some:
            clip = at.windows[at.indices[number]]
            seed_noise(at.options.seed, number, 0)
            drawn = predict_clips(at.model, [clip], at.context, horizon - later).frames[0]
            frames = pictures(drawn.float().cpu().numpy())
            truth.append(list(pictures(clip.frames[[first + t - 1 for t in times]])))
            predicted.append([frames[t - later - 1] if t > later else None for t in times])
    return Shots(some, times, tuple(truth), tuple(predicted))


def write_strips(path: Path, drawn: Mapping[str, Shots]) -> None:
    """For each clip the truth, and below it what each model shows of it."""
    first = next(iter(drawn.values()))
    rows: dict[str, Cells] = {}
    for n, number in enumerate(first.clips):
        rows[f"clip {number}: truth"] = first.truth[n]
        rows |= {f"{number}: {name}": shot.predicted[n] for name, shot in drawn.items()}
    write_png(path, strip(rows, first.times))


def write_chart(path: Path, study: AblationsStudy) -> None:
    """PSNR and sharpness of each over the horizon."""
    charts = [
        plot(QUANTITIES[what].title, "frame after the base's context",
             [_series(study, name, what, n) for n, name in enumerate(study.results)])
        for what in CHARTS
    ]  # fmt: skip
    write_png(path, np.concatenate(charts, 1))


def _series(study: AblationsStudy, name: str, what: str, number: int) -> Series:
    result = study.results[name]
    values = result.evaluation.tally.mean(key("model", what)).tolist()
    return Series(
        name=name,
        colour=RUNS[number % len(RUNS)],
        x=list(range(result.later + 1, study.horizon + 1)),
        y=values,
        width=1.6 if number else 2.6,
    )
