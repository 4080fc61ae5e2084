"""Parts of toys: primitives that physics knows, and what they look like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from farframe.worlds.bullet import Solid
from farframe.worlds.mesh import Mesh, Numbers, ball, box, rod

Rotation = tuple[float, float, float, float]
"""A quaternion x, y, z, w."""

Cm = float | int
"""A length in centimetres."""

UP: Rotation = (0.0, 0.0, 0.0, 1.0)
ALONG_X: Rotation = (0.0, 0.5**0.5, 0.0, 0.5**0.5)  # turns a rod's z to x
ALONG_Y: Rotation = (-(0.5**0.5), 0.0, 0.0, 0.5**0.5)


@dataclass(frozen=True)
class Part:
    """A primitive of a toy in one of its paints; physics does not know a part that is ``drawn``."""

    solid: Solid
    paint: int
    drawn: bool = False


@dataclass(frozen=True)
class Draw:
    """Random lengths, and parts in centimetres times a size."""

    rng: np.random.Generator
    size: float

    def cm(self, low: Cm, high: Cm) -> float:
        """A random length."""
        return float(self.rng.uniform(low, high))

    def box(
        self,
        x: Cm,
        y: Cm,
        z: Cm,
        at: Numbers = (0, 0, 0),
        paint: int = 0,
        turn: Rotation = UP,
        drawn: bool = False,
    ) -> Part:
        """Of full lengths x, y, z."""
        return Part(Solid("box", self._m(x / 2, y / 2, z / 2), self._at(at), turn), paint, drawn)

    def ball(self, radius: Cm, at: Numbers = (0, 0, 0), paint: int = 0) -> Part:
        """A sphere."""
        return Part(Solid("ball", self._m(radius), self._at(at)), paint)

    def rod(
        self,
        radius: Cm,
        length: Cm,
        at: Numbers = (0, 0, 0),
        paint: int = 0,
        turn: Rotation = UP,
        drawn: bool = False,
    ) -> Part:
        """A cylinder along z, unless it is turned."""
        return Part(Solid("rod", self._m(radius, length), self._at(at), turn), paint, drawn)

    def _m(self, *lengths: Cm) -> tuple[float, ...]:
        return tuple(0.01 * self.size * length for length in lengths)

    def _at(self, at: Numbers) -> tuple[float, float, float]:
        x, y, z = self._m(*at)
        return x, y, z


def volume_of(solid: Solid) -> float:
    """Of a primitive, m^3."""
    match solid.kind:
        case "box":
            return float(8 * np.prod(solid.size))
        case "ball":
            return float(4 / 3 * np.pi * solid.size[0] ** 3)
        case _:
            return float(np.pi * solid.size[0] ** 2 * solid.size[1])


def extent_of(solid: Solid) -> float:
    """From the primitive's middle to its farthest point."""
    match solid.kind:
        case "box":
            return float(np.linalg.norm(solid.size))
        case "ball":
            return solid.size[0]
        case _:
            return float(np.hypot(solid.size[0], solid.size[1] / 2))


def mesh_of(part: Part) -> Mesh:
    """A part in its place, with the whole texture on each of its sides."""
    solid = part.solid
    match solid.kind:
        case "box":
            mesh = box(solid.size)
        case "ball":
            mesh = ball(solid.size[0])
        case _:
            mesh = rod(solid.size[0], solid.size[1])
    return mesh.moved(solid.position, matrix(solid.rotation))


def matrix(quaternion: Numbers) -> Float[np.ndarray, "3 3"]:
    """The rotation matrix of a unit quaternion x, y, z, w."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
