"""Textures of the robot's world, drawn from random numbers: bin floors, table tops, paints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

Colour = tuple[float, float, float]
"""RGB in [0, 1]."""

CELLS = 8  # the atlas of paints has this many cells a side
_PIXELS = 32  # a side of a cell
_INSET = 2  # pixels of a cell that are kept clear of its neighbours


@dataclass(frozen=True)
class Pattern:
    """A paint: ``plain``, or ``stripes``, ``checks``, ``dots`` of a second colour."""

    kind: str
    colour: Colour
    second: Colour = (1.0, 1.0, 1.0)

    def pixels(self) -> Float[np.ndarray, "h w 3"]:
        """One cell of the atlas."""
        row, column = np.mgrid[:_PIXELS, :_PIXELS] // (_PIXELS // 4)
        match self.kind:
            case "stripes":
                other = row % 2 == 1
            case "checks":
                other = (row + column) % 2 == 1
            case "dots":
                at = np.mgrid[:_PIXELS, :_PIXELS] % (_PIXELS // 2) - _PIXELS / 4 + 0.5
                other = (at**2).sum(0) < (_PIXELS / 6.5) ** 2
            case _:
                other = row < 0
        return np.where(other[..., None], self.second, self.colour)


def atlas(paints: Sequence[Pattern]) -> UInt8[np.ndarray, "h w 3"]:
    """All paints in one picture, row by row."""
    picture = np.zeros((CELLS, _PIXELS, CELLS, _PIXELS, 3))
    for n, paint in enumerate(paints):
        picture[n // CELLS, :, n % CELLS] = paint.pixels()
    return _bytes(picture.reshape(CELLS * _PIXELS, CELLS * _PIXELS, 3))


def cell(number: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Texture coordinates of two corners of a paint in the atlas (rows are counted from v = 1)."""
    row, column = divmod(number, CELLS)
    inset = _INSET / (CELLS * _PIXELS)
    low = column / CELLS + inset, 1 - (row + 1) / CELLS + inset
    high = (column + 1) / CELLS - inset, 1 - row / CELLS - inset
    return low, high


def surface(
    rng: np.random.Generator, kind: str, brightness: float = 1.0, size: int = 128
) -> UInt8[np.ndarray, "h w 3"]:
    """A surface of a kind (``SURFACES``), in random colours near what the kind looks like."""
    tint = rng.uniform(0.9, 1.08, 3) ** 0.6
    match kind:
        case "wood":
            base, dark = np.array([0.80, 0.63, 0.42]), np.array([0.60, 0.42, 0.25])
            rings = np.sin(2 * np.pi * (5 * _noise(rng, size, (3, 9)) + _noise(rng, size, (2, 24))))
            share = 0.3 + 0.3 * rings + 0.35 * _noise(rng, size, (4, 64))
        case "cardboard":
            base, dark = np.array([0.76, 0.62, 0.46]), np.array([0.66, 0.52, 0.37])
            share = 0.5 * _noise(rng, size, (48, 48)) + 0.5 * _noise(rng, size, (6, 6))
        case "felt":
            shade = rng.uniform(0.3, 0.75)
            base = (
                shade
                * np.array([[1.0, 0.97, 0.92], [0.72, 0.95, 0.8], [0.75, 0.86, 1.0]])[
                    rng.integers(3)
                ]
            )
            dark = 0.8 * base
            share = 0.7 * _noise(rng, size, (64, 64)) + 0.4 * _noise(rng, size, (5, 5))
        case "laminate":
            base, dark = np.array([0.87, 0.87, 0.85]), np.array([0.70, 0.70, 0.70])
            share = 0.25 * _noise(rng, size, (64, 64)) + 0.5 * _noise(rng, size, (4, 5))
        case _:
            raise ValueError(f"surface {kind!r}: must be one of {', '.join(SURFACES)}")
    share = np.clip(share, 0, 1)[..., None]
    return _bytes((base * (1 - share) + dark * share) * tint * brightness)


SURFACES = ("wood", "cardboard", "felt", "laminate")


def _noise(rng: np.random.Generator, size: int, cells: tuple[int, int]) -> Float[np.ndarray, "h w"]:
    """Smooth random numbers in [0, 1]: a coarse grid, interpolated."""
    picture = rng.random((cells[0] + 1, cells[1] + 1))
    for axis in (0, 1):
        at = np.linspace(0, cells[axis], size, endpoint=False)
        low = at.astype(int)
        part = (at - low) ** 2 * (3 - 2 * (at - low))
        shape = (-1, 1) if axis == 0 else (1, -1)
        part = part.reshape(shape)
        picture = picture.take(low, axis) * (1 - part) + picture.take(low + 1, axis) * part
    return picture


def _bytes(picture: Float[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
