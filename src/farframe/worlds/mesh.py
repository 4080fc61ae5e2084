"""Triangle meshes of a few simple solids, with normals and texture coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Shaped

Numbers = Sequence[float | int] | Shaped[np.ndarray, " _"]
"""Some real numbers: a place, a colour, angles."""


@dataclass(frozen=True)
class Mesh:
    """Triangles. ``uvs`` are in [0, 1], (0, 0) being a corner of the texture."""

    vertices: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"]
    uvs: Float[np.ndarray, "n 2"]
    faces: Int[np.ndarray, "f 3"]

    def moved(self, position: Numbers, rotation: Float[np.ndarray, "3 3"] | None = None) -> Mesh:
        """Turned by a rotation matrix, then shifted."""
        turn = np.eye(3) if rotation is None else rotation
        return replace(
            self,
            vertices=self.vertices @ turn.T + np.asarray(position),
            normals=self.normals @ turn.T,
        )

    def textured(self, low: tuple[float, float], high: tuple[float, float]) -> Mesh:
        """With the part of a texture between two corners instead of all of it."""
        return replace(self, uvs=np.asarray(low) + self.uvs * np.subtract(high, low))

    def obj(self) -> str:
        """As the text of a Wavefront OBJ file."""
        rows = [f"v {x:.7g} {y:.7g} {z:.7g}" for x, y, z in self.vertices.tolist()]
        rows += [f"vt {u:.7g} {v:.7g}" for u, v in self.uvs.tolist()]
        rows += [f"vn {x:.7g} {y:.7g} {z:.7g}" for x, y, z in self.normals.tolist()]
        rows += [f"f {a}/{a}/{a} {b}/{b}/{b} {c}/{c}/{c}" for a, b, c in (self.faces + 1).tolist()]
        return "\n".join(rows) + "\n"


def join(meshes: Sequence[Mesh]) -> Mesh:
    """All meshes as one."""
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.normals for m in meshes]),
        np.concatenate([m.uvs for m in meshes]),
        np.concatenate([m.faces + start for m, start in zip(meshes, starts, strict=True)]),
    )


def box(half: Numbers) -> Mesh:
    """A cuboid of half sizes ``half`` around the origin, the whole texture on each side."""
    sides: list[Mesh] = []
    square = sheet((1.0, 1.0), 1, 1.0).moved((0, 0, 1))
    for axis in range(3):
        for sign in (1.0, -1.0):
            turn = np.roll(np.diag([sign, 1.0, sign]), axis + 1, 0)
            side = square.moved((0, 0, 0), turn)
            sides.append(replace(side, vertices=side.vertices * np.asarray(half)))
    return join(sides)


def sheet(size: Numbers, pieces: int, repeats: float) -> Mesh:
    """A rectangle in the xy plane of half sizes ``size``, in ``pieces`` x ``pieces`` squares.

    The texture is repeated ``repeats`` times along each side.
    """
    line = np.linspace(-1, 1, pieces + 1)
    x, y = (a.ravel() for a in np.meshgrid(line, line, indexing="ij"))
    vertices = np.stack((x * size[0], y * size[1], 0 * x), 1)
    uvs = (np.stack((x, y), 1) + 1) / 2 * repeats
    return Mesh(vertices, np.tile([0.0, 0.0, 1.0], (len(x), 1)), uvs, _grid(pieces, pieces))


def rod(radius: float, length: float, sides: int = 14) -> Mesh:
    """A cylinder along z around the origin."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.stack((np.cos(angle), np.sin(angle), 0 * angle), 1)
    low, high = np.array([0, 0, -length / 2]), np.array([0, 0, length / 2])
    skin = np.stack((ring * radius + low, ring * radius + high), 1).reshape(-1, 3)
    uvs = np.stack((np.repeat(angle / (2 * np.pi), 2), np.tile([0.0, 1.0], sides + 1)), 1)
    parts = [Mesh(skin, np.repeat(ring, 2, 0), uvs, _grid(sides, 1))]
    for end, sign in ((low, -1), (high, 1)):
        flat = np.concatenate((end[None], ring * radius + end))
        disc = np.concatenate((np.zeros((1, 2)), ring[:, :2])) / 2 + 0.5
        fan = np.array([[0, *(n + 1, n + 2)[::sign]] for n in range(sides)])
        parts.append(Mesh(flat, np.tile([0.0, 0.0, sign], (len(flat), 1)), disc, fan))
    return join(parts)


def ball(radius: float, sides: int = 12, rings: int = 7) -> Mesh:
    """A sphere around the origin."""
    around, down = np.meshgrid(
        np.linspace(0, 2 * np.pi, sides + 1), np.linspace(np.pi, 0, rings + 1), indexing="ij"
    )
    normals = np.stack(
        (np.sin(down) * np.cos(around), np.sin(down) * np.sin(around), np.cos(down)), -1
    ).reshape(-1, 3)
    uvs = np.stack((around.ravel() / (2 * np.pi), 1 - down.ravel() / np.pi), 1)
    return Mesh(normals * radius, normals, uvs, _grid(sides, rings))


def _grid(rows: int, columns: int) -> Int[np.ndarray, "f 3"]:
    """Two triangles a square of a grid of vertices, their fronts to first axis x second."""
    r, c = (a.ravel() for a in np.meshgrid(range(rows), range(columns), indexing="ij"))
    corner, width = r * (columns + 1) + c, columns + 1
    across = corner + width + 1
    return np.concatenate(
        (np.stack((corner, corner + width, across), 1), np.stack((corner, across, corner + 1), 1))
    )
