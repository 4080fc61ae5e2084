"""Curves as SVG: lines, their intervals as bands, round numbers on the axes."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from farframe.evaluation.tally import Curve

WIDTH, HEIGHT = 560, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 14, 36
LINEAR = 200
"""Frames up to which the axis is linear: of more, the first would be hardly seen."""
_MOST_POINTS = 300  # of a line: more could not be told apart


@dataclass(frozen=True)
class Line:
    """One curve: its name, the class that gives its colour, and its numbers, frame 1 first."""

    name: str
    css: str
    curve: Curve
    band: bool = True
    """Whether to draw its interval."""
    scales: bool = True
    """Whether the axis must hold it: if not, it may leave the chart."""
    frames: Sequence[int] = ()
    """The frames of its numbers, if they are not 1, 2, ..."""

    @property
    def times(self) -> Sequence[int]:
        """The frames of its numbers."""
        return self.frames or range(1, len(self.curve.mean) + 1)


def line_chart(title: str, lines: Sequence[Line], axis: str = "frame after the context") -> str:
    """An ``<svg>`` of curves over frames, which ``axis`` names; what is not finite is left out."""
    count = max(line.times[-1] for line in lines)
    far = count > LINEAR
    low, high, ticks = _scale(lines)
    inner, tall = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def at(frame: int, value: float) -> str:
        share = (frame - 1) / (count - 1) if count > 1 else 0.5
        x = _LEFT + inner * (math.log(frame) / math.log(count) if far else share)
        y = _TOP + tall * (1 - (value - low) / (high - low))
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{html.escape(title)} over each {html.escape(axis)}" '
        f'data-left="{_LEFT}" data-right="{WIDTH - _RIGHT}" data-count="{count}" '
        f'data-scale="{"log" if far else "linear"}">'
    ]
    for tick in ticks:
        _, y = at(1, tick).split(",")
        parts.append(f'<path class="grid" d="M{_LEFT},{y}H{WIDTH - _RIGHT}"/>')
        parts.append(
            f'<text class="tick y" x="{_LEFT - 8}" y="{y}">{tick_text(tick, ticks)}</text>'
        )
    for frame in decades(count) if far else round_frames(count):
        x, _ = at(frame, low).split(",")
        parts.append(f'<text class="tick x" x="{x}" y="{HEIGHT - _BOTTOM + 18}">{frame}</text>')
    middle = f'x="{_LEFT + inner / 2}" y="{HEIGHT - 3}"'
    note = ", logarithmic" if far else ""
    parts.append(f'<text class="axis" {middle}>{html.escape(axis)}{note}</text>')
    spaced = np.geomspace if far else np.linspace
    shown = np.unique(spaced(1, count, min(count, _MOST_POINTS)).round().astype(int) - 1).tolist()
    name = f"plot-{''.join(c for c in title.lower() if c.isalnum())}"
    area = f'x="{_LEFT}" y="{_TOP - 3}" width="{inner}" height="{tall + 6}"'
    parts.append(f'<clipPath id="{name}"><rect {area}/></clipPath><g clip-path="url(#{name})">')
    for line in lines[::-1]:  # the first is drawn last, over the others
        there = range(len(line.times)) if line.frames else shown
        parts += _drawn(line, [k for k in there if np.isfinite(line.curve.mean[k])], at)
    parts.append(f'</g><path class="cursor" d="M0,{_TOP}V{HEIGHT - _BOTTOM}"/></svg>')
    return "".join(parts)


def _drawn(line: Line, chosen: Sequence[int], at: Callable[[int, float], str]) -> list[str]:
    mean, low, high = line.curve.mean, line.curve.low, line.curve.high
    parts: list[str] = []
    if line.band and low is not None and high is not None:
        there = [at(line.times[k], high[k]) for k in chosen]
        back = [at(line.times[k], low[k]) for k in reversed(chosen)]
        parts.append(f'<polygon class="band {line.css}" points="{" ".join(there + back)}"/>')
    points = [at(line.times[k], mean[k]) for k in chosen]
    if len(points) == 1:
        x, y = points[0].split(",")
        parts.append(f'<circle class="dot {line.css}" cx="{x}" cy="{y}" r="4"/>')
    parts.append(
        f'<polyline class="line {line.css}" points="{" ".join(points)}">'
        f"<title>{html.escape(line.name)}</title></polyline>"
    )
    return parts


def _scale(lines: Sequence[Line]) -> tuple[float, float, list[float]]:
    """Limits and ticks for all curves, with a few round numbers."""
    values = np.concatenate([_shown(line) for line in lines if line.scales])
    ticks = round_ticks(float(values.min()), float(values.max()))
    return ticks[0], ticks[-1], ticks


def round_ticks(low: float, high: float) -> list[float]:
    """A few round numbers, the first not above ``low`` and the last not below ``high``."""
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    step = _round((high - low) / 5)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [k * step for k in range(first, last + 1)]


def _shown(line: Line) -> Float[np.ndarray, " n"]:
    band = (line.curve.low, line.curve.high) if line.band else ()
    values = np.concatenate([line.curve.mean, *(edge for edge in band if edge is not None)])
    return values[np.isfinite(values)]


def _round(value: float) -> float:
    """The next of 1, 2, 2.5, 5, 10 times a power of ten."""
    power = 10 ** math.floor(math.log10(value))
    return next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= value * (1 - 1e-9))


def tick_text(value: float, ticks: Sequence[float]) -> str:
    """With as many decimals as the distance of the ticks needs."""
    step = ticks[1] - ticks[0]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step * 10**decimals - round(step * 10**decimals)) > 1e-6:
        decimals += 1  # steps of 2.5
    return f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def round_frames(count: int) -> list[int]:
    """Frames that the axis names: the first, the last, and round ones between."""
    if count <= 2:
        return list(range(1, count + 1))
    step = max(1, int(_round(count / 6)))
    between = [k for k in range(step, count, step) if k > 1 and count - k > step / 2]
    return [1, *between, count]


def decades(count: int) -> list[int]:
    """1, 2, 5, 10, 20, ... and the last."""
    round_ = [m * 10**k for k in range(len(str(count))) for m in (1, 2, 5)]
    return [*(frame for frame in round_ if frame < count / 1.3), count]
