"""Furniture, built of boxes and round bodies."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from farframe.worlds import textures
from farframe.worlds.loft import loft
from farframe.worlds.mesh import Mesh, box, join

FURNITURE = ("sofa", "cabinet", "shelf", "table", "plant", "lamp", "door")

Item = tuple[Mesh, textures.Picture]


def furniture(kind: str, rng: np.random.Generator) -> tuple[list[Item], float]:
    """A piece that stands against a wall (z = 0, it reaches out to +z), and its width."""
    wood = np.array([130.0, 88, 54]) * rng.uniform(0.6, 1.5)
    cloth = rng.uniform(40, 210, 3)
    main = textures.plain(wood if rng.random() < 0.7 else np.full(3, 226.0))
    if kind == "sofa":
        w = float(rng.uniform(1.3, 1.9))
        seats = [
            _block(w, 0.42, 0.75), _block(w, 0.85, 0.2),
            *(_block(0.16, 0.6, 0.78).moved((x, 0.0, 0.0)) for x in (-w / 2, w / 2)),
        ]  # fmt: skip
        pads = [
            _block(w * 0.44, 0.5, 0.66, low=0.42).moved((x * w / 4, 0.0, 0.02)) for x in (-1, 1)
        ]
        shades = textures.plain(cloth), textures.plain(cloth * 0.86 + 20)
        return [(join(seats), shades[0]), (join(pads), shades[1])], w + 0.2
    if kind == "cabinet":
        w, h = float(rng.uniform(0.7, 1.3)), float(rng.uniform(0.7, 1.1))
        doors = [
            _block(w * 0.46, h - 0.12, 0.43, low=0.08).moved((x * w / 4, 0.0, 0.0)) for x in (-1, 1)
        ]
        return [(_block(w, h, 0.41), main), (join(doors), textures.plain(wood * 1.15))], w
    if kind == "shelf":
        w, h = float(rng.uniform(0.7, 1.1)), float(rng.uniform(1.5, 2.0))
        boards = [_block(w, y + 0.03, 0.3, low=y) for y in np.linspace(0.05, h - 0.03, 5)]
        sides = [_block(0.03, h, 0.3).moved((x * w / 2, 0.0, 0.0)) for x in (-1, 1)]
        items: list[Item] = [(join([*boards, *sides, _block(w, h, 0.03)]), main)]
        for y in np.linspace(0.05, h - 0.03, 5)[:4]:
            books = [
                _block(w * 0.16, y + rng.uniform(0.18, 0.3), 0.24, low=y).moved((x * w, 0.0, 0.03))
                for x in rng.choice(np.linspace(-0.4, 0.4, 5), 3, replace=False)
            ]
            items.append((join(books), textures.plain(rng.uniform(40, 220, 3))))
        return items, w
    return _smaller(kind, main, cloth, rng)


def _smaller(
    kind: str, main: textures.Picture, cloth: Float[np.ndarray, " 3"], rng: np.random.Generator
) -> tuple[list[Item], float]:
    """The rest of ``FURNITURE``: little things, and the door."""
    if kind == "table":
        w = float(rng.uniform(0.8, 1.2))
        legs = [
            _block(0.06, 0.7, 0.06).moved((x * (w / 2 - 0.05), 0.0, z))
            for x in (-1, 1)
            for z in (0.05, 0.5)
        ]
        vase = _round(0.07, 0.042, 0.24).moved((rng.uniform(-0.2, 0.2), 0.74, 0.3))
        return [
            (join([_block(w, 0.74, 0.6, low=0.69), *legs]), main),
            (vase, textures.plain(cloth)),
        ], w
    if kind == "plant":
        leaves = [
            box((0.05, 0.32, 0.012)).moved(
                (0.0, 0.3, 0.0), turned(a) @ _leaning(0.5 + 0.2 * (n % 2))
            )
            for n, a in enumerate(np.linspace(0, 2 * np.pi, 9)[:8])
        ]
        pot = _round(0.14, 0.175, 0.36).moved((0.0, 0.0, 0.35))
        green = np.array([58.0, 118, 60]) * rng.uniform(0.7, 1.3)
        tops = join(leaves).moved((0.0, 0.36, 0.35))
        return [(pot, textures.plain(cloth)), (tops, textures.plain(green))], 0.6
    if kind == "lamp":
        stand = [
            _round(0.016, 0.016, 1.4).moved((0.0, 0.0, 0.3)),
            _round(0.15, 0.15, 0.04).moved((0.0, 0.0, 0.3)),
        ]
        shade = _round(0.2, 0.12, 0.28).moved((0.0, 1.36, 0.3))
        return [(join(stand), textures.plain(np.full(3, 60.0))),
                (shade, textures.plain(np.array([250.0, 236, 196])))], 0.5  # fmt: skip
    return [(_block(0.9, 2.05, 0.05), textures.door(cloth * 0.4 + 110))], 0.95


def _block(width: float, top: float, depth: float, low: float = 0.0) -> Mesh:
    """A cuboid whose back is at z = 0."""
    half = (width / 2, (top - low) / 2, depth / 2)
    return box(half).moved((0.0, (top + low) / 2, depth / 2))


def _round(low: float, high: float, height: float) -> Mesh:
    """A round thing that stands at y = 0; its radius below and above."""
    return loft([(0.0, 0.0, low, low), (height, 0.0, high, high)])


def turned(angle: float) -> Float[np.ndarray, "3 3"]:
    """A turn about the vertical."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, 0, sin], [0, 1.0, 0], [-sin, 0, cos]])


def _leaning(angle: float) -> Float[np.ndarray, "3 3"]:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0, 0], [0, cos, -sin], [0, sin, cos]])
