"""The objects that the robot pushes: toys of random kinds, sizes, colours and masses.

The kinds, hues and patterns of the novel test split never occur in the others.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from farframe.worlds.bullet import Solid
from farframe.worlds.mesh import Mesh, join
from farframe.worlds.robot_textures import Colour, Pattern
from farframe.worlds.robot_toy_kinds import KNOWN, NOVEL, Kind
from farframe.worlds.robot_toy_parts import Draw, Part, extent_of, mesh_of, volume_of


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
        return max(float(np.linalg.norm(s.position)) + extent_of(s) for s in self.solids)

    def mesh(self, cell: Callable[[int], tuple[tuple[float, float], tuple[float, float]]]) -> Mesh:
        """What it looks like; ``cell(paint)`` says where in the texture a paint is."""
        return join([mesh_of(part).textured(*cell(part.paint)) for part in self.parts])


def draw_toys(rng: np.random.Generator, count: int, *, novel: bool) -> list[Toy]:
    """``count`` random toys, as different kinds as there are."""
    kinds = NOVEL if novel else KNOWN
    names = _cycle(rng, [*kinds], count)
    hues = _cycle(rng, NOVEL_HUES if novel else KNOWN_HUES, count)
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
    make: Kind,
    paints: tuple[Pattern, ...],
) -> Toy:
    parts = make(Draw(rng, float(rng.uniform(1.0, 1.35))))
    volumes = np.array([volume_of(part.solid) * (not part.drawn) for part in parts])
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


def _shifted(part: Part, to: Float[np.ndarray, " 3"]) -> Part:
    x, y, z = to.tolist()
    return replace(part, solid=replace(part.solid, position=(x, y, z)))
