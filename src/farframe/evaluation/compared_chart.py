"""`farframe compare --chart`: one quantity of several evaluations over the frames, as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from farframe.evaluation.colours import SUBJECTS, Colour
from farframe.evaluation.compare import Stored
from farframe.evaluation.plot import Series, plot
from farframe.evaluation.quantities import QUANTITIES
from farframe.evaluation.quantities import SUBJECTS as SUBJECTS_SHOWN
from farframe.video import write_png

RUNS: tuple[Colour, ...] = (
    SUBJECTS["model"],
    SUBJECTS["linear"],
    SUBJECTS["oracle"],
    (128, 90, 170),
    (120, 110, 90),
)
"""Of the evaluations' lines, in their order."""
COPYING = "copy_last"


def write_chart(path: Path, evaluations: Sequence[Stored], quantity: str) -> None:
    """Write each evaluation's curve with its 95 % band, and that of copying, as a PNG.

    Raises:
        ValueError: if ``path`` is no PNG or can't be written, if an evaluation lacks the quantity,
            or if there are more evaluations than colours.
    """
    if path.suffix.lower() != ".png":
        raise ValueError(f"--chart {path} is no picture: give a name that ends in .png")
    if len(evaluations) > len(RUNS):
        raise ValueError(f"--chart draws up to {len(RUNS)} evaluations, not {len(evaluations)}")
    series = [
        _line(evaluation, quantity, "model", evaluation.title, colour)
        for evaluation, colour in zip(evaluations, RUNS, strict=False)
    ]
    told, first = QUANTITIES[quantity], evaluations[0]
    if COPYING in first.content["curves"][quantity]:
        copying = SUBJECTS_SHOWN[COPYING], SUBJECTS[COPYING]
        series.append(_line(first, quantity, COPYING, *copying, width=1.2))
    better = {1: ", more is better", -1: ", less is better"}.get(told.sign, "")
    picture = plot(f"{told.title}{better}", "frame after the given ones", series)
    try:
        write_png(path, picture)
    except OSError as error:
        raise ValueError(f"--chart {path} can't be written: {error.strerror}") from None


def _line(
    evaluation: Stored, quantity: str, subject: str, name: str, colour: Colour, width: float = 1.8
) -> Series:
    curves = evaluation.content.get("curves", {})
    try:
        curve = curves[quantity][subject]
        mean, low, high = (
            [math.nan if value is None else float(value) for value in curve[part]]
            for part in ("mean", "low", "high")
        )
    except (KeyError, TypeError, ValueError):
        there = ", ".join(curves) if isinstance(curves, dict) else ""
        raise ValueError(
            f"{evaluation.path} has no curve of {quantity}; it has {there or 'none'} "
            "(--chart-of names another)"
        ) from None
    frames = range(1, len(mean) + 1)
    return Series(name=name, colour=colour, x=frames, y=mean, low=low, high=high, width=width)
