"""The skeleton that every motion is told in: segments, how they hang together, where joints are.

Axes: x forward, y up, z to the right of the person. At rest the person stands upright, arms and
legs hanging straight down, feet pointing forward. A segment turns about its own upper joint.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from farframe.worlds.quaternions import multiply, rotate

SEGMENTS = (
    "pelvis", "chest", "head",
    "right thigh", "right shin", "right foot", "right arm", "right forearm", "right hand",
    "left thigh", "left shin", "left foot", "left arm", "left forearm", "left hand",
)  # fmt: skip
PARENTS = (-1, 0, 1, 0, 3, 4, 1, 6, 7, 0, 9, 10, 1, 12, 13)
MIRRORED = (0, 1, 2, 9, 10, 11, 12, 13, 14, 3, 4, 5, 6, 7, 8)
"""The segment that each becomes in a mirror."""

JOINT_NAMES = (
    "pelvis", "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
    "spine", "thorax", "neck", "head top",
    "left shoulder", "left elbow", "left wrist", "right shoulder", "right elbow", "right wrist",
)  # fmt: skip
"""The joints of labels, in Human3.6M's order of 17."""

Points = Float[np.ndarray, "t n 3"]
Place = tuple[float | int, float | int, float | int]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The lengths of a body in metres (the defaults: the body most motions were recorded with)."""

    hip_width: float = 0.17  # from hip to hip
    thigh: float = 0.4215
    shin: float = 0.41
    ankle: float = 0.085  # above the floor
    foot: float = 0.17  # ankle to tip of the toes, level
    waist: float = 0.236  # hips to the joint of the chest
    chest: float = 0.224  # to the base of the neck
    shoulder_width: float = 0.366
    arm: float = 0.275
    forearm: float = 0.259
    hand: float = 0.17
    neck: float = 0.1
    head: float = 0.23  # chin to crown

    @property
    def leg(self) -> float:
        """Hip to floor: what distances walked are in proportion to."""
        return self.thigh + self.shin + self.ankle

    @property
    def height(self) -> float:
        """Floor to crown, standing."""
        return self.leg + self.waist + self.chest + self.neck + self.head

    def offsets(self) -> Float[np.ndarray, "segments 3"]:
        """Where each segment's joint lies in its parent."""
        right = [
            (0, 0, self.hip_width / 2), (0, -self.thigh, 0), (0, -self.shin, 0),
            (-0.01, self.chest - 0.01, self.shoulder_width / 2), (0, -self.arm, 0),
            (0, -self.forearm, 0),
        ]  # fmt: skip
        left = [(x, y, -z) for x, y, z in right]
        trunk = [(0, 0, 0), (0, self.waist, 0), (0, self.chest, 0)]
        return np.array(trunk + right + left, np.float64)

    def feelers(self) -> list[tuple[int, Place, float | int]]:
        """Points that may touch the floor: segment, place in it, how thick the flesh is there."""
        found: list[tuple[int, Place, float | int]] = [
            (0, (-0.06, 0, 0), 0.08), (1, (-0.06, 0.1, 0), 0.08), (1, (0.06, 0.1, 0), 0.08),
            (2, (0.01, self.neck + self.head / 2, 0), self.head / 2),
        ]  # fmt: skip
        for first in (3, 9):
            found += [
                (first, (0, -self.thigh, 0), 0.06), (first + 1, (0, -self.shin, 0), 0.05),
                (first + 2, (-0.06, -self.ankle, 0), 0),
                (first + 2, (self.foot, -self.ankle, 0), 0),
                (first + 3, (0, 0, 0), 0.06), (first + 4, (0, 0, 0), 0.04),
                (first + 5, (0, 0, 0), 0.03), (first + 5, (0, -self.hand, 0), 0.01),
            ]  # fmt: skip
        return found


@dataclass(frozen=True)
class Posed:
    """Segments in the world: ``turns`` (t, segments, 4) and their joints ``places``."""

    turns: Float[np.ndarray, "t segments 4"]
    places: Float[np.ndarray, "t segments 3"]

    def point(self, segment: int, place: Place) -> Float[np.ndarray, "t 3"]:
        """Where a point of a segment is in the world."""
        return self.places[:, segment] + rotate(self.turns[:, segment], np.array(place, np.float64))

    def moved(self, by: Float[np.ndarray, "t 3"]) -> Posed:
        """The whole body elsewhere."""
        return Posed(self.turns, self.places + by[:, None])


def pose(
    frame: Frame, local: Float[np.ndarray, "t segments 4"], root: Float[np.ndarray, "t 3"]
) -> Posed:
    """Turns of segments in their parents, and the place of the hips -> segments in the world."""
    turns, places = np.empty_like(local), np.empty((*local.shape[:2], 3))
    offsets = frame.offsets()
    for n, parent in enumerate(PARENTS):
        if parent < 0:
            turns[:, n], places[:, n] = local[:, n], root
        else:
            turns[:, n] = multiply(turns[:, parent], local[:, n])
            places[:, n] = places[:, parent] + rotate(turns[:, parent], offsets[n])
    return Posed(turns, places)


def lowest(frame: Frame, posed: Posed) -> Float[np.ndarray, " t"]:
    """Height of the body's lowest point."""
    return np.min(
        [posed.point(n, place)[:, 1] - thick for n, place, thick in frame.feelers()], axis=0
    )


def outline(frame: Frame, posed: Posed) -> Float[np.ndarray, "n 3"]:
    """Points on the outside of the body, over all times."""
    reach = [posed.point(n, place) for n, place, _ in frame.feelers()]
    top = posed.point(2, (0.0, frame.neck + frame.head + 0.03, 0.0))
    return np.concatenate([*reach, top])


def joints(frame: Frame, posed: Posed) -> Points:
    """The joints of ``JOINT_NAMES`` in the world."""
    at = posed.places
    spine = (at[:, 0] + at[:, 1]) / 2
    neck = posed.point(2, (0.01, frame.neck, 0))
    top = posed.point(2, (0.01, frame.neck + frame.head, 0))
    limbs = [at[:, n] for n in (0, 3, 4, 5, 9, 10, 11)]
    arms = [at[:, n] for n in (12, 13, 14, 6, 7, 8)]
    return np.stack([*limbs, spine, at[:, 2], neck, top, *arms], 1)
