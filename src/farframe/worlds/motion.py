"""Recorded motions as values: read, mirrored, unrolled, and sampled at any speed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from farframe.worlds.quaternions import about, mirrored, multiply, rotate, slerp, yaw
from farframe.worlds.skeleton import MIRRORED, Frame, lowest, pose

UP = (0.0, 1.0, 0.0)
SEAMLESS = 0.35  # unlikeness of the last and the first pose that a cycle may have


@dataclass(frozen=True)
class Motion:
    """A recording at even times, told in the segments of ``skeleton.py``.

    ``local`` turns each segment in its parent (the pelvis in the world), ``root`` is where the
    hips are, in legs (hip to floor), and ``clearance`` how far the body's lowest point is above
    the floor, in legs: 0 while anything touches it. A cyclic motion ends as it begins.
    """

    name: str
    rate: float  # per second
    local: Float[np.ndarray, "n segments 4"]
    root: Float[np.ndarray, "n 3"]
    clearance: Float[np.ndarray, " n"]
    cyclic: bool = False

    @property
    def seconds(self) -> float:
        """From the first to the last frame."""
        return (len(self.local) - 1) / self.rate

    def mirrored(self) -> Motion:
        """Left and right swapped."""
        local = mirrored(self.local[:, list(MIRRORED)])
        return replace(self, local=local, root=self.root * np.array([1.0, 1.0, -1.0]))

    def reversed(self) -> Motion:
        """Backwards in time."""
        return replace(
            self, local=self.local[::-1], root=self.root[::-1], clearance=self.clearance[::-1]
        )

    def part(self, start: float, stop: float) -> Motion:
        """The frames from ``start`` to ``stop`` (shares of the whole), no longer cyclic."""
        n = len(self.local) - 1
        cut = slice(round(start * n), round(stop * n) + 1)
        return replace(
            self,
            local=self.local[cut],
            root=self.root[cut],
            clearance=self.clearance[cut],
            cyclic=False,
        )

    def unrolled(self, seconds: float) -> Motion:
        """A cyclic motion for at least so long: every turn begins where the last one ended."""
        if not self.cyclic:
            return self
        local, root, low = [self.local], [self.root], [self.clearance]
        for _ in range(int(np.ceil(seconds / self.seconds)) - 1):
            turn = about(UP, yaw(local[-1][-1, 0]) - yaw(self.local[0, 0]))
            following = self.local[1:].copy()
            following[:, 0] = multiply(turn, following[:, 0])
            local.append(following)
            root.append(root[-1][-1] * _LEVEL + rotate(turn, self.root[1:] - self.root[0] * _LEVEL))
            low.append(self.clearance[1:])
        return replace(
            self,
            local=np.concatenate(local),
            root=np.concatenate(root),
            clearance=np.concatenate(low),
            cyclic=False,
        )

    def sampled(self, times: Float[np.ndarray, " k"]) -> Motion:
        """The motion at ``times`` in seconds from its start (held beyond its ends)."""
        at = np.clip(times * self.rate, 0, len(self.local) - 1)
        low = np.minimum(at.astype(int), max(0, len(self.local) - 2))
        high, weight = np.minimum(low + 1, len(self.local) - 1), at - low

        def between(values: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "k ..."]:
            w = weight.reshape(-1, *[1] * (values.ndim - 1))
            return values[low] * (1 - w) + values[high] * w

        local = slerp(
            self.local[low],
            self.local[high],
            np.broadcast_to(weight[:, None], (len(at), self.local.shape[1])),
        )
        return replace(
            self, local=local, root=between(self.root), clearance=between(self.clearance)
        )


_LEVEL = np.array([1.0, 0.0, 1.0])


def unlikeness(a: Float[np.ndarray, "segments 4"], b: Float[np.ndarray, "segments 4"]) -> float:
    """How unlike two poses are but for their heading: the hips' turn and the mean other turn."""
    a, b = a.copy(), b.copy()
    for turns in (a, b):
        turns[0] = multiply(about(UP, -yaw(turns[0])), turns[0])
    angles = 2 * np.arccos(np.clip(np.abs(np.sum(a * b, -1)), 0, 1))
    return float(angles[0] + angles[1:].mean())


def grounded(
    name: str,
    rate: float,
    local: Float[np.ndarray, "n segments 4"],
    root: Float[np.ndarray, "n 3"],
    *,
    wraps: bool = False,
) -> Motion:
    """A motion whose clearance is measured on a standard body; ``root`` is in legs.

    The floor is where the body's lowest point is a tenth of the time: recordings disagree about
    its height by the soles of shoes. One that ``wraps`` is cyclic if it really ends as it begins.
    """
    frame = Frame()
    low = lowest(frame, pose(frame, local, root * frame.leg))
    above = low - np.percentile(low, 10) - 0.02
    cyclic = wraps and unlikeness(local[-1], local[0]) < SEAMLESS
    return Motion(name, rate, local, root, np.maximum(above, 0) / frame.leg, cyclic)
