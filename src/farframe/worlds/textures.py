"""Pictures for floors, walls and what hangs on them, painted from random numbers."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

FLOORS = ("planks", "tiles", "parquet", "carpet", "concrete", "checker")
WALLS = ("plain", "stripes", "bricks", "panels", "dots", "two-tone")
SIZE = 256

Picture = UInt8[np.ndarray, "_ _ 3"]


def floor(kind: str, colour: Float[np.ndarray, " 3"], rng: np.random.Generator) -> Picture:
    """A floor of 4 x 4 m."""
    shade = np.ones((SIZE, SIZE))
    if kind == "planks":
        shade = _planks(12, 3, rng)
    elif kind == "parquet":
        n, side = 8, SIZE // 8
        shade = np.zeros((SIZE, SIZE))
        for row in range(n):
            for column in range(n):
                block = np.repeat(rng.uniform(0.82, 1.05, 4), side // 4)[:, None] * np.ones(side)
                block = block if (row + column) % 2 else block.T
                shade[row * side : (row + 1) * side, column * side : (column + 1) * side] = block
    elif kind == "tiles":
        n = int(rng.integers(6, 11))
        at = np.arange(SIZE) * n / SIZE
        joint = np.minimum(at % 1, 1 - at % 1) < 0.05
        shade = rng.uniform(0.93, 1.04, (n, n))[np.ix_(at.astype(int), at.astype(int))]
        shade = np.where(joint[:, None] | joint[None], 0.72, shade)
    elif kind == "checker":
        at = (np.arange(SIZE) * int(rng.integers(6, 10)) / SIZE).astype(int)
        shade = np.where((at[:, None] + at[None]) % 2, 1.05, float(rng.uniform(0.5, 0.8)))
    rough = 0.05 if kind == "carpet" else 0.02
    shade = shade * (1 + 0.08 * clouds(rng) + rough * rng.standard_normal((SIZE, SIZE)))
    return _shaded(colour, shade)


def wall(
    kind: str,
    colour: Float[np.ndarray, " 3"],
    second: Float[np.ndarray, " 3"],
    rng: np.random.Generator,
) -> Picture:
    """A wall from floor (first row) to ceiling, as wide as it is high."""
    high, across = np.meshgrid(np.arange(SIZE) / SIZE, np.arange(SIZE) / SIZE, indexing="ij")
    where, shade = np.zeros((SIZE, SIZE), bool), np.ones((SIZE, SIZE))
    if kind == "stripes":
        where = (across * int(rng.integers(6, 12))) % 1 < 0.5
    elif kind == "dots":
        n = int(rng.integers(8, 12))
        row = np.floor(high * n)
        where = np.hypot(high * n % 1 - 0.5, (across * n + row % 2 / 2) % 1 - 0.5) < 0.25
    elif kind == "two-tone":
        where = high < rng.uniform(0.3, 0.45)
    elif kind == "panels":
        where = high < 0.36
        edge = np.abs((across * 4) % 1 - 0.5) > 0.46
        shade = np.where(where & (edge | (high > 0.34)), 0.82, 1.0)
    elif kind == "bricks":
        rows = 22
        row = np.floor(high * rows)
        along = across * 8 + row % 2 / 2
        mortar = (high * rows % 1 < 0.14) | (along % 1 < 0.05)
        tone = rng.uniform(0.86, 1.08, (rows, 10))[row.astype(int), along.astype(int)]
        shade = np.where(mortar, 0.78, tone)
    base = np.where(where[..., None], second, colour)
    shade = shade * (1 + 0.04 * clouds(rng) + 0.008 * rng.standard_normal((SIZE, SIZE)))
    shade = np.where(high < 0.04, 0.75, shade)  # skirting board
    return np.clip(np.rint(base * shade[..., None]), 0, 255).astype(np.uint8)


def poster(rng: np.random.Generator) -> Picture:
    """Something framed: blots of colour, or a landscape."""
    line = np.linspace(-1, 1, 64)
    y, x = np.meshgrid(line, line, indexing="ij")
    art = np.ones((64, 64, 3)) * rng.uniform(60, 240, 3)
    if rng.random() < 0.5:
        hills = 0.3 * np.sin(3 * line + rng.uniform(0, 6)) - 0.1
        art[y < hills[None]] = rng.uniform(30, 160, 3)
        sun = np.hypot(x - rng.uniform(-0.5, 0.5), y - 0.5) < 0.22
        art[sun] = rng.uniform(180, 250, 3)
    else:
        for _ in range(int(rng.integers(3, 7))):
            a, b = rng.uniform(-0.8, 0.8, 2)
            art[np.hypot((x - a) * rng.uniform(0.6, 1.6), y - b) < rng.uniform(0.2, 0.5)] = (
                rng.uniform(20, 250, 3)
            )
    border = np.maximum(np.abs(x), np.abs(y))
    art[border > 0.76] = 235
    art[border > 0.88] = rng.choice([30, 90, 200]) * np.array([1.0, 0.85, 0.7])
    return np.clip(art, 0, 255).astype(np.uint8)


def rug(rng: np.random.Generator) -> Picture:
    """A carpet with a border, in muted colours."""
    line = np.abs(np.linspace(-1, 1, 64))
    out = np.maximum(line[:, None], line[None])
    ground, second = rng.uniform(70, 190, (2, 3))
    art = np.where((np.abs(out - 0.8) < 0.06)[..., None], second, ground)
    if rng.random() < 0.5:
        diamonds = ((line[:, None] + line[None]) * 3) % 1 < 0.4
        art = np.where((diamonds & (out < 0.7))[..., None], (second + ground) / 2, art)
    return np.clip(art * (1 + 0.03 * rng.standard_normal((64, 64, 1))), 0, 255).astype(np.uint8)


def window(rng: np.random.Generator) -> Picture:
    """A window by day: sky, something green below, a white cross of bars."""
    line = np.linspace(-1, 1, 64)
    y, x = np.meshgrid(line, line, indexing="ij")
    light = (y[..., None] + 1) / 2
    view = np.array([228.0, 238, 246]) * (1 - light) + np.array([140.0, 186, 232]) * light
    trees = y < -0.35 + 0.2 * np.sin(5 * x + rng.uniform(0, 6))
    view = np.where(trees[..., None], np.array([96.0, 136, 84]) * rng.uniform(0.8, 1.2), view)
    bars = (np.abs(x) < 0.05) | (np.abs(y - 0.2) < 0.04) | (np.maximum(np.abs(x), np.abs(y)) > 0.88)
    return np.where(bars[..., None], 244, view).astype(np.uint8)


def door(colour: Float[np.ndarray, " 3"]) -> Picture:
    """A panelled door with a handle."""
    line = np.linspace(-1, 1, 64)
    y, x = np.meshgrid(line, line, indexing="ij")
    aside, up = np.abs(np.abs(x) - 0.45), np.minimum(np.abs(y - 0.45), np.abs(y + 0.5))
    edge = np.maximum(aside / 0.28, up / 0.34)
    shade = np.where((edge > 0.9) & (edge < 1.05), 0.78, 1.0)
    shade = np.where(np.maximum(np.abs(x), np.abs(y)) > 0.93, 0.7, shade)
    art = colour * shade[..., None]
    art[np.hypot(x - 0.78, (y + 0.05) * 2) < 0.08] = (210, 190, 120)
    return np.clip(art, 0, 255).astype(np.uint8)


def clouds(rng: np.random.Generator) -> Float[np.ndarray, "h w"]:
    """Soft random spots about 0, of deviation 1 or so."""
    total = np.zeros((SIZE, SIZE))
    for cells in (4, 8, 16):
        coarse = rng.standard_normal((cells + 1, cells + 1))
        at = np.arange(SIZE) * cells / SIZE
        low = at.astype(int)
        part = at - low
        part = part * part * (3 - 2 * part)
        rows = coarse[low] * (1 - part[:, None]) + coarse[low + 1] * part[:, None]
        total += rows[:, low] * (1 - part) + rows[:, low + 1] * part
    return total / np.sqrt(3)


def plain(colour: Float[np.ndarray, " 3"]) -> Picture:
    """One colour."""
    return np.tile(np.clip(colour, 0, 255).astype(np.uint8), (8, 8, 1))


def _planks(boards: int, lengths: int, rng: np.random.Generator) -> Float[np.ndarray, "h w"]:
    at = np.arange(SIZE) * boards / SIZE
    board = at.astype(int)
    along = np.arange(SIZE)[None] * lengths / SIZE + rng.random(boards)[board][:, None]
    tone = rng.uniform(0.84, 1.06, (boards, lengths + 1))[board[:, None], along.astype(int)]
    gap = (at % 1 < 0.08)[:, None] | (along % 1 < 0.02)
    return np.where(gap, 0.68, tone)


def _shaded(colour: Float[np.ndarray, " 3"], shade: Float[np.ndarray, "h w"]) -> Picture:
    return np.clip(np.rint(colour * shade[..., None]), 0, 255).astype(np.uint8)
