"""Curves over the horizon as a picture: lines in colour, their intervals as bands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from farframe.evaluation.colours import INK, PAGE, RULE, SOFT, Colour
from farframe.evaluation.tally import Curve

Place = Callable[[int, float], tuple[float, float]]
"""Where a value at a time lies in the picture."""


_WIDE, _TALL = 560, 330  # of a panel, in units of which the picture has _SCALE pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 20, 40, 46
_SCALE, _FINE = 2, 2  # drawn _FINE times larger and averaged: lines without steps
_UNIT = _SCALE * _FINE


@dataclass(frozen=True)
class Line:
    """One curve: its name, its colour, and its numbers at the panel's times."""

    name: str
    colour: Colour
    curve: Curve
    band: bool = True
    """Whether to draw its interval."""


@dataclass(frozen=True)
class Panel:
    """Curves of one quantity between ``low`` and ``high`` over ``times`` after the context."""

    title: str
    times: Sequence[int]
    lines: Sequence[Line]
    low: float = 0.0
    high: float = 1.0
    mark: float | None = None
    """A level that a dashed line is drawn at."""


def charts(title: str, panels: Sequence[Panel], axis: str) -> UInt8[np.ndarray, "h w 3"]:
    """Panels side by side under one title and one legend, that of the first panel."""
    width, height = _WIDE * len(panels), _TALL + 62
    image = Image.new("RGB", (width * _UNIT, height * _UNIT), PAGE)
    pen = ImageDraw.Draw(image)
    _text(pen, (_LEFT / 2, 18.0), title, INK, 15, "lm")
    x = _LEFT / 2
    for line in panels[0].lines:
        pen.line([_at(x, 44.0), _at(x + 22, 44.0)], line.colour, 3 * _UNIT)
        x = _text(pen, (x + 28, 44.0), line.name, INK, 12, "lm") + 18
    for n, panel in enumerate(panels):
        image = _panel(image, panel, float(n * _WIDE), 62.0, axis)
    size = (width * _SCALE, height * _SCALE)
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def _panel(image: Image.Image, panel: Panel, x0: float, y0: float, axis: str) -> Image.Image:
    left, right, top, bottom = x0 + _LEFT, x0 + _WIDE - _RIGHT, y0 + _TOP, y0 + _TALL - _BOTTOM
    first, last = panel.times[0], panel.times[-1]

    def place(time: int, value: float) -> tuple[float, float]:
        across = (time - first) / (last - first) if last > first else 0.5
        up = (min(max(value, panel.low), panel.high) - panel.low) / (panel.high - panel.low)
        return _at(left + (right - left) * across, bottom - (bottom - top) * up)

    pen = ImageDraw.Draw(image)
    _text(pen, (left, y0 + 18), panel.title, INK, 13, "lm")
    for value in np.linspace(panel.low, panel.high, 6).tolist():
        pen.line([place(first, value), place(last, value)], RULE, _UNIT)
        y = place(first, value)[1] / _UNIT
        _text(pen, (left - 8, y), f"{value:.3g}", SOFT, 11, "rm")
    for time in ticks(first, last):
        _text(pen, (place(time, 0.0)[0] / _UNIT, bottom + 14), f"{time}", SOFT, 11, "mm")
    _text(pen, ((left + right) / 2, bottom + 34), axis, SOFT, 11, "mm")
    if panel.mark is not None:
        (start, y), (end, _) = place(first, panel.mark), place(last, panel.mark)
        for x in np.arange(start, end, 8 * _UNIT).tolist():
            pen.line([(x, y), (min(x + 4 * _UNIT, end), y)], SOFT, _UNIT)
    for line in panel.lines[::-1]:  # the first is drawn last, over the others
        image = _drawn(image, line, [place(t, 0.0)[0] for t in panel.times], place)
    return image


def _drawn(image: Image.Image, line: Line, xs: Sequence[float], place: Place) -> Image.Image:
    def points(values: Sequence[float]) -> list[tuple[float, float]]:
        return [(x, place(0, v)[1]) for x, v in zip(xs, values, strict=True)]

    mean, low, high = line.curve.mean, line.curve.low, line.curve.high
    if line.band and low is not None and high is not None and len(xs) > 1:
        band = Image.new("L", image.size, 0)
        edge = points(low.tolist()) + points(high.tolist())[::-1]
        ImageDraw.Draw(band).polygon(edge, fill=38)
        image = Image.composite(Image.new("RGB", image.size, line.colour), image, band)
    pen, path = ImageDraw.Draw(image), points(mean.tolist())
    if len(path) == 1:
        pen.circle(path[0], 4 * _UNIT, line.colour)
    pen.line(path, line.colour, round(2.2 * _UNIT), joint="curve")
    return image


def ticks(first: int, last: int) -> list[int]:
    """Frames that an axis names: the first, the last, and round ones between."""
    span = max(1, last - first)
    step = next(s for p in range(9) for s in (10**p, 2 * 10**p, 5 * 10**p) if span / s <= 8)
    inner = [t for t in range(step, last, step) if t - first >= step / 2 <= last - t]
    return sorted({first, *inner, last})


def _at(x: float, y: float) -> tuple[float, float]:
    return (x * _UNIT, y * _UNIT)


def _text(
    pen: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    colour: Colour,
    size: int,
    how: str,
) -> float:
    """Write, and return where the text ends."""
    font = _font(size * _UNIT)
    pen.text(_at(*at), text, colour, font, anchor=how)
    return at[0] + font.getlength(text) / _UNIT


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's built-in font."""
    return ImageFont.load_default(size)
