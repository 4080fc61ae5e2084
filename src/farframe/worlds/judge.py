"""Is the right shape in the right colour still there? Measured from the picture alone.

The automatic form of the paper's question to people (its Table 1). The picture is compared with
the world's own drawings of every kind at every nearby place and size; colour and presence come
from how far pixels are from the known background.
"""

from __future__ import annotations

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
    mass_offset,
)

PRESENT = 0.35  # share of the smallest shape's area that must be covered for it to be there
_SHIFTS = np.linspace(-0.04, 0.04, 7)  # sides around the centre of mass where templates are tried
_RADII = np.linspace(0.85 * RADIUS_MIN, 1.15 * RADIUS_MAX, 9)


@dataclass(frozen=True)
class Seen:
    """What is in one picture: ``kind`` and ``colour`` are indices, or -1 if nothing is there.

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
    strength = np.abs(away).max(0)
    present = strength > 40
    if present.sum() < PRESENT * np.pi * (RADIUS_MIN * size) ** 2:
        return NOTHING
    weights = strength * present
    mean = (away * weights).sum((1, 2)) / weights.sum()
    directions = np.array(list(COLOURS.values()), np.float64) - np.array(BACKGROUND)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    colour = int(np.argmax(directions @ mean))
    # how much of each pixel is covered: its distance along the colour that the shape really has
    cover = np.clip((away * mean[:, None, None]).sum(0) / (mean @ mean), 0, 1.2)
    axis = (np.arange(size) + 0.5) / size
    centre = ((cover.sum(0) * axis).sum(), (cover.sum(1) * axis).sum()) / cover.sum()
    kind, position, radius = _best_template(cover, centre)
    return Seen(kind=kind, colour=colour, position=position, size=radius)


def _best_template(
    cover: Float[np.ndarray, "h w"], centre: Float[np.ndarray, " 2"]
) -> tuple[int, tuple[float, float], float]:
    """The kind, place and radius whose drawing correlates best with the covered pixels."""
    size = len(cover)
    best = (-np.inf, 0, (0.0, 0.0), 0.0)
    corner = np.rint(centre * size - size / 2).astype(int)
    moved = np.roll(cover, (-corner[1], -corner[0]), (0, 1)).ravel()
    for kind in range(len(KINDS)):
        bank, places = _templates(kind, size)
        scores = bank @ (moved / (np.linalg.norm(moved) + 1e-9))
        n = int(np.argmax(scores))
        if scores[n] > best[0]:
            x, y = (places[n, :2] + corner / size).tolist()  # undo the roll to the middle
            best = (float(scores[n]), kind, (x, y), float(places[n, 2]))
    return best[1], best[2], best[3]


@lru_cache(maxsize=16)
def _templates(
    kind: int, size: int
) -> tuple[Float[np.ndarray, "n pixels"], Float[np.ndarray, "n 3"]]:
    """Unit-norm drawings of a kind around the middle of the frame, with their (x, y, radius)."""
    grid = np.stack(np.meshgrid(_SHIFTS, _SHIFTS, _RADII, indexing="ij"), -1)
    places = grid.reshape(-1, 3) + np.array([0.5, 0.5, 0])
    places[:, 1] -= mass_offset(kind) * places[:, 2]
    bank = coverage(kind, places[:, :2], places[:, 2], size).reshape(len(places), -1)
    return bank / np.linalg.norm(bank, axis=1, keepdims=True), places


def judge(
    frames: UInt8[np.ndarray, "n c h w"],
    kinds: Shaped[np.ndarray, " n"],
    colours: Shaped[np.ndarray, " n"],
) -> dict[str, float]:
    """Shares of pictures with the right shape and colour, and with each thing that went wrong.

    The paper's categories, exclusive and in this order: ``vanished``, ``wrong_colour``,
    ``wrong_shape`` (in the right colour), ``right``; they sum to 1.
    """
    counts = {"right": 0, "wrong_shape": 0, "wrong_colour": 0, "vanished": 0}
    for frame, kind, colour in zip(frames, kinds, colours, strict=True):
        seen = look(frame)
        if seen.kind < 0:
            counts["vanished"] += 1
        elif seen.colour != colour:
            counts["wrong_colour"] += 1
        elif seen.kind != kind:
            counts["wrong_shape"] += 1
        else:
            counts["right"] += 1
    return {name: count / len(frames) for name, count in counts.items()}
