"""Curves as pictures: for READMEs and papers, where a page's SVG can't go."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from farframe.evaluation.charts import LINEAR, decades, round_frames, round_ticks, tick_text
from farframe.evaluation.colours import INK, PAGE, RULE, SOFT, Colour

WIDTH, HEIGHT = 620, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 18, 70, 46
_MARGIN, _LEGEND, _ROW = 16, 46, 18  # middle of the names' first row, and how far the next is below
_FINE = 3  # drawn so many times as large, and then reduced: lines without jaggies

Place = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Series:
    """A line with its band; points that are not finite are left out."""

    name: str
    colour: Colour
    x: Sequence[int]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    width: float = 1.8


def plot(
    title: str,
    x_title: str,
    series: Sequence[Series],
    limits: tuple[float | None, float | None] = (None, None),
) -> UInt8[np.ndarray, "h w 3"]:
    """A chart over frames, on a logarithmic axis if there are many.

    ``limits`` are the lowest and the highest value shown (None: what the data need).
    """
    image = Image.new("RGB", (WIDTH * _FINE, HEIGHT * _FINE), PAGE)
    draw = ImageDraw.Draw(image, "RGBA")
    values = [v for s in series for v in (*s.y, *s.low, *s.high) if math.isfinite(v)] or [0.0, 1.0]
    bottom, top = (
        end if end is not None else pick(values)
        for end, pick in zip(limits, (min, max), strict=True)
    )
    ticks = round_ticks(bottom, top)
    spots = [x for s in series for x in s.x]
    first, last = min(spots), max(spots)
    far = last > LINEAR
    at = _scale(first, last, ticks, far, _TOP + _places(series)[-1][1] - _LEGEND)
    names = decades(last) if far else round_frames(last)
    _axes(draw, at, ticks, [frame for frame in names if frame >= first], (first, last))
    for line in reversed(series):  # the first is drawn last, over the others
        _line(draw, at, line, ticks[-1])
    _words(draw, title, f"{x_title}, logarithmic" if far else x_title, series)
    return np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))


def _scale(
    first: int, last: int, ticks: Sequence[float], far: bool, top: float
) -> Callable[[int, float], Place]:
    """From a frame and a value to a place in the large picture."""
    wide, tall = WIDTH - _LEFT - _RIGHT, HEIGHT - top - _BOTTOM

    def at(x: int, y: float) -> Place:
        gone, whole = (x / first, last / first) if far else (x - first, max(last - first, 1))
        share = math.log(gone) / (math.log(whole) or 1.0) if far else gone / whole
        down = top + tall * (1 - (y - ticks[0]) / (ticks[-1] - ticks[0]))
        return (_LEFT + wide * share) * _FINE, down * _FINE

    return at


def _axes(
    draw: ImageDraw.ImageDraw,
    at: Callable[[int, float], Place],
    ticks: Sequence[float],
    frames: Sequence[int],
    ends: tuple[int, int],
) -> None:
    for tick in ticks:
        (x, y), (end, _) = at(ends[0], tick), at(ends[1], tick)
        draw.line([(x, y), (end, y)], RULE, _FINE)
        text = tick_text(tick, list(ticks))
        draw.text((x - 8 * _FINE, y), text, SOFT, _font(12), anchor="rm")
    for frame in frames:
        x, y = at(frame, ticks[0])
        draw.line([(x, y), (x, y + 4 * _FINE)], SOFT, _FINE)
        draw.text((x, y + 7 * _FINE), f"{frame:,}", SOFT, _font(12), anchor="mt")


def _line(
    draw: ImageDraw.ImageDraw, at: Callable[[int, float], Place], line: Series, top: float
) -> None:
    """A band and a line, cut off at ``top``."""
    if line.low and line.high:
        edges = [
            (x, low, min(high, top))
            for x, low, high in zip(line.x, line.low, line.high, strict=True)
            if math.isfinite(low)
        ]
        there = [at(x, high) for x, _, high in edges]
        back = [at(x, min(low, top)) for x, low, _ in reversed(edges)]
        if len(edges) > 1:
            draw.polygon(there + back, (*line.colour, 40))
    known = [(x, y) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(y)]
    points = [at(x, min(y, top)) for x, y in known]
    draw.line(points, line.colour, round(line.width * _FINE), joint="curve")
    radius = line.width * _FINE
    for x, y in points if len(points) < 40 else ():
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), line.colour)


def _words(draw: ImageDraw.ImageDraw, title: str, x_title: str, series: Sequence[Series]) -> None:
    draw.text((_MARGIN * _FINE, 14 * _FINE), title, INK, _font(15), anchor="lt")
    middle = (_LEFT + (WIDTH - _LEFT - _RIGHT) / 2) * _FINE
    draw.text((middle, (HEIGHT - 8) * _FINE), x_title, SOFT, _font(12), anchor="mb")
    for line, place in zip(series, _places(series), strict=True):
        x, y = (end * _FINE for end in place)
        draw.line([(x, y), (x + 18 * _FINE, y)], line.colour, round(line.width * 1.3 * _FINE))
        draw.text((x + 24 * _FINE, y), line.name, INK, _font(12), anchor="lm")


def _places(series: Sequence[Series]) -> list[Place]:
    """Where each line's name stands: in as many rows as they need."""
    found: list[Place] = []
    x, y = float(_MARGIN), float(_LEGEND)
    for line in series:
        wide = 24 + _font(12).getlength(line.name) / _FINE
        if x > _MARGIN and x + wide > WIDTH - _MARGIN:
            x, y = float(_MARGIN), y + _ROW
        found.append((x, y))
        x += wide + _MARGIN
    return found


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _FINE)
