"""The objects that the robot pushes: toys put together from boxes, balls and rods.

Each kind is a function from random numbers to parts. The kinds (and hues and patterns) of the
novel test split never occur in the others.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from farframe.worlds.bullet import Solid
from farframe.worlds.mesh import Mesh, ball, box, join, rod
from farframe.worlds.robot_textures import Colour, Pattern

UP = (0.0, 0.0, 0.0, 1.0)
ALONG_X = (0.0, 0.5**0.5, 0.0, 0.5**0.5)  # turns a rod's z to x
ALONG_Y = (-(0.5**0.5), 0.0, 0.0, 0.5**0.5)


@dataclass(frozen=True)
class Part:
    """A primitive of a toy in one of its paints; physics does not know a part that is ``drawn``."""

    solid: Solid
    paint: int
    drawn: bool = False


@dataclass(frozen=True)
class Toy:
    """An object: its parts around its centre of mass, and how it behaves."""

    kind: str
    parts: tuple[Part, ...]
    paints: tuple[Pattern, ...]
    mass: float
    friction: float
    rolling: float

    @property
    def solids(self) -> list[Solid]:
        """What it is to the physics."""
        return [part.solid for part in self.parts if not part.drawn]

    @property
    def radius(self) -> float:
        """Of a ball around the centre of mass that holds all of it, m."""
        return max(float(np.linalg.norm(s.position)) + _extent(s) for s in self.solids)

    def mesh(self, cell: Callable[[int], tuple[tuple[float, float], tuple[float, float]]]) -> Mesh:
        """What it looks like; ``cell(paint)`` says where in the texture a paint is."""
        return join([_mesh(part).textured(*cell(part.paint)) for part in self.parts])


def draw_toys(rng: np.random.Generator, count: int, *, novel: bool) -> list[Toy]:
    """``count`` random toys, as different kinds as there are."""
    kinds = NOVEL if novel else KNOWN
    names, hues = (
        _cycle(rng, [*kinds], count),
        _cycle(rng, NOVEL_HUES if novel else KNOWN_HUES, count),
    )
    return [
        _draw(rng, str(name), kinds[str(name)], _paints(rng, float(hue), novel))
        for name, hue in zip(names, hues, strict=True)
    ]


def _cycle(rng: np.random.Generator, values: Sequence[Any], count: int) -> list[Any]:
    """``count`` of the values in random order, each again only after all others."""
    rounds = -(-count // len(values))
    return [value for _ in range(rounds) for value in rng.permutation(np.array(values))][:count]


def _draw(
    rng: np.random.Generator,
    kind: str,
    make: Callable[[_Draw], list[Part]],
    paints: tuple[Pattern, ...],
) -> Toy:
    parts = make(_Draw(rng, float(rng.uniform(1.0, 1.35))))
    volumes = np.array([_volume(part.solid) * (not part.drawn) for part in parts])
    places = np.array([part.solid.position for part in parts])
    middle = volumes @ places / volumes.sum()
    centred = tuple(
        _shifted(part, place - middle) for part, place in zip(parts, places, strict=True)
    )
    round_ = kind in ("ball", "mushroom", "duck", "dumbbell")
    return Toy(
        kind=kind,
        parts=centred,
        paints=paints,
        mass=float(rng.uniform(0.08, 0.35)),
        friction=float(rng.uniform(0.35, 0.75)),
        rolling=0.0015 if round_ else 0.0004,
    )


def _paints(rng: np.random.Generator, hue: float, novel: bool) -> tuple[Pattern, ...]:
    """Main, second and dark paint. Novel toys have patterns, and hues of their own."""
    first = _colour(rng, hue)
    if novel:
        kind = str(rng.choice(["stripes", "checks", "dots"]))
        return Pattern(kind, first, _PALE), Pattern("plain", _PALE), Pattern("plain", first)
    if rng.random() < 0.1:
        first = _PALE
    second = _colour(rng, float(rng.choice(KNOWN_HUES))) if rng.random() < 0.7 else _PALE
    return Pattern("plain", first), Pattern("plain", second), Pattern("plain", _DARK)


KNOWN_HUES = (0.0, 0.06, 0.13, 0.32, 0.6, 0.93)
NOVEL_HUES = (0.48, 0.77)
_PALE, _DARK = (0.93, 0.92, 0.88), (0.13, 0.13, 0.15)


def _colour(rng: np.random.Generator, hue: float) -> Colour:
    near = (hue + rng.uniform(-0.025, 0.025)) % 1
    return colorsys.hsv_to_rgb(near, rng.uniform(0.7, 0.98), rng.uniform(0.65, 0.98))


# -- kinds ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Draw:
    """Random lengths, and parts in centimetres times a size."""

    rng: np.random.Generator
    size: float

    def cm(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def box(
        self,
        x: float,
        y: float,
        z: float,
        at: Sequence[float] = (0, 0, 0),
        paint: int = 0,
        turn: tuple[float, float, float, float] = UP,
        drawn: bool = False,
    ) -> Part:
        """Of full lengths x, y, z."""
        return Part(Solid("box", self._m(x / 2, y / 2, z / 2), self._at(at), turn), paint, drawn)

    def ball(self, radius: float, at: Sequence[float] = (0, 0, 0), paint: int = 0) -> Part:
        return Part(Solid("ball", self._m(radius), self._at(at)), paint)

    def rod(
        self,
        radius: float,
        length: float,
        at: Sequence[float] = (0, 0, 0),
        paint: int = 0,
        turn: tuple[float, float, float, float] = UP,
        drawn: bool = False,
    ) -> Part:
        return Part(Solid("rod", self._m(radius, length), self._at(at), turn), paint, drawn)

    def _m(self, *lengths: float) -> tuple[float, ...]:
        return tuple(0.01 * self.size * length for length in lengths)

    def _at(self, at: Sequence[float]) -> tuple[float, float, float]:
        x, y, z = self._m(*at)
        return x, y, z


def _block(d: _Draw) -> list[Part]:
    x, y, z = d.cm(4, 8), d.cm(3.5, 5.5), d.cm(3, 5)
    return [d.box(x, y, z), d.box(x * 1.01, y * 0.45, z * 1.01, paint=1, drawn=True)]


def _can(d: _Draw) -> list[Part]:
    r, h = d.cm(2.4, 3.3), d.cm(5, 8)
    return [d.rod(r, h), d.rod(r * 1.01, h * 0.45, paint=1, drawn=True)]


def _ball(d: _Draw) -> list[Part]:
    return [d.ball(d.cm(2.7, 3.8))]


def _bottle(d: _Draw) -> list[Part]:
    r, h = d.cm(2.0, 2.7), d.cm(6, 8)
    neck = (0, 0, h / 2 + 1.2)
    return [d.rod(r, h), d.rod(r * 0.5, 2.6, neck), d.rod(r * 0.6, 1.2, (0, 0, h / 2 + 3), 1)]


def _mug(d: _Draw) -> list[Part]:
    r, h = d.cm(2.7, 3.3), d.cm(5, 6.5)
    handle = d.box(2.2, 1.0, h * 0.6, (r + 0.9, 0, 0), 0)
    return [d.rod(r, h), handle, d.rod(r * 0.85, 0.3, (0, 0, h / 2 + 0.05), 2, drawn=True)]


def _ell(d: _Draw) -> list[Part]:
    a, b, w = d.cm(7, 10), d.cm(5, 7), d.cm(2.4, 3.2)
    return [d.box(a, w, w), d.box(w, b, w, (a / 2 - w / 2, b / 2 + w / 2, 0), 1)]


def _tee(d: _Draw) -> list[Part]:
    a, b, w = d.cm(8, 10.5), d.cm(5, 7), d.cm(2.4, 3.2)
    return [d.box(a, w, w), d.box(w, b, w, (0, b / 2 + w / 2, 0), 1)]


def _dumbbell(d: _Draw) -> list[Part]:
    r, a = d.cm(2.0, 2.6), d.cm(6.5, 8.5)
    ends = [d.ball(r, (x, 0, 0)) for x in (-a / 2, a / 2)]
    return [*ends, d.rod(r * 0.45, a, turn=ALONG_X, paint=1)]


def _brick(d: _Draw) -> list[Part]:
    w, n = d.cm(2.8, 3.4), int(d.rng.integers(2, 4))
    studs = [
        d.rod(w * 0.32, 1.0, ((i - (n - 1) / 2) * w, s * w / 2, w * 0.5 + 0.4), 0, drawn=True)
        for i in range(n)
        for s in (-1, 1)
    ]
    return [d.box(n * w, 2 * w, w), *studs]


def _car(d: _Draw) -> list[Part]:
    a, w, r = d.cm(8, 10.5), d.cm(3.8, 4.8), d.cm(1.2, 1.5)
    axles = [d.rod(r, w + 1.0, (x * a * 0.3, 0, -0.9), 2, ALONG_Y) for x in (-1, 1)]
    return [d.box(a, w, 2.0), d.box(a * 0.5, w * 0.85, 2.0, (-a * 0.08, 0, 1.9), 1), *axles]


def _house(d: _Draw) -> list[Part]:
    a, w = d.cm(5, 7), d.cm(4, 5)
    turn = (math.sin(math.pi / 8), 0.0, 0.0, math.cos(math.pi / 8))  # an eighth about x
    return [d.box(a, w, 4), d.box(a + 0.6, w * 0.72, w * 0.72, (0, 0, 1.8), 1, turn=turn)]


def _cross(d: _Draw) -> list[Part]:
    a, w = d.cm(7.5, 9.5), d.cm(2.3, 2.9)
    arms = [d.box(a, w, w), d.box(w, a, w)]
    return [*arms, d.box(w * 1.05, w * 1.05, w * 1.6, paint=1)]


def _you(d: _Draw) -> list[Part]:
    a, b, w = d.cm(7, 9), d.cm(4, 6), d.cm(2.2, 2.8)
    ends = [d.box(w, b, w, (s * (a - w) / 2, (b + w) / 2, 0), 0) for s in (-1, 1)]
    return [d.box(a, w, w, paint=1), *ends]


def _stool(d: _Draw) -> list[Part]:
    a, h = d.cm(5.5, 7), d.cm(4, 5.5)
    legs = [
        d.box(1.2, 1.2, h, (x * (a / 2 - 0.7), y * (a / 2 - 0.7), -h / 2 - 0.6), 1)
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    return [d.box(a, a, 1.4), *legs]


def _mushroom(d: _Draw) -> list[Part]:
    r, h = d.cm(3.0, 3.8), d.cm(4, 5.5)
    return [d.rod(1.5, h, paint=1), d.ball(r, (0, 0, h / 2))]


def _hammer(d: _Draw) -> list[Part]:
    a, b = d.cm(9, 11), d.cm(5, 6.5)
    return [d.rod(1.0, a, turn=ALONG_X, paint=1), d.rod(1.8, b, (a / 2, 0, 0), 0, ALONG_Y)]


def _tower(d: _Draw) -> list[Part]:
    r, h = d.cm(3.4, 4.2), d.cm(1.8, 2.4)
    return [d.rod(r * s, h, (0, 0, n * h), n % 2) for n, s in enumerate((1.0, 0.72, 0.45))]


def _duck(d: _Draw) -> list[Part]:
    r = d.cm(2.7, 3.3)
    head = (r * 0.75, 0, r * 1.15)
    beak = d.box(1.6, 1.8, 0.8, (r * 1.5, 0, r * 1.05), 1)
    return [
        d.ball(r),
        d.ball(r * 0.66, head),
        beak,
        d.box(r * 1.6, r * 1.2, 1.0, (0, 0, -r * 0.85)),
    ]


Kinds = dict[str, Callable[[_Draw], list[Part]]]
KNOWN: Kinds = {
    "block": _block, "can": _can, "ball": _ball, "bottle": _bottle, "mug": _mug, "ell": _ell,
    "tee": _tee, "dumbbell": _dumbbell, "brick": _brick, "car": _car, "house": _house,
}  # fmt: skip
NOVEL: Kinds = {
    "cross": _cross, "u": _you, "stool": _stool, "mushroom": _mushroom, "hammer": _hammer,
    "tower": _tower, "duck": _duck,
}  # fmt: skip


# -- geometry ------------------------------------------------------------------------------------


def _shifted(part: Part, to: Float[np.ndarray, " 3"]) -> Part:
    x, y, z = to.tolist()
    return replace(part, solid=replace(part.solid, position=(x, y, z)))


def _volume(solid: Solid) -> float:
    match solid.kind:
        case "box":
            return float(8 * np.prod(solid.size))
        case "ball":
            return float(4 / 3 * np.pi * solid.size[0] ** 3)
        case _:
            return float(np.pi * solid.size[0] ** 2 * solid.size[1])


def _extent(solid: Solid) -> float:
    """From the primitive's middle to its farthest point."""
    match solid.kind:
        case "box":
            return float(np.linalg.norm(solid.size))
        case "ball":
            return solid.size[0]
        case _:
            return float(np.hypot(solid.size[0], solid.size[1] / 2))


def _mesh(part: Part) -> Mesh:
    solid = part.solid
    match solid.kind:
        case "box":
            mesh = box(solid.size)
        case "ball":
            mesh = ball(solid.size[0])
        case _:
            mesh = rod(solid.size[0], solid.size[1])
    return mesh.moved(solid.position, matrix(solid.rotation))


def matrix(quaternion: Sequence[float]) -> Float[np.ndarray, "3 3"]:
    """The rotation matrix of a unit quaternion x, y, z, w."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
