"""Is the right shape in the right colour still there? Measured from the picture alone.

The automatic form of the paper's question to people (its Table 1). The picture is compared with
the world's own drawings of every kind at every place and size. What is paler than the world's
colours, smeared or doubled resembles no drawing, and so it is no shape at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from farframe.worlds.shapes import (
    BACKGROUND,
    COLOURS,
    KINDS,
    RADIUS_MAX,
    RADIUS_MIN,
    coverage,
)

PRESENT = 0.35  # share of the smallest shape's area that must be covered for it to be there
UNLIKE = 0.35  # squared difference from the best drawing, as a share of that drawing's square
_RADII = np.linspace(0.85 * RADIUS_MIN, 1.15 * RADIUS_MAX, 9)


@dataclass(frozen=True)
class Seen:
    """What is in one picture: ``kind`` and ``colour`` are indices, -1 where none fits.

    ``colour`` is -1 if nothing is there, ``kind`` also if what is there resembles no shape.
    ``position`` (x, y) and ``size`` (radius of equal area) are in sides of the frame.
    """

    kind: int
    colour: int
    position: tuple[float, float]
    size: float


NOTHING = Seen(kind=-1, colour=-1, position=(np.nan, np.nan), size=0.0)


def look(frame: UInt8[np.ndarray, "c h w"]) -> Seen:
    """Find the shape of a picture of the shapes world."""
    size = frame.shape[1]
    away = frame.astype(np.float64) - np.array(BACKGROUND, np.float64)[:, None, None]
    colours = np.array(list(COLOURS.values()), np.float64) - np.array(BACKGROUND)
    strength = np.abs(away).max(0)
    weights = np.where(strength > 40, strength, 0)
    mean = (away * weights).sum((1, 2)) / (weights.sum() + 1e-9)
    colour = int(np.argmax(colours / np.linalg.norm(colours, axis=1, keepdims=True) @ mean))
    # how much of each pixel is covered: its distance along the colour as the world would draw it
    own = colours[colour]
    cover = np.clip((away * own[:, None, None]).sum(0) / (own @ own), 0, 1.2)
    if (cover > 0.5).sum() < PRESENT * np.pi * (RADIUS_MIN * size) ** 2:
        return NOTHING
    kind, position, radius, unlike = _best_drawing(cover)
    return Seen(kind if unlike <= UNLIKE else -1, colour, position, radius)


def _best_drawing(
    cover: Float[np.ndarray, "h w"],
) -> tuple[int, tuple[float, float], float, float]:
    """The kind, place and radius of the drawing nearest to the covered pixels, and how unlike.

    All whole-pixel shifts first (one correlation), then fractions of a pixel around the best.
    """
    size = len(cover)
    square, spectrum = (cover**2).sum(), np.fft.rfft2(cover)
    best = (0, (0.0, 0.0), 0.0, np.inf)
    for kind in range(len(KINDS)):
        whole, fine, places = _drawings(kind, size)
        fits = np.fft.irfft2(spectrum * np.conj(np.fft.rfft2(whole)), s=cover.shape)
        norms = (whole**2).sum((1, 2), keepdims=True)
        shift = np.unravel_index(np.argmin(1 + (square - 2 * fits) / norms), fits.shape)[1:]
        corner = (np.array(shift) + size // 2) % size - size // 2
        moved = np.roll(cover, (-corner[0], -corner[1]), (0, 1)).ravel()
        norms = (fine**2).sum(1)
        unlike = 1 + (square - 2 * fine @ moved) / norms
        n = int(np.argmin(unlike))
        if unlike[n] < best[3]:
            x, y = (places[n, :2] + corner[::-1] / size).tolist()
            best = (kind, (x, y), float(places[n, 2]), float(unlike[n]))
    return best


@lru_cache(maxsize=16)
def _drawings(
    kind: int, size: int
) -> tuple[Float[np.ndarray, "r h w"], Float[np.ndarray, "n pixels"], Float[np.ndarray, "n 3"]]:
    """Drawings of a kind in the frame's middle, one a radius; around it, with (x, y, radius)."""
    middle = np.full((len(_RADII), 2), 0.5)
    whole = coverage(kind, middle, _RADII, size)
    shifts = np.linspace(-0.75, 0.75, 7) / size
    grid = np.stack(np.meshgrid(shifts, shifts, _RADII, indexing="ij"), -1)
    places = grid.reshape(-1, 3) + np.array([0.5, 0.5, 0])
    return whole, coverage(kind, places[:, :2], places[:, 2], size).reshape(len(places), -1), places


def judge(
    frames: UInt8[np.ndarray, "n c h w"],
    labels: Mapping[str, Shaped[np.ndarray, "n ..."]],
) -> dict[str, float]:
    """Shares of pictures with the right shape and colour, and with each thing that went wrong.

    The paper's categories, exclusive and in this order: ``vanished``, ``wrong_colour``,
    ``wrong_shape`` (in the right colour), ``right``; they sum to 1. A right shape may be in a wrong
    place: ``in_place`` is the share of pictures that are right and whose shape lies at most half
    its radius from where it should be.

    Args:
        frames: pictures of the shapes world.
        labels: its ground truth: ``kind``, ``colour``, ``position`` and ``size`` of each picture.
    """
    counts = {"right": 0, "in_place": 0, "wrong_shape": 0, "wrong_colour": 0, "vanished": 0}
    for n, frame in enumerate(frames):
        seen = look(frame)
        if seen.colour < 0:
            counts["vanished"] += 1
        elif seen.colour != labels["colour"][n]:
            counts["wrong_colour"] += 1
        elif seen.kind != labels["kind"][n]:
            counts["wrong_shape"] += 1
        else:
            counts["right"] += 1
            away = np.linalg.norm(np.array(seen.position) - labels["position"][n])
            counts["in_place"] += bool(away <= labels["size"][n] / 2)
    return {name: count / len(frames) for name, count in counts.items()}
