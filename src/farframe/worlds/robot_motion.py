"""Random pushing: through toys, along the floor, from waypoint to waypoint."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from farframe.worlds.robot_arm import BASE
from farframe.worlds.robot_room import HALF_X, HALF_Y

_MARGIN = 0.05  # from the walls, m: a toy fits between
_SPEED = 0.5  # m/s at most
_STUCK = 0.04  # m behind the command: something is in the way, and the robot gives in
_AIMED = 0.8  # share of waypoints that lie behind a toy
_WRIST = (0.455, 0.78)  # how near and how far from its base the arm can hold its wrist, m
_WRIST_HEIGHT = 0.367  # from the tips to the wrist
_TILT, _TURN = 0.25, 0.8  # largest pitch and yaw, rad


class Motion:
    """Commanded places, one a frame; the next depends on where the toys are.

    ``rate`` is frames per second.
    """

    def __init__(
        self, rng: np.random.Generator, toys: Float[np.ndarray, "n 3"], rate: float
    ) -> None:
        self._rng, self._rate = rng, rate
        limit = np.array([HALF_X, HALF_Y]) - _MARGIN
        self._low = np.array([*-limit, 0.014, -_TILT, -_TURN])
        self._high = np.array([*limit, 0.10, _TILT, _TURN])
        self.place = self._start(toys)
        self._velocity = np.zeros(5)
        self._frames = 0
        self._goal = self.place
        self._speed = 0.0

    def next(
        self, measured: Float[np.ndarray, " 5"], toys: Float[np.ndarray, "n 3"]
    ) -> Float[np.ndarray, " 5"]:
        """The place to be at in the next frame, given where the gripper and the toys are now."""
        if np.linalg.norm((self.place - measured)[:3]) > _STUCK:
            self.place, self._velocity, self._frames = measured, np.zeros(5), 0
        if self._frames <= 0 or np.linalg.norm((self._goal - self.place)[:2]) < 0.02:
            self._aim(toys)
        self._frames -= 1
        away = self._goal - self.place
        most = np.array([self._speed, self._speed, 0.15, 0.5, 1.2]) / self._rate
        wanted = np.clip(away, -most, most)
        wanted[:2] = away[:2] * min(1.0, most[0] / (np.linalg.norm(away[:2]) + 1e-9))
        change = np.array([2.0, 2.0, 1.2, 5.0, 12.0]) / self._rate**2  # accelerations
        self._velocity = self._velocity + np.clip(wanted - self._velocity, -change, change)
        self.place = reachable(np.clip(self.place + self._velocity, self._low, self._high))
        return self.place

    def _aim(self, toys: Float[np.ndarray, "n 3"]) -> None:
        """Choose the next waypoint, and how long to make for it."""
        rng = self._rng
        goal = rng.uniform(self._low, self._high)
        goal[2] = rng.uniform(0.014, 0.028)
        near = toys[(np.abs(toys[:, :2]) < self._high[:2] + 0.03).all(1), :2]
        if len(near) and rng.random() < _AIMED:
            two = near[rng.integers(len(near), size=2)] - self.place[:2]
            way = two[np.argmin(np.linalg.norm(two, axis=1))]  # the nearer of two
            beyond = rng.uniform(0.06, 0.16)
            goal[:2] = self.place[:2] + way * (1 + beyond / (np.linalg.norm(way) + 1e-9))
        elif rng.random() < 0.3:
            goal[2] = rng.uniform(0.05, 0.10)  # sometimes it lifts
        self._goal = np.clip(goal, self._low, self._high)
        self._speed = rng.uniform(0.25, _SPEED)
        self._frames = int(rng.integers(4, 9) * self._rate / 10)

    def _start(self, toys: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " 5"]:
        """A place between the toys: the first of some that is clear, or the clearest."""
        places = self._rng.uniform(self._low, self._high, (24, 5))
        places[:, 2] = self._rng.uniform(0.016, 0.03)
        clear = np.linalg.norm(places[:, None, :2] - toys[None, :, :2], axis=2).min(1)
        return reachable(places[np.argmax(np.minimum(clear, 0.075))])


def reachable(place: Float[np.ndarray, " 5"]) -> Float[np.ndarray, " 5"]:
    """The same place with a pitch that neither folds the arm too far nor stretches it out."""
    away = np.hypot(place[0] - BASE[0], place[1])
    low, high = (np.array(_WRIST) - away) / _WRIST_HEIGHT
    return np.array([*place[:3], np.clip(place[3], low, high), place[4]])
