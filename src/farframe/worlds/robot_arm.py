"""A KUKA iiwa with a two-finger gripper: where its fingertips are told to go, and where they are.

Places are five numbers, in the order of the robot-push records: x, y, z of the point between the
fingertips (m), pitch and yaw (rad). The frame is the bin's: its origin is the middle of the bin's
floor, x points away from the robot's base, y to its left, z up. With pitch and yaw 0 the gripper
points straight down and closes along y. Pitch tilts it: its tips swing towards the base if it is
positive. Yaw turns all of it about the vertical.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from farframe.worlds.bullet import Bullet
from farframe.worlds.mesh import Numbers

JOINTS = tuple(range(7))
FLANGE = 6  # the last link that the seven joints move
REACH = 0.286  # from the flange to the fingertips, m
BASE = (-0.61, 0.0, -0.012)
MODEL = "kuka_iiwa/kuka_with_gripper2.sdf"
_FINGERS = (7, 8, 10, 11, 13)  # the gripper's mount, two fingers and their tips: kept closed
_REST = (0.0, 0.6, 0.0, -1.65, 0.0, 0.9, 0.0)  # rad, tips over the bin's middle
# The real arm carries its own weight and gives in when it meets resistance. Light links and weak
# motors (N m, joints 1 to 7) do the same: what is under the fingers is not pressed through a floor.
_LIGHTER = 0.3
_FORCES = (25.0, 40.0, 20.0, 22.0, 12.0, 10.0, 5.0)
_GAIN = 0.25  # of the position error that a motor makes good in one physics step


class Arm:
    """The robot in a `Bullet` world."""

    def __init__(self, bullet: Bullet, body: Numbers, accent: Numbers) -> None:
        """``body`` and ``accent``: RGB colours in [0, 1] of the links in turn."""
        self._bullet = bullet
        self.id = bullet.load(bullet.data / MODEL, BASE)
        for link in range(-1, 14):
            bullet.paint(self.id, link, _livery(link, body, accent))
            if link < FLANGE:
                bullet.ghost(self.id, link)  # too high to touch anything: saves collision tests
            if link >= 0:
                bullet.adjust(self.id, link, friction=0.6, mass_times=_LIGHTER)
        self._at = np.array(_REST)

    def jump(self, place: Float[np.ndarray, " 5"]) -> None:
        """Be at a place at once, at rest and with closed fingers."""
        for joint, angle in zip(JOINTS, _REST, strict=True):
            self._bullet.set_joint(self.id, joint, angle)
        for joint in _FINGERS:
            self._bullet.set_joint(self.id, joint, 0.0)
        for _ in range(6):
            self._at = self._solve(place)
            for joint, angle in zip(JOINTS, self._at, strict=True):
                self._bullet.set_joint(self.id, joint, angle)

    def move(self, place: Float[np.ndarray, " 5"], steps: int) -> None:
        """Command a place, to be reached ``steps`` physics steps from now, and let them pass."""
        start, end = self._at, self._solve(place)
        fingers = len(_FINGERS)
        gains = (_GAIN,) * (7 + fingers)
        for n in range(1, steps + 1):
            angles = [*(start + (end - start) * n / steps), *(0.0,) * fingers]
            self._bullet.servo(
                self.id, JOINTS + _FINGERS, angles, gains, _FORCES + (20.0,) * fingers
            )
            self._bullet.step()
        self._at = end

    def joints(self) -> Float[np.ndarray, " 7"]:
        """Measured angles of the seven joints, rad."""
        return self._bullet.angles(self.id, JOINTS)

    def place(self) -> Float[np.ndarray, " 5"]:
        """Where the fingertips are, measured."""
        position, turn = self._bullet.link(self.id, FLANGE)
        yaw = np.arctan2(-turn[0, 1], turn[1, 1])
        pitch = np.arctan2(-turn[:2, 2] @ (np.cos(yaw), np.sin(yaw)), -turn[2, 2])
        return np.array([*(position + REACH * turn[:, 2]), pitch, yaw])

    def _solve(self, place: Float[np.ndarray, " 5"]) -> Float[np.ndarray, " 7"]:
        """Joint angles for a place."""
        pitch, yaw = place[3:]
        down = np.array(
            [-np.sin(pitch) * np.cos(yaw), -np.sin(pitch) * np.sin(yaw), -np.cos(pitch)]
        )
        half = (np.pi + pitch) / 2  # the quaternion of Rz(yaw) Ry(pi + pitch)
        turn = (
            -np.sin(yaw / 2) * np.sin(half),
            np.cos(yaw / 2) * np.sin(half),
            np.sin(yaw / 2) * np.cos(half),
            np.cos(yaw / 2) * np.cos(half),
        )
        return self._bullet.inverse(self.id, FLANGE, place[:3] - REACH * down, turn)[:7]


def _livery(link: int, body: Numbers, accent: Numbers) -> Numbers:
    if link in (-1, 7, 10, 13):
        return (0.16, 0.16, 0.17)
    if link in (2, 5):
        return accent
    return body if link < 6 else (0.62, 0.63, 0.65)
