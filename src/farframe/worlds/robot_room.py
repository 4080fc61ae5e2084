"""What stands still around the robot: a bin on a table. Lengths in metres, from the bin's floor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from farframe.worlds.bullet import Bullet, Solid
from farframe.worlds.mesh import Mesh, box, join, sheet
from farframe.worlds.robot_textures import SURFACES, surface

HALF_X, HALF_Y = 0.25, 0.30  # the bin's inside, from its middle
WALL = 0.075  # height of its walls
_THICK = 0.012
TABLE = -0.012  # height of the table's top


def build_room(bullet: Bullet, rng: np.random.Generator) -> None:
    """Put a bin of random material on a random table."""
    _table(bullet, rng)
    floor = str(rng.choice(SURFACES))
    bullet.body(
        [Solid("box", (HALF_X + 0.02, HALF_Y + 0.02, 0.05), (0.0, 0.0, -0.05))],
        sheet((HALF_X, HALF_Y), 8, 1.0),
        bullet.texture(surface(rng, floor)),
        friction=0.6,
    )
    # thicker to the physics than to the eye, so that nothing is pressed through
    solids = [
        Solid("box", (0.03, HALF_Y + 0.06, 0.06), (s * (HALF_X + 0.03), 0.0, WALL - 0.06))
        for s in (-1, 1)
    ] + [
        Solid("box", (HALF_X + 0.06, 0.03, 0.06), (0.0, s * (HALF_Y + 0.03), WALL - 0.06))
        for s in (-1, 1)
    ]
    height, up = (WALL - TABLE) / 2, (WALL + TABLE) / 2
    walls = [
        box((_THICK / 2, HALF_Y + _THICK, height)).moved((s * (HALF_X + _THICK / 2), 0, up))
        for s in (-1, 1)
    ] + [
        box((HALF_X, _THICK / 2, height)).moved((0, s * (HALF_Y + _THICK / 2), up)) for s in (-1, 1)
    ]
    kind = str(rng.choice(["wood", "cardboard", "laminate"]))
    bullet.body(
        solids,
        join(walls),
        bullet.texture(surface(rng, kind, float(rng.uniform(0.8, 1)))),
        friction=0.3,
    )


def _table(bullet: Bullet, rng: np.random.Generator) -> None:
    """A table top with a hole under the bin, no larger than is seen: pixels cost time."""
    x, y = HALF_X + _THICK / 2, HALF_Y + _THICK / 2
    left, right, far, near = -0.95, 0.7, -1.0, 0.45
    strips = [(far, -x, left, right), (x, near, left, right), (-x, x, left, -y), (-x, x, y, right)]
    sheets: list[Mesh] = []
    for x0, x1, y0, y1 in strips:
        middle = ((x0 + x1) / 2, (y0 + y1) / 2, TABLE)
        strip = sheet(((x1 - x0) / 2, (y1 - y0) / 2), 6, 1.0).moved(middle)
        sheets.append(replace(strip, uvs=strip.vertices[:, :2] + 2.0))  # the picture is 1 m wide
    kind = str(rng.choice(SURFACES))
    bullet.body(
        [Solid("box", (1.5, 1.5, 0.1), (0.0, 0.0, TABLE - 0.1))],
        join(sheets),
        bullet.texture(surface(rng, kind, float(rng.uniform(0.45, 0.9)))),
        friction=0.6,
    )
