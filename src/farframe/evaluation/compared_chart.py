"""`farframe compare --chart`: one quantity of several evaluations over the frames, as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from farframe.evaluation.colours import RUNS, SUBJECTS, Colour
from farframe.evaluation.compare import Stored
from farframe.evaluation.plot import Series, plot
from farframe.evaluation.quantities import QUANTITIES
from farframe.evaluation.quantities import SUBJECTS as SUBJECTS_SHOWN
from farframe.video import write_png

COPYING = "copy_last"


def write_chart(path: Path, evaluations: Sequence[Stored], quantity: str) -> None:
    """Write each evaluation's curve with its 95 % band, and that of copying, as a PNG.

    Raises:
        ValueError: if ``path`` is no PNG or can't be written, if an evaluation lacks the quantity,
            or if there are more evaluations than colours.
    """
    if path.suffix.lower() != ".png":
        raise ValueError(f"--chart {path} is no picture: give a name that ends in .png")
    free = [colour for colour in RUNS if colour != SUBJECTS[COPYING]]
    if len(evaluations) > len(free):
        raise ValueError(f"--chart draws up to {len(free)} evaluations, not {len(evaluations)}")
    series = [
        _line(evaluation, quantity, "model", evaluation.title, colour)
        for evaluation, colour in zip(evaluations, free, strict=False)
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
    curves, length = evaluation.content.get("curves", {}), evaluation.card["horizon"]
    try:
        curve = curves[quantity][subject]
        mean = _numbers(curve["mean"], length)
        low, high = (
            () if curve[end] is None else _numbers(curve[end], length) for end in ("low", "high")
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        there = ", ".join(curves) if isinstance(curves, dict) else ""
        raise ValueError(
            f"{evaluation.path} has no curve of {quantity}; it has {there or 'none'} "
            "(--chart-of names another)"
        ) from None
    frames = range(1, length + 1)
    return Series(name=name, colour=colour, x=frames, y=mean, low=low, high=high, width=width)


def _numbers(values: Any, length: int) -> list[float]:
    """Those of every frame, NaN where no clip counts."""
    if not isinstance(values, list) or len(values) != length:
        raise ValueError
    return [math.nan if value is None else float(value) for value in values]
