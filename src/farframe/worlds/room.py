"""A room to be filmed in: floor, three walls, furniture and pictures, as textured meshes.

World axes: x to the right, y up, z towards the camera. The person moves about the origin; the
back wall is at a negative z, and the fourth side, behind the camera, is open.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from farframe.worlds import textures
from farframe.worlds.furniture import FURNITURE, Item, furniture, turned
from farframe.worlds.mesh import Mesh, box, join, sheet

FLOOR_COLOURS = (
    (176, 132, 88), (128, 88, 58), (206, 178, 138), (150, 150, 148), (196, 196, 190),
    (112, 120, 134), (158, 92, 72), (120, 140, 110),
)  # fmt: skip
WALL_COLOURS = (
    (226, 220, 206), (196, 208, 216), (212, 198, 172), (178, 196, 172), (222, 196, 188),
    (168, 178, 192), (232, 224, 168), (186, 176, 200), (150, 164, 160),
)  # fmt: skip


def random_room(pairs: list[tuple[int, int]], rng: np.random.Generator) -> list[Item]:
    """What stands still: a room whose floor and wall colours are one of ``pairs``.

    These are indices into the palettes.
    """
    ground, paper = pairs[int(rng.integers(len(pairs)))]
    half, back = float(rng.uniform(2.5, 3.2)), float(rng.uniform(2.2, 2.9))
    high, front = float(rng.uniform(2.7, 3.1)), 5.0
    colour = _near(WALL_COLOURS[paper], rng)
    second = colour * rng.uniform(0.75, 1.1) + rng.uniform(-25, 25, 3)
    floor = textures.floor(str(rng.choice(textures.FLOORS)), _near(FLOOR_COLOURS[ground], rng), rng)
    wall = textures.wall(str(rng.choice(textures.WALLS)), colour, second, rng)
    deep = (front + back) / 2
    sides = [
        _wall(2 * deep, high).moved((-half, high / 2, front - deep), turned(np.pi / 2)),
        _wall(2 * deep, high).moved((half, high / 2, front - deep), turned(-np.pi / 2)),
    ]
    items: list[Item] = [
        (_floor(half, deep).moved((0.0, 0.0, front - deep)), floor),
        (join([_wall(2 * half, high).moved((0.0, high / 2, -back)), *sides]), wall),
    ]
    items += _furnished(half, back, rng)
    if rng.random() < 0.35:
        size = rng.uniform(0.9, 1.5, 2)
        rug = box((size[0], 0.006, size[1])).moved((rng.uniform(-0.3, 0.3), 0.0, -0.2))
        items.append((rug, textures.rug(rng)))
    return items


def _furnished(half: float, back: float, rng: np.random.Generator) -> list[Item]:
    """Things along the back wall, side by side, and one or two at the sides."""
    found: list[Item] = []
    x = -half + rng.uniform(0.1, 0.5)
    kind, windows = "", bool(rng.random() < 0.5)
    while True:
        kind = str(rng.choice([k for k in FURNITURE if k != kind]))
        made, width = furniture(kind, rng)
        if x + width > half - 0.1:
            break
        middle = (x + width / 2, 0.0, -back + 0.01)
        found += [(mesh.moved(middle), picture) for mesh, picture in made]
        if kind not in ("door", "shelf", "lamp") and rng.random() < 0.75:
            found.append(_hung(rng, (middle[0], -back), window=windows))
            windows = windows and rng.random() < 0.3
        x += width + float(rng.uniform(0.15, 1.0))
    for side in (-1, 1):
        if rng.random() < 0.6:
            made, _ = furniture(str(rng.choice(FURNITURE)), rng)
            place, turn = (
                (side * (half - 0.02), 0.0, rng.uniform(-1.2, 0.2)),
                turned(-side * np.pi / 2),
            )
            found += [(mesh.moved((0.0, 0.0, 0.0), turn).moved(place), p) for mesh, p in made]
    return found


def _hung(rng: np.random.Generator, at: tuple[float, float], *, window: bool) -> Item:
    """A picture or a window on the back wall."""
    if window:
        mesh = box((rng.uniform(0.4, 0.6), rng.uniform(0.45, 0.6), 0.02))
        return mesh.moved((at[0], 1.65, at[1])), textures.window(rng)
    mesh = box((*rng.uniform(0.18, 0.42, 2), 0.015))
    return mesh.moved((at[0], rng.uniform(1.5, 1.75), at[1])), textures.poster(rng)


def _floor(half: float, deep: float) -> Mesh:
    lying = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    return _repeated(sheet((half, deep), 6, 1.0), half / 2, deep / 2).moved((0.0, 0.0, 0.0), lying)


def _wall(width: float, high: float) -> Mesh:
    return _repeated(sheet((width / 2, high / 2), 6, 1.0), width / high, 1.0)


def _repeated(mesh: Mesh, across: float, along: float) -> Mesh:
    return Mesh(mesh.vertices, mesh.normals, mesh.uvs * (across, along), mesh.faces)


def _near(colour: tuple[int, int, int], rng: np.random.Generator) -> Float[np.ndarray, " 3"]:
    return np.clip(np.array(colour) * rng.uniform(0.9, 1.08) + rng.normal(0, 6, 3), 20, 250)
