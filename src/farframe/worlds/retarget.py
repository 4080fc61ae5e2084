"""Recordings of any human skeleton, told in the segments of ours.

Knees, elbows and the head are found by name, the rest by how it hangs on these. In a recording's
rest pose (all angles zero) the trunk must be upright, but arms and legs may point anywhere: each
segment is turned from where ours points at rest to where theirs does.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from farframe.data.source import DataError
from farframe.worlds.bvh import Capture, read_bvh
from farframe.worlds.motion import Motion, grounded
from farframe.worlds.quaternions import from_axes, inverse, multiply, rotate, swing
from farframe.worlds.skeleton import PARENTS, Frame

RATE = 30.0
SHORTEST = 1.0  # seconds of a recording that can be used
_PARTS = {
    "knee": re.compile(r"((low|lower)?leg|knee|shin|calf|tibia)"),
    "elbow": re.compile(r"(fore?arm|elbow|(low|lower)arm|radius)"),
    "head": re.compile(r"head"),
}
_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
_BETWEEN = re.compile(r"roll|twist", re.IGNORECASE)  # joints that only twist a limb on its way
_DOWN = np.array([0.0, -1.0, 0.0])


def read_motion(path: Path) -> Motion:
    """A BVH file as a motion of our skeleton.

    Raises:
        DataError: if the file is broken, too short, or no person's joints are found in it.
    """
    capture = read_bvh(path)
    who = _Person(path, capture)
    turns, places = capture.world()
    world = multiply(who.upright, multiply(turns[:, who.joints], who.alignments))
    local = world.copy()
    for n, parent in enumerate(PARENTS):
        if parent >= 0:
            local[:, n] = multiply(inverse(world[:, parent]), world[:, n])
    hips = rotate(who.upright, (places[:, who.joints[3]] + places[:, who.joints[9]]) / 2)
    told = Motion(path.name, capture.rate, local, hips / who.leg, np.zeros(len(hips)))
    if _starts_at_rest(local):
        told = told.part(1 / (len(local) - 1), 1.0)
    if told.seconds < SHORTEST:
        raise DataError(f"{path}: {told.seconds:.1f} s long; {SHORTEST:g} s or more are needed")
    even = told.sampled(np.arange(int(told.seconds * RATE) + 1) / RATE)
    return grounded(path.name, RATE, even.local, even.root)


class _Person:
    """Which joint turns each of our segments, and how the recording's axes lie to ours.

    ``alignments`` turn each of our segments at rest into the recording's at rest, ``upright`` the
    recording's world into ours. ``leg`` is hip to floor in the recording's unit.
    """

    def __init__(self, path: Path, capture: Capture) -> None:
        self._path, self._capture = path, capture
        named = {_part(name): n for n, name in reversed(list(enumerate(capture.names)))}
        self.joints = [0, 0, self._named(named, "head", "")]
        for side in ("right", "left"):
            knee, elbow = self._named(named, "knee", side), self._named(named, "elbow", side)
            self.joints += [self._above(knee), knee, self._below(knee)]
            self.joints += [self._above(elbow), elbow, self._below(elbow)]
        thigh, arm = (3, 9), (6, 12)
        self.joints[0] = self._shared(*(self.joints[n] for n in thigh))
        self.joints[1] = self._shared(*(self.joints[n] for n in arm))
        rest = self._rest_places()
        self.leg = float(np.mean([self._leg(rest, n) for n in thigh]))
        trunk = self._trunk(rest)
        self.upright = inverse(from_axes(*self._world_axes(trunk)))
        self.alignments = np.tile(trunk, (len(PARENTS), 1))
        for n in (*thigh, *arm):
            for segment in (n, n + 1):
                bone = rest[self.joints[segment + 1]] - rest[self.joints[segment]]
                bend = swing(rotate(trunk, _DOWN), bone)
                self.alignments[segment] = multiply(bend, trunk)
        for n in arm:
            self.alignments[n + 2] = self.alignments[n + 1]  # hands follow forearms

    def _named(self, named: dict[tuple[str, str], int], part: str, side: str) -> int:
        if (part, side) not in named:
            known = ", ".join(n for n in self._capture.names if not n.endswith(" end"))
            wanted = f"{side} {part}".strip()
            raise DataError(f"{self._path}: no joint is called anything like '{wanted}' ({known})")
        return named[part, side]

    def _above(self, joint: int) -> int:
        parent = self._capture.parents[joint]
        while parent >= 0 and _BETWEEN.search(self._capture.names[parent]):
            parent = self._capture.parents[parent]
        if parent < 0:
            raise DataError(f"{self._path}: nothing hangs above '{self._capture.names[joint]}'")
        return parent

    def _below(self, joint: int) -> int:
        for n, parent in enumerate(self._capture.parents):
            if parent == joint and np.linalg.norm(self._capture.offsets[n]) > 0:
                between = _BETWEEN.search(self._capture.names[n])
                return self._below(n) if between else n
        raise DataError(f"{self._path}: nothing hangs below '{self._capture.names[joint]}'")

    def _shared(self, a: int, b: int) -> int:
        """The lowest joint that two joints both hang on."""
        above = {a}
        while a >= 0:
            above.add(a := self._capture.parents[a])
        while b not in above:
            b = self._capture.parents[b]
        return b

    def _rest_places(self) -> Float[np.ndarray, "joints 3"]:
        places = self._capture.offsets.copy()
        for n, parent in enumerate(self._capture.parents):
            if parent >= 0:
                places[n] += places[parent]
        return places

    def _leg(self, rest: Float[np.ndarray, "joints 3"], thigh: int) -> float:
        hip, knee, ankle = (rest[self.joints[thigh + n]] for n in range(3))
        bones = float(np.linalg.norm(hip - knee) + np.linalg.norm(knee - ankle))
        return bones * Frame().leg / (Frame().thigh + Frame().shin)

    def _trunk(self, rest: Float[np.ndarray, "joints 3"]) -> Float[np.ndarray, " 4"]:
        """The trunk at rest: x to where the person looks, y from the hips to the head."""
        hips = (rest[self.joints[3]] + rest[self.joints[9]]) / 2
        up, right = rest[self.joints[2]] - hips, rest[self.joints[3]] - rest[self.joints[9]]
        forward = np.cross(up, right)
        if np.linalg.norm(forward) < 1e-3 * self.leg**2:
            raise DataError(f"{self._path}: at rest the hips and the head lie in a line")
        return from_axes(forward, _nearest_axis(up))

    def _world_axes(
        self, trunk: Float[np.ndarray, " 4"]
    ) -> tuple[Float[np.ndarray, " 3"], Float[np.ndarray, " 3"]]:
        """Two axes of the recording's world: one level, one up."""
        up = _nearest_axis(rotate(trunk, -_DOWN))
        return np.roll(up, 1), up


def _nearest_axis(v: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
    axis = np.zeros(3)
    n = int(np.argmax(np.abs(v)))
    axis[n] = np.sign(v[n])
    return axis


def _part(name: str) -> tuple[str, str]:
    """What a joint's name says: one of ``_PARTS`` or something else, and the side."""
    bare = name.rsplit(":", 1)[-1]
    words = [w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", bare)]
    sides = [_SIDES[w] for w in words if w in _SIDES]
    rest = "".join(w for w in words if w not in _SIDES)
    if not sides and rest[:1] in ("l", "r"):  # lfemur, rtibia
        for part, pattern in _PARTS.items():
            if part != "head" and pattern.fullmatch(rest[1:]):
                return part, _SIDES[rest[0]]
    for part, pattern in _PARTS.items():
        if pattern.fullmatch(rest):
            return part, sides[0] if sides else ""
    return name, ""


def _starts_at_rest(local: Float[np.ndarray, "n segments 4"]) -> bool:
    """Whether the first frame is a stance for calibration, far from what follows."""
    angles = 2 * np.arccos(np.clip(np.abs(np.sum(local[1:] * local[:-1], -1)), 0, 1)).mean(1)
    return bool(len(angles) > 2 and angles[0] > 0.03 + 5 * np.median(angles[1:]))
