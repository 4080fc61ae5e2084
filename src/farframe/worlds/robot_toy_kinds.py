"""Kinds of toys: each a function from random numbers to parts, in centimetres.

Of a toy's three paints, 0 is the main one, 1 the second, 2 the dark one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from farframe.worlds.robot_toy_parts import ALONG_X, ALONG_Y, Draw, Part


def _block(d: Draw) -> list[Part]:
    x, y, z = d.cm(4, 8), d.cm(3.5, 5.5), d.cm(3, 5)
    return [d.box(x, y, z), d.box(x * 1.01, y * 0.45, z * 1.01, paint=1, drawn=True)]


def _can(d: Draw) -> list[Part]:
    r, h = d.cm(2.4, 3.3), d.cm(5, 8)
    return [d.rod(r, h), d.rod(r * 1.01, h * 0.45, paint=1, drawn=True)]


def _ball(d: Draw) -> list[Part]:
    return [d.ball(d.cm(2.7, 3.8))]


def _bottle(d: Draw) -> list[Part]:
    r, h = d.cm(2.0, 2.7), d.cm(6, 8)
    neck = (0, 0, h / 2 + 1.2)
    return [d.rod(r, h), d.rod(r * 0.5, 2.6, neck), d.rod(r * 0.6, 1.2, (0, 0, h / 2 + 3), 1)]


def _mug(d: Draw) -> list[Part]:
    r, h = d.cm(2.7, 3.3), d.cm(5, 6.5)
    handle = d.box(2.2, 1.0, h * 0.6, (r + 0.9, 0, 0), 0)
    return [d.rod(r, h), handle, d.rod(r * 0.85, 0.3, (0, 0, h / 2 + 0.05), 2, drawn=True)]


def _ell(d: Draw) -> list[Part]:
    a, b, w = d.cm(7, 10), d.cm(5, 7), d.cm(2.4, 3.2)
    return [d.box(a, w, w), d.box(w, b, w, (a / 2 - w / 2, b / 2 + w / 2, 0), 1)]


def _tee(d: Draw) -> list[Part]:
    a, b, w = d.cm(8, 10.5), d.cm(5, 7), d.cm(2.4, 3.2)
    return [d.box(a, w, w), d.box(w, b, w, (0, b / 2 + w / 2, 0), 1)]


def _dumbbell(d: Draw) -> list[Part]:
    r, a = d.cm(2.0, 2.6), d.cm(6.5, 8.5)
    ends = [d.ball(r, (x, 0, 0)) for x in (-a / 2, a / 2)]
    return [*ends, d.rod(r * 0.45, a, turn=ALONG_X, paint=1)]


def _brick(d: Draw) -> list[Part]:
    w, n = d.cm(2.8, 3.4), int(d.rng.integers(2, 4))
    studs = [
        d.rod(w * 0.32, 1.0, ((i - (n - 1) / 2) * w, s * w / 2, w * 0.5 + 0.4), 0, drawn=True)
        for i in range(n)
        for s in (-1, 1)
    ]
    return [d.box(n * w, 2 * w, w), *studs]


def _car(d: Draw) -> list[Part]:
    a, w, r = d.cm(8, 10.5), d.cm(3.8, 4.8), d.cm(1.2, 1.5)
    axles = [d.rod(r, w + 1.0, (x * a * 0.3, 0, -0.9), 2, ALONG_Y) for x in (-1, 1)]
    return [d.box(a, w, 2.0), d.box(a * 0.5, w * 0.85, 2.0, (-a * 0.08, 0, 1.9), 1), *axles]


def _house(d: Draw) -> list[Part]:
    a, w = d.cm(5, 7), d.cm(4, 5)
    turn = (math.sin(math.pi / 8), 0.0, 0.0, math.cos(math.pi / 8))  # an eighth about x
    return [d.box(a, w, 4), d.box(a + 0.6, w * 0.72, w * 0.72, (0, 0, 1.8), 1, turn=turn)]


def _cross(d: Draw) -> list[Part]:
    a, w = d.cm(7.5, 9.5), d.cm(2.3, 2.9)
    arms = [d.box(a, w, w), d.box(w, a, w)]
    return [*arms, d.box(w * 1.05, w * 1.05, w * 1.6, paint=1)]


def _you(d: Draw) -> list[Part]:
    a, b, w = d.cm(7, 9), d.cm(4, 6), d.cm(2.2, 2.8)
    ends = [d.box(w, b, w, (s * (a - w) / 2, (b + w) / 2, 0), 0) for s in (-1, 1)]
    return [d.box(a, w, w, paint=1), *ends]


def _stool(d: Draw) -> list[Part]:
    a, h = d.cm(5.5, 7), d.cm(4, 5.5)
    legs = [
        d.box(1.2, 1.2, h, (x * (a / 2 - 0.7), y * (a / 2 - 0.7), -h / 2 - 0.6), 1)
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    return [d.box(a, a, 1.4), *legs]


def _mushroom(d: Draw) -> list[Part]:
    r, h = d.cm(3.0, 3.8), d.cm(4, 5.5)
    return [d.rod(1.5, h, paint=1), d.ball(r, (0, 0, h / 2))]


def _hammer(d: Draw) -> list[Part]:
    a, b = d.cm(9, 11), d.cm(5, 6.5)
    return [d.rod(1.0, a, turn=ALONG_X, paint=1), d.rod(1.8, b, (a / 2, 0, 0), 0, ALONG_Y)]


def _tower(d: Draw) -> list[Part]:
    r, h = d.cm(3.4, 4.2), d.cm(1.8, 2.4)
    return [d.rod(r * s, h, (0, 0, n * h), n % 2) for n, s in enumerate((1.0, 0.72, 0.45))]


def _duck(d: Draw) -> list[Part]:
    r = d.cm(2.7, 3.3)
    head = (r * 0.75, 0, r * 1.15)
    beak = d.box(1.6, 1.8, 0.8, (r * 1.5, 0, r * 1.05), 1)
    return [
        d.ball(r),
        d.ball(r * 0.66, head),
        beak,
        d.box(r * 1.6, r * 1.2, 1.0, (0, 0, -r * 0.85)),
    ]


Kind = Callable[[Draw], list[Part]]
KNOWN: dict[str, Kind] = {
    "block": _block, "can": _can, "ball": _ball, "bottle": _bottle, "mug": _mug, "ell": _ell,
    "tee": _tee, "dumbbell": _dumbbell, "brick": _brick, "car": _car, "house": _house,
}  # fmt: skip
NOVEL: dict[str, Kind] = {
    "cross": _cross, "u": _you, "stool": _stool, "mushroom": _mushroom, "hammer": _hammer,
    "tower": _tower, "duck": _duck,
}  # fmt: skip
