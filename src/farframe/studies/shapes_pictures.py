"""Pictures of ``farframe study shapes``: truth over prediction at its horizons, and its curves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from farframe.evaluation import colours
from farframe.evaluation.evaluate import resting
from farframe.evaluation.examples import spread
from farframe.evaluation.plot import Series, plot
from farframe.evaluation.quantities import SUBJECTS
from farframe.evaluation.setting import Setting
from farframe.studies.shapes_measure import drawn, read
from farframe.studies.shapes_options import ShapesOptions
from farframe.video import pictures, strip, write_png

if TYPE_CHECKING:
    from farframe.studies.shapes import ShapesStudy

LINES = ("model", "copy_last", "linear", "oracle")
"""Whose errors are drawn."""
X_TITLE = "frame of the clip"


def write_strips(path: Path, at: Setting, options: ShapesOptions) -> None:
    """Truth over prediction at the horizon's frames, for some clips spread over all."""
    rows: dict[str, list[UInt8[np.ndarray, "h w 3"]]] = {}
    with resting(at.model):
        for number in spread(len(at.indices), options.strips):
            clip = read(at, at.indices[number], options.horizon)
            shown = drawn(at, [clip], options.horizon, number)["model"][0]
            given = list(pictures(clip.frames[at.context - 1 : at.context]))
            rows[f"clip {number}: truth"] = given + list(pictures(clip.frames[at.context :]))
            rows[f"{number}: prediction"] = given + list(pictures(shown))
    times = [0, *(frame - at.context for frame in options.horizon)]
    heads = [f"{at.context} (given)", *(f"{frame:,}" for frame in options.horizon)]
    write_png(path, strip(rows, times, heads=heads))


def write_chart(path: Path, study: ShapesStudy) -> None:
    """Errors of position, and shares that are right and in place, over the frames."""
    side = study.card["data"]["frame_size"]
    away = plot(
        f"Position error, pixels of {side} (median, quartiles)",
        X_TITLE,
        [_errors(study, name) for name in LINES],
        (0.0, None),
    )
    names = {"right": "right", "in_place": "right, and in place"}
    lines = [_shares(study, "model", what, text) for what, text in names.items()]
    lines += [_shares(study, "oracle", "in_place", "in place, oracle")]
    shares = plot(
        "Right shape in the right colour, % (95 % intervals)", X_TITLE, lines, (0.0, 100.0)
    )
    write_png(path, np.concatenate((away, shares), 1))


def _errors(study: ShapesStudy, name: str) -> Series:
    found = [row[name].position for row in study.table.values()]
    bands = name == "model"
    return Series(
        name=SUBJECTS[name],
        colour=colours.SUBJECTS[name],
        x=list(study.table),
        y=[f.median.mean for f in found],
        low=[f.lower for f in found] if bands else (),
        high=[f.upper for f in found] if bands else (),
        width=2.6 if bands else 1.6,
    )


def _shares(study: ShapesStudy, name: str, what: str, text: str) -> Series:
    found = [row[name].shares[what] for row in study.table.values()]
    colour = colours.SUBJECTS[name] if what == "right" or name != "model" else (141, 108, 171)
    return Series(
        name=text,
        colour=colour,
        x=list(study.table),
        y=[100 * f.mean for f in found],
        low=[100 * (f.low or 0.0) for f in found],
        high=[100 * (f.mean if f.high is None else f.high) for f in found],
        width=2.6 if name == "model" else 1.6,
    )
