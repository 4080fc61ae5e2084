"""A room to be filmed in: floor, three walls, furniture and pictures, as textured meshes.

World axes: x to the right, y up, z towards the camera. The person moves about the origin; the
back wall is at a negative z, and the fourth side, behind the camera, is open.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from farframe.worlds import textures
from farframe.worlds.mesh import Mesh, box, join, rod, sheet

FLOOR_COLOURS = (
    (176, 132, 88), (128, 88, 58), (206, 178, 138), (150, 150, 148), (196, 196, 190),
    (112, 120, 134), (158, 92, 72), (120, 140, 110),
)  # fmt: skip
WALL_COLOURS = (
    (226, 220, 206), (196, 208, 216), (212, 198, 172), (178, 196, 172), (222, 196, 188),
    (168, 178, 192), (232, 224, 168), (186, 176, 200), (150, 164, 160),
)  # fmt: skip
FURNITURE = ("sofa", "cabinet", "shelf", "table", "plant", "lamp", "door")

Item = tuple[Mesh, textures.Picture]


@dataclass(frozen=True)
class Room:
    """What stands still: textured meshes, and how wide the room is (x from -half to half)."""

    items: list[Item]
    half_width: float


def random_room(pairs: list[tuple[int, int]], rng: np.random.Generator) -> Room:
    """A room whose floor and wall colours are one of ``pairs`` (indices into the palettes)."""
    ground, paper = pairs[int(rng.integers(len(pairs)))]
    half, back = float(rng.uniform(2.5, 3.2)), float(rng.uniform(2.2, 2.9))
    high, front = float(rng.uniform(2.7, 3.1)), 5.0
    colour = _near(WALL_COLOURS[paper], rng)
    second = colour * rng.uniform(0.75, 1.1) + rng.uniform(-25, 25, 3)
    floor = textures.floor(str(rng.choice(textures.FLOORS)), _near(FLOOR_COLOURS[ground], rng), rng)
    wall = textures.wall(str(rng.choice(textures.WALLS)), colour, second, rng)
    deep = (front + back) / 2
    sides = [
        _wall(2 * deep, high).moved((-half, high / 2, front - deep), _facing(np.pi / 2)),
        _wall(2 * deep, high).moved((half, high / 2, front - deep), _facing(-np.pi / 2)),
    ]
    items: list[Item] = [
        (_floor(half, deep).moved((0, 0, front - deep)), floor),
        (join([_wall(2 * half, high).moved((0, high / 2, -back)), *sides]), wall),
    ]
    items += _furnished(half, back, rng)
    if rng.random() < 0.35:
        size = rng.uniform(0.9, 1.5, 2)
        rug = box((size[0], 0.006, size[1])).moved((rng.uniform(-0.3, 0.3), 0.0, -0.2))
        items.append((rug, textures.rug(rng)))
    return Room(items, half)


def _furnished(half: float, back: float, rng: np.random.Generator) -> list[Item]:
    """Things along the back wall, side by side, and one or two at the sides."""
    found: list[Item] = []
    x = -half + rng.uniform(0.1, 0.5)
    while True:
        kind = str(rng.choice(FURNITURE))
        made, width = furniture(kind, rng)
        if x + width > half - 0.1:
            break
        middle = np.array([x + width / 2, 0, -back + 0.01])
        found += [(mesh.moved(middle), picture) for mesh, picture in made]
        if kind not in ("door", "shelf") and rng.random() < 0.75:
            found.append(_hung(rng, (float(middle[0]), -back)))
        x += width + float(rng.uniform(0.15, 1.0))
    for side in (-1, 1):
        if rng.random() < 0.6:
            made, _ = furniture(str(rng.choice(FURNITURE)), rng)
            place, turn = (side * (half - 0.02), 0, rng.uniform(-1.2, 0.2)), _facing(-side * np.pi / 2)
            found += [(mesh.moved((0, 0, 0), turn).moved(place), p) for mesh, p in made]
    return found


def _hung(rng: np.random.Generator, at: tuple[float, float]) -> Item:
    """A picture or a window on the back wall."""
    if rng.random() < 0.35:
        mesh = box((rng.uniform(0.4, 0.6), rng.uniform(0.45, 0.6), 0.02))
        return mesh.moved((at[0], 1.65, at[1])), textures.window(rng)
    mesh = box((*rng.uniform(0.18, 0.42, 2), 0.015))
    return mesh.moved((at[0], rng.uniform(1.5, 1.75), at[1])), textures.poster(rng)


def furniture(kind: str, rng: np.random.Generator) -> tuple[list[Item], float]:
    """A piece that stands against a wall (z = 0, it reaches out to +z), and its width."""
    wood = np.array([130.0, 88, 54]) * rng.uniform(0.6, 1.5)
    cloth = rng.uniform(40, 210, 3)
    main = textures.plain(wood if rng.random() < 0.7 else np.full(3, 226.0))
    if kind == "sofa":
        w = float(rng.uniform(1.3, 1.9))
        seats = [
            _block(w, 0.42, 0.75), _block(w, 0.85, 0.2),
            *(_block(0.16, 0.6, 0.78).moved((x, 0, 0)) for x in (-w / 2, w / 2)),
        ]  # fmt: skip
        pads = [_block(w * 0.44, 0.5, 0.66, low=0.42).moved((x * w / 4, 0, 0.02)) for x in (-1, 1)]
        shades = textures.plain(cloth), textures.plain(cloth * 0.86 + 20)
        return [(join(seats), shades[0]), (join(pads), shades[1])], w + 0.2
    if kind == "cabinet":
        w, h = float(rng.uniform(0.7, 1.3)), float(rng.uniform(0.7, 1.1))
        doors = [
            _block(w * 0.46, h - 0.12, 0.43, low=0.08).moved((x * w / 4, 0, 0)) for x in (-1, 1)
        ]
        return [(_block(w, h, 0.41), main), (join(doors), textures.plain(wood * 1.15))], w
    if kind == "shelf":
        w, h = float(rng.uniform(0.7, 1.1)), float(rng.uniform(1.5, 2.0))
        boards = [_block(w, y + 0.03, 0.3, low=y) for y in np.linspace(0.05, h - 0.03, 5)]
        sides = [_block(0.03, h, 0.3).moved((x * w / 2, 0, 0)) for x in (-1, 1)]
        items: list[Item] = [(join([*boards, *sides, _block(w, h, 0.03)]), main)]
        for y in np.linspace(0.05, h - 0.03, 5)[:4]:
            books = [
                _block(w * 0.16, y + rng.uniform(0.18, 0.3), 0.24, low=y).moved((x * w, 0, 0.03))
                for x in rng.choice(np.linspace(-0.4, 0.4, 5), 3, replace=False)
            ]
            items.append((join(books), textures.plain(rng.uniform(40, 220, 3))))
        return items, w
    return _smaller(kind, main, cloth, rng)


def _smaller(
    kind: str, main: textures.Picture, cloth: Float[np.ndarray, " 3"], rng: np.random.Generator
) -> tuple[list[Item], float]:
    if kind == "table":
        w = float(rng.uniform(0.8, 1.2))
        legs = [
            _block(0.06, 0.7, 0.06).moved((x * (w / 2 - 0.05), 0, z))
            for x in (-1, 1)
            for z in (0.05, 0.5)
        ]
        vase = _upright(rod(0.07, 0.24, 0.6)).moved((rng.uniform(-0.2, 0.2), 0.86, 0.3))
        return [(join([_block(w, 0.74, 0.6, low=0.69), *legs]), main), (vase, textures.plain(cloth))], w
    if kind == "plant":
        leaves = [
            box((0.05, 0.32, 0.012)).moved((0, 0.3, 0), _tilted(a, 0.5 + 0.2 * (n % 2)))
            for n, a in enumerate(np.linspace(0, 2 * np.pi, 9)[:8])
        ]
        pot = _upright(rod(0.14, 0.36, 1.25)).moved((0, 0.18, 0.35))
        green = np.array([58.0, 118, 60]) * rng.uniform(0.7, 1.3)
        tops = join(leaves).moved((0, 0.36, 0.35))
        return [(pot, textures.plain(cloth)), (tops, textures.plain(green))], 0.6
    if kind == "lamp":
        stand = [_upright(rod(0.016, 1.4)).moved((0, 0.7, 0.3)), _upright(rod(0.15, 0.04)).moved((0, 0.02, 0.3))]
        shade = _upright(rod(0.2, 0.28, 0.6)).moved((0, 1.5, 0.3))
        return [(join(stand), textures.plain(np.full(3, 60.0))),
                (shade, textures.plain(np.array([250.0, 236, 196])))], 0.5  # fmt: skip
    return [(_block(0.9, 2.05, 0.05), textures.door(cloth * 0.4 + 110))], 0.95


def _block(width: float, top: float, depth: float, low: float = 0.0) -> Mesh:
    """A cuboid whose back is at z = 0."""
    half = (width / 2, (top - low) / 2, depth / 2)
    return box(half).moved((0, (top + low) / 2, depth / 2))


def _floor(half: float, deep: float) -> Mesh:
    return _repeated(sheet((half, deep), 6, 1.0), half / 2, deep / 2).moved((0, 0, 0), _upright_turn())


def _wall(width: float, high: float) -> Mesh:
    return _repeated(sheet((width / 2, high / 2), 6, 1.0), width / high, 1.0)


def _repeated(mesh: Mesh, across: float, along: float) -> Mesh:
    return Mesh(mesh.vertices, mesh.normals, mesh.uvs * (across, along), mesh.faces)


def _upright(mesh: Mesh) -> Mesh:
    """What lies along z, along y."""
    return mesh.moved((0, 0, 0), _upright_turn())


def _upright_turn() -> Float[np.ndarray, "3 3"]:
    return np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])


def _facing(angle: float) -> Float[np.ndarray, "3 3"]:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, 0, sin], [0, 1.0, 0], [-sin, 0, cos]])


def _tilted(around: float, lean: float) -> Float[np.ndarray, "3 3"]:
    cos, sin = np.cos(lean), np.sin(lean)
    return _facing(around) @ np.array([[1.0, 0, 0], [0, cos, -sin], [0, sin, cos]])


def _near(colour: tuple[int, int, int], rng: np.random.Generator) -> Float[np.ndarray, " 3"]:
    return np.clip(np.array(colour) * rng.uniform(0.9, 1.08) + rng.normal(0, 6, 3), 20, 250)
