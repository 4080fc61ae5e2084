"""Is the right shape in the right colour still there? Measured from the picture alone.

The automatic form of the paper's question to people (its Table 1). The picture is compared with
the world's own drawings of every kind at every place and size. What is much paler than the world's
colours, smeared or doubled resembles no drawing, and so it is no shape at all: a half-transparent
ghost of the first frame, alone or beside the true shape, is not right. (A copy of it at full
strength is, wherever it should be: ``in_place`` and the error of position tell.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from jaxtyping import Complex, Float, Shaped, UInt8

from farframe.worlds.shapes import (
    BACKGROUND,
    COLOURS,
    KINDS,
    RADIUS_MAX,
    RADIUS_MIN,
    coverage,
)

PRESENT = 0.35  # share of the smallest shape's area that must be covered for it to be there
UNLIKE = 0.15  # squared difference from the best drawing, as a share of that drawing's square
OPAQUE = 0.7  # share of the world's own colour that the best drawing's place has at least
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
    kind, position, radius, unlike, strength = _best_drawing(cover)
    like = unlike <= UNLIKE and strength >= OPAQUE
    return Seen(kind if like else -1, colour, position, radius)


def _best_drawing(
    cover: Float[np.ndarray, "h w"],
) -> tuple[int, tuple[float, float], float, float, float]:
    """The drawing nearest to the covered pixels: kind, place, radius, how unlike, how opaque.

    All whole-pixel shifts first (one correlation), then fractions of a pixel around the best.
    """
    size = len(cover)
    square, spectrum = (cover**2).sum(), np.fft.rfft2(cover)
    best = (0, (0.0, 0.0), 0.0, np.inf, 0.0)
    for kind in range(len(KINDS)):
        at = _drawings(kind, size)
        fits = np.fft.irfft2(spectrum * at.spectra, s=cover.shape)
        shift = np.unravel_index(np.argmin(1 + (square - 2 * fits) / at.norms), fits.shape)[1:]
        corner = (np.array(shift) + size // 2) % size - size // 2
        moved = np.roll(cover, (-corner[0], -corner[1]), (0, 1))[at.window, at.window]
        shares = at.fine @ moved.ravel().astype(np.float32)
        unlike = 1 + (square - 2 * shares) / at.fine_norms
        n = int(np.argmin(unlike))
        if unlike[n] < best[3]:
            x, y = (at.places[n, :2] + corner[::-1] / size).tolist()
            strength = float(shares[n] / at.fine_norms[n])
            best = (kind, (x, y), float(at.places[n, 2]), float(unlike[n]), strength)
    return best


@dataclass(frozen=True)
class _Drawings:
    """Drawings of a kind in the frame's middle, one a radius, and around it at (x, y, radius).

    Of the former the conjugate spectra, of the latter the pixels of ``window`` (rows and columns),
    outside of which they are empty; the norms are sums of squares.
    """

    spectra: Complex[np.ndarray, "r h w2"]
    norms: Float[np.ndarray, "r 1 1"]
    window: slice
    fine: Float[np.ndarray, "n pixels"]
    fine_norms: Float[np.ndarray, " n"]
    places: Float[np.ndarray, "n 3"]


@lru_cache(maxsize=16)
def _drawings(kind: int, size: int) -> _Drawings:
    middle = np.full((len(_RADII), 2), 0.5)
    whole = coverage(kind, middle, _RADII, size)
    shifts = np.linspace(-0.75, 0.75, 7) / size
    grid = np.stack(np.meshgrid(shifts, shifts, _RADII, indexing="ij"), -1)
    places = grid.reshape(-1, 3) + np.array([0.5, 0.5, 0])
    fine = coverage(kind, places[:, :2], places[:, 2], size)
    used = np.flatnonzero(fine.any((0, 1)) | fine.any((0, 2)))
    window = slice(int(used[0]), int(used[-1]) + 1)
    pixels = fine[:, window, window].reshape(len(places), -1).astype(np.float32)
    return _Drawings(
        spectra=np.conj(np.fft.rfft2(whole)),
        norms=(whole**2).sum((1, 2), keepdims=True),
        window=window,
        fine=pixels,
        fine_norms=(pixels**2).sum(1),
        places=places,
    )


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
        seen, truth = look(frame), {name: values[n] for name, values in labels.items()}
        counts[verdict(seen, truth)] += 1
        counts["in_place"] += in_place(seen, truth)
    return {name: count / len(frames) for name, count in counts.items()}


def verdict(
    seen: Seen, truth: Mapping[str, Any]
) -> Literal["right", "wrong_shape", "wrong_colour", "vanished"]:
    """Which of the categories of ``judge`` a picture with these labels is in."""
    if seen.colour < 0:
        return "vanished"
    if seen.colour != truth["colour"]:
        return "wrong_colour"
    return "right" if seen.kind == truth["kind"] else "wrong_shape"


def in_place(seen: Seen, truth: Mapping[str, Any]) -> bool:
    """Whether a picture is right and its shape at most half its radius from its place."""
    away = np.linalg.norm(np.array(seen.position) - truth["position"])
    return verdict(seen, truth) == "right" and bool(away <= truth["size"] / 2)
