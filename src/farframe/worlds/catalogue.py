"""The worlds that data can be made of, by name."""

from __future__ import annotations

from typing import get_args

from farframe.worlds.humans import Humans
from farframe.worlds.robot_push import RobotPush
from farframe.worlds.shapes_world import ShapesWorld

AnyWorld = RobotPush | Humans | ShapesWorld
WORLDS: dict[str, type[AnyWorld]] = {world.name: world for world in get_args(AnyWorld)}
