"""The worlds that data can be made of, by name."""

from __future__ import annotations

from typing import get_args

from farframe.worlds.shapes_world import ShapesWorld

AnyWorld = ShapesWorld
WORLDS: dict[str, type[AnyWorld]] = {w.name: w for w in (get_args(AnyWorld) or (AnyWorld,))}
