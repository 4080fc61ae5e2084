"""Round bodies from cross-sections: limbs, torsos, heads, shoes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from farframe.worlds.mesh import Mesh

SIDES = 14
Number = float | int  # as people write them
CAP = np.array([0.0, 0.35, 0.7, 0.93])  # rings of a round end, in radii from its tip's inside


def loft(rings: Sequence[Sequence[Number]], *, squareness: Number = 2) -> Mesh:
    """A closed surface through elliptic rings, each ``(y, x, depth, width)`` and an optional z.

    ``depth`` is the half axis along x and ``width`` that along z around the centre (x, z). Rings
    go upwards. With ``squareness`` over 2 the ellipses become boxier. The texture goes once
    around (its middle in front, +x) and once from the lowest ring to the highest.
    """
    told = np.array([[*ring, 0.0][:5] for ring in rings], np.float64)
    told = np.concatenate([_point(told[0]), told, _point(told[-1])])
    angle = np.linspace(-np.pi, np.pi, SIDES + 1)
    cos, sin = np.cos(angle), np.sin(angle)
    reach = (np.abs(cos) ** squareness + np.abs(sin) ** squareness) ** (-1 / squareness)
    y, x, depth, width, z = (told[:, n, None] for n in range(5))
    grid = np.stack(np.broadcast_arrays(x + depth * cos * reach, y, z - width * sin * reach), -1)
    around = np.broadcast_to(np.linspace(0, 1, SIDES + 1), grid.shape[:2])
    along = (told[:, 0] - told[0, 0]) / max(np.ptp(told[:, 0]), 1e-9)
    uvs = np.stack([around, np.broadcast_to(along[:, None], around.shape)], -1)
    rows, columns = (a.ravel() for a in np.indices((len(told) - 1, SIDES)))
    a = rows * (SIDES + 1) + columns
    b, c, d = a + 1, a + SIDES + 2, a + SIDES + 1
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    vertices = grid.reshape(-1, 3)
    return Mesh(vertices, _normals(vertices, faces), uvs.reshape(-1, 2), faces)


def limb(length: float, profile: Sequence[tuple[Number, Number]], flat: float = 1.0) -> Mesh:
    """A rounded limb from the origin down to y = -length.

    ``profile`` are (share of the length, radius) from top to bottom; ends are round. ``flat`` is
    its width across (z) in depths (x).
    """
    top, bottom = profile[0], profile[-1]
    rings = [(-top[0] * length + top[1] * (1 - c), top[1] * np.sqrt(1 - (1 - c) ** 2)) for c in CAP]
    rings += [(-share * length, radius) for share, radius in profile]
    rings += [
        (-bottom[0] * length - bottom[1] * (1 - c), bottom[1] * np.sqrt(1 - (1 - c) ** 2))
        for c in CAP[::-1]
    ]
    return loft([(y, 0.0, r, r * flat) for y, r in reversed(rings)])


def ball(centre: tuple[Number, Number, Number], depth: float, height: float, width: float) -> Mesh:
    """An ellipsoid; half axes along x, y and z."""
    heights = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 9))
    rings = [
        (centre[1] + height * s, centre[0], depth * c, width * c, centre[2])
        for s, c in zip(heights, np.sqrt(1 - heights**2), strict=True)
    ]
    return loft(rings)


def _point(ring: Float[np.ndarray, " 5"]) -> Float[np.ndarray, "1 5"]:
    """A ring shrunk to its centre: it closes an end."""
    return (ring * np.array([1.0, 1.0, 0.0, 0.0, 1.0]))[None]


def _normals(
    vertices: Float[np.ndarray, "n 3"], faces: Int[np.ndarray, "f 3"]
) -> Float[np.ndarray, "n 3"]:
    """Smooth normals; vertices at one place share theirs, so that no seam shows."""
    _, place = np.unique(np.round(vertices, 6), axis=0, return_inverse=True)
    a, b, c = (vertices[faces[:, n]] for n in range(3))
    flat = np.cross(b - a, c - a)
    summed = np.zeros((place.max() + 1, 3))
    for n in range(3):
        np.add.at(summed, place[faces[:, n]], flat)
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    return (summed / np.maximum(length, 1e-12))[place]
