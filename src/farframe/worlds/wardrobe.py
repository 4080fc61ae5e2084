"""What a person wears, and the one picture that all of a person's surfaces are cut from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from farframe.worlds.mesh import Mesh

Colour = tuple[int, int, int]

SHIRTS: tuple[Colour, ...] = (
    (200, 44, 48), (36, 84, 176), (238, 238, 232), (44, 140, 84), (240, 190, 50),
    (60, 60, 68), (226, 120, 46), (130, 70, 160), (110, 182, 220), (232, 140, 170),
    (24, 46, 92), (128, 34, 44), (150, 156, 160), (50, 150, 150),
)  # fmt: skip
TROUSERS: tuple[Colour, ...] = (
    (42, 58, 96), (34, 34, 40), (150, 128, 92), (92, 98, 104), (72, 84, 58),
    (96, 126, 168), (94, 62, 42), (206, 200, 186), (92, 34, 48),
)  # fmt: skip
SHOES: tuple[Colour, ...] = (
    (30, 28, 28), (236, 234, 230), (112, 70, 42), (180, 40, 44), (44, 66, 130), (120, 120, 122),
)  # fmt: skip
SKINS: tuple[Colour, ...] = (
    (244, 208, 180), (232, 186, 150), (212, 160, 120), (176, 122, 84), (130, 84, 56), (94, 60, 42),
)  # fmt: skip
HAIRS: tuple[Colour, ...] = (
    (26, 22, 20), (58, 38, 26), (104, 68, 40), (196, 152, 84), (150, 70, 36), (170, 166, 162),
)  # fmt: skip
PATTERNS = ("plain", "hoops", "stripes", "checks", "band", "print")

_CELLS = ("skin", "face", "hair", "shirt", "sleeve", "trousers", "belt", "shoe", "sole", "sock",
          "hat", "spare", "spare", "spare", "spare", "spare")  # fmt: skip
_SIDE, _CELL = 4, 64  # cells a side, pixels a cell


@dataclass(frozen=True, kw_only=True)
class Outfit:
    """Clothes, their colours and cut; hair and skin."""

    shirt: Colour
    second: Colour  # of the shirt's pattern
    pattern: str  # of PATTERNS
    sleeves: str  # none, short, long
    jacket: bool  # worn open over a shirt of the second colour
    hood: bool
    tucked: bool
    trousers: Colour
    legs: str  # short, long
    wide: float  # trouser legs: 0 narrow, 1 wide
    shoes: Colour
    hair: str  # short, long, tail, bun, bald, hat
    hair_colour: Colour
    hat: Colour
    skin: Colour


def random_outfit(pairs: list[tuple[int, int]], rng: np.random.Generator) -> Outfit:
    """Clothes whose shirt and trousers are one of ``pairs`` (indices into the palettes)."""
    shirt, trousers = pairs[int(rng.integers(len(pairs)))]
    jacket = bool(rng.random() < 0.2)
    pattern = "plain" if jacket or rng.random() < 0.45 else str(rng.choice(PATTERNS[1:]))
    lightness = sum(SHIRTS[shirt])
    others = [c for c in SHIRTS if abs(sum(c) - lightness) > 150]
    return Outfit(
        shirt=_near(SHIRTS[shirt], rng),
        second=_near(_one(others, rng), rng),
        pattern=pattern,
        sleeves="long" if jacket else str(rng.choice(["none", "short", "long"], p=[0.1, 0.5, 0.4])),
        jacket=jacket,
        hood=bool(rng.random() < (0.5 if jacket else 0.1)),
        tucked=bool(not jacket and rng.random() < 0.4),
        trousers=_near(TROUSERS[trousers], rng),
        legs=str(rng.choice(["short", "long"], p=[0.25, 0.75])),
        wide=float(rng.random()),
        shoes=_near(_one(SHOES, rng), rng),
        hair=str(
            rng.choice(
                ["short", "long", "tail", "bun", "bald", "hat"],
                p=[0.4, 0.2, 0.12, 0.08, 0.06, 0.14],
            )
        ),
        hair_colour=_near(_one(HAIRS, rng), rng),
        hat=_near(_one(SHIRTS, rng), rng),
        skin=_near(_one(SKINS, rng), rng),
    )


def cell(mesh: Mesh, name: str, along: tuple[float | int, float | int] = (0, 1)) -> Mesh:
    """A mesh textured by a cell of the picture, of which it gets a part of the height."""
    place = _CELLS.index(name)
    corner = np.array([place % _SIDE, place // _SIDE])
    edge = 1.5 / _CELL  # half a pixel from the neighbours at least
    inner = 1 - 2 * edge
    low = (corner + np.array([edge, edge + along[0] * inner])) / _SIDE
    high = (corner + np.array([edge + inner, edge + along[1] * inner])) / _SIDE
    return mesh.textured((low[0], low[1]), (high[0], high[1]))


def picture(outfit: Outfit, rng: np.random.Generator) -> UInt8[np.ndarray, "h w c"]:
    """The picture that ``cell`` refers to; its first row is v = 0."""
    plain: dict[str, Colour] = {
        "skin": outfit.skin, "hair": outfit.hair_colour, "trousers": outfit.trousers,
        "belt": (52, 36, 26), "shoe": outfit.shoes, "sock": (228, 228, 224), "hat": outfit.hat,
        "sole": (214, 210, 204) if sum(outfit.shoes) < 600 else (96, 92, 90),
    }  # fmt: skip
    whole = np.zeros((_SIDE * _CELL, _SIDE * _CELL, 3))
    for n, name in enumerate(_CELLS):
        if name == "face":
            painted = _face(outfit)
        elif name == "shirt":
            painted = _shirt(outfit, rng)
        elif name == "sleeve":
            painted = _sleeve(outfit)
        else:
            painted = np.tile(np.array(plain.get(name, (128, 128, 128)), float), (_CELL, _CELL, 1))
        if name in ("hair", "trousers"):  # strands, folds
            painted = painted * (1 + 0.06 * rng.standard_normal((1, _CELL, 1)))
        row, column = n // _SIDE * _CELL, n % _SIDE * _CELL
        whole[row : row + _CELL, column : column + _CELL] = painted
    return np.clip(np.rint(whole), 0, 255).astype(np.uint8)


def _grid() -> tuple[Float[np.ndarray, "v u"], Float[np.ndarray, "v u"]]:
    """v (upwards) and u (around, 0.5 is in front) of a cell's pixels."""
    line = (np.arange(_CELL) + 0.5) / _CELL
    v, u = np.meshgrid(line, line, indexing="ij")
    return v, u


def _face(outfit: Outfit) -> Float[np.ndarray, "v u c"]:
    """Skin with eyes, brows and a mouth."""
    v, u = _grid()
    skin = np.array(outfit.skin, float)
    face = np.tile(skin, (_CELL, _CELL, 1))
    aside = np.abs(u - 0.5)
    face[(np.abs(v - 0.22) < 0.025) & (aside < 0.06)] = skin * (0.8, 0.5, 0.5)
    face[(np.abs(v - 0.52) < 0.035) & (np.abs(aside - 0.075) < 0.04)] = (236, 234, 230)
    face[(np.abs(v - 0.52) < 0.04) & (np.abs(aside - 0.072) < 0.022)] = (38, 28, 24)
    brow = np.array(outfit.hair_colour, float) * 0.8
    face[(np.abs(v - 0.62) < 0.018) & (np.abs(aside - 0.075) < 0.05)] = brow
    return face


def _shirt(outfit: Outfit, rng: np.random.Generator) -> Float[np.ndarray, "v u c"]:
    """From the hips (v = 0) to the neck (v = 1), its middle in front."""
    v, u = _grid()
    front = np.abs(u - 0.5)
    if outfit.jacket:
        second = (front < 0.05 + 0.05 * v) | (front > 1)
    elif outfit.pattern == "hoops":
        second = (v * rng.integers(4, 8)) % 1 < 0.5
    elif outfit.pattern == "stripes":
        second = (u * rng.integers(8, 15)) % 1 < 0.4
    elif outfit.pattern == "checks":
        n = rng.integers(5, 9)
        second = ((u * 2 * n) % 1 < 0.5) ^ ((v * n) % 1 < 0.5)
    elif outfit.pattern == "band":
        second = np.abs(v - 0.66) < 0.1
    elif outfit.pattern == "print":
        second = (front < 0.1) & (np.abs(v - 0.66) < 0.14)
    else:
        second = np.zeros(v.shape, bool)
    shirt = np.where(second[..., None], outfit.second, outfit.shirt).astype(float)
    if not outfit.jacket:  # an open collar
        shirt[(v > 0.95) & (front < 0.12)] = outfit.skin
    return shirt


def _sleeve(outfit: Outfit) -> Float[np.ndarray, "v u c"]:
    v, _ = _grid()
    second = (v * 5 % 1 < 0.5) if outfit.pattern == "hoops" else np.zeros(v.shape, bool)
    return np.where(second[..., None], outfit.second, outfit.shirt).astype(float)


def _one(colours: tuple[Colour, ...] | list[Colour], rng: np.random.Generator) -> Colour:
    return colours[int(rng.integers(len(colours)))]


def _near(colour: Colour, rng: np.random.Generator) -> Colour:
    """A shade of a colour."""
    shade = np.clip(np.array(colour) * rng.uniform(0.9, 1.1) + rng.normal(0, 5, 3), 8, 250)
    r, g, b = (int(c) for c in shade)
    return (r, g, b)
