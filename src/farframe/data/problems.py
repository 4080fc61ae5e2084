"""What can be wrong with data that reads well: found in frames and numbers, told in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

import numpy as np
from jaxtyping import Float, UInt8

EXAMPLES = 3
"""Places that a problem names."""
FROZEN_FRAMES, FROZEN_SECONDS = 5, 0.5
"""A picture that stands still for both is a fault; a robot that waits for less is not."""
REPEATED_SHARE = 0.2
"""Of frames equal to the one before, from which the true rate must be lower."""
CUT_LEVEL, CUT_TIMES, CUT_AROUND = 8.0, 6.0, 3.0
"""A cut changes pixels by this many grey levels on average, by this many times the clip's median
change, and by this many times what the frames around it change."""
AROUND = 4  # frames on either side of a cut that must be calmer
SCALES_APART = 1000.0
"""Spreads of two numbers of one action, one divided by the other, that no network likes."""

TITLES: Mapping[str, str] = {
    "unreadable": "can't be read",
    "leak": "the same recording in different splits: what is tested was trained on",
    "duplicate": "the same recording twice",
    "range": "no pixel is above 2 of 255: pictures from 0 to 1 stored as bytes",
    "constant": "every frame of a stretch is the same",
    "blank": "frames of a single colour",
    "frozen": "the picture stands still",
    "repeats": "frames repeat: the true rate is lower (give --data.fps)",
    "cut": "a scene ends and another begins",
    "not finite": "numbers that are NaN or infinite",
    "zeros": "all zero: lost, or never there (--data.controls zeros says that this is meant)",
    "scales": "numbers of very different size: scale them alike",
    "short": "too short for a clip, and left out",
}
"""Every kind of problem, the worst first."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A kind of problem, in how many places it was found, and the first of them."""

    kind: str
    count: int
    places: tuple[str, ...]

    def lines(self) -> list[str]:
        """What it is, then where."""
        more = self.count - len(self.places)
        rest = [f"and {more:,} more"] if more > 0 else []
        return [f"{self.count:,} x {TITLES[self.kind]}", *self.places, *rest]


def gathered(found: Iterable[tuple[str, str]]) -> tuple[Problem, ...]:
    """Problems from pairs of kind and place, the worst first."""
    places: dict[str, list[str]] = {}
    for kind, place in found:
        places.setdefault(kind, []).append(place)
    return tuple(
        Problem(kind=kind, count=len(places[kind]), places=tuple(places[kind][:EXAMPLES]))
        for kind in TITLES
        if kind in places
    )


def in_frames(
    frames: UInt8[np.ndarray, "t c h w"], name: str, first: int, fps: float
) -> Iterator[tuple[str, str]]:
    """Problems of consecutive frames of a recording, of which ``first`` is the number of the first.

    ``fps`` is their rate.
    """
    if not len(frames):
        return
    if frames.max() <= 2 and frames.any():
        yield "range", f"{name} (highest {frames.max()})"
        return
    blank = np.flatnonzero((np.ptp(frames, (2, 3)) <= 2).all(1))
    if len(blank) == len(frames):
        yield "blank", f"{name}, all of {len(frames)} frames from {first} on"
        return
    changes = changed(frames)
    still = changes == 0
    if len(still) and still.all():
        yield "constant", f"{name}, {len(frames)} frames from {first} on"
        return
    if len(blank):
        yield "blank", f"{name}, {len(blank)} frames, the first {first + blank[0]}"
    least = max(FROZEN_FRAMES, round(FROZEN_SECONDS * fps))
    repeats = np.zeros_like(still)  # frames shown a few times over: a higher rate than the true one
    for start, stop in _runs(still):
        if stop - start + 1 >= least:
            yield "frozen", f"{name}, frames {first + start} to {first + stop}"
        repeats[start:stop] = stop - start < FROZEN_FRAMES
    count = int(repeats.sum())
    if count >= FROZEN_FRAMES and count >= REPEATED_SHARE * len(still):
        yield "repeats", f"{name}, {count} of {len(frames)} frames from {first} on"
    moments = np.flatnonzero(~repeats)
    for place in cuts(changes[moments]):
        yield "cut", f"{name}, frame {first + int(moments[place]) + 1}"


def changed(frames: UInt8[np.ndarray, "t c h w"]) -> Float[np.ndarray, " d"]:
    """Mean absolute difference, in grey levels, of each frame from the one before."""
    return np.array([np.abs(a.astype(np.int16) - b).mean() for a, b in pairwise(frames)])


def cuts(changes: Float[np.ndarray, " d"]) -> list[int]:
    """Which changes begin a new scene, from how much each frame differs from the one before.

    What is large is measured by the stretch itself, so that fast motion is none and a cut
    between two quiet pictures is one. A single odd frame (a flash) changes twice and is none.
    """
    found: list[int] = []
    usual = float(np.median(changes)) if len(changes) else 0.0
    for i in np.flatnonzero((changes >= CUT_LEVEL) & (changes >= CUT_TIMES * usual)).tolist():
        around = np.concatenate((changes[max(0, i - AROUND) : i], changes[i + 1 : i + 1 + AROUND]))
        if len(around) and changes[i] >= CUT_AROUND * around.max():
            found.append(i)
    return found


def _runs(marks: np.ndarray) -> list[tuple[int, int]]:
    """Start and stop of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], marks.astype(np.int8), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def in_numbers(
    values: Float[np.ndarray, "n k"], what: str, zeros_meant: bool = False
) -> Iterator[tuple[str, str]]:
    """Problems of all actions, or all poses, that were read; ``what`` they are."""
    if not values.size:
        return
    finite = np.isfinite(values)
    if not finite.all():
        columns = np.flatnonzero(~finite.all(0)).tolist()
        rows = int((~finite.all(1)).sum())
        yield "not finite", f"{what}, {rows} of {len(values)} frames, number(s) {_listed(columns)}"
    values = values[finite.all(1)]
    if not len(values):
        return
    if not values.any():
        if not zeros_meant:
            yield "zeros", f"{what}, {values.shape[1]} numbers in {len(values)} frames"
        return
    spreads = values.std(0, dtype=np.float64)
    moving = np.flatnonzero(spreads > 1e-6 * np.maximum(1e-30, np.abs(values).max(0)))
    if len(moving) > 1:
        low, high = (moving[f(spreads[moving])] for f in (np.argmin, np.argmax))
        if spreads[high] > SCALES_APART * spreads[low]:
            yield (
                "scales",
                f"{what}, number {high} spreads by {spreads[high]:.3g}, number {low} by "
                f"{spreads[low]:.3g}",
            )


def constant_numbers(values: Float[np.ndarray, "n k"]) -> list[int]:
    """Which numbers never change; no problem by itself (a gripper that stays closed)."""
    return np.flatnonzero(np.ptp(values, 0) == 0).tolist() if len(values) else []


def imprint(frames: UInt8[np.ndarray, "t c h w"]) -> str:
    """The same for the same pictures; "" for pictures that don't move, many of which are alike."""
    if len(frames) < 2 or (frames == frames[:1]).all():
        return ""
    return blake2b(np.ascontiguousarray(frames).tobytes(), digest_size=16).hexdigest()


def twice(
    imprints: Mapping[str, str], splits: Mapping[str, frozenset[str]]
) -> Iterator[tuple[str, str]]:
    """Recordings (by name) of equal imprints; worse where their splits differ."""
    alike: dict[str, list[str]] = {}
    for name, mark in imprints.items():
        if mark:
            alike.setdefault(mark, []).append(name)
    for names in alike.values():
        for name in names[1:]:
            one, other = splits.get(names[0], frozenset()), splits.get(name, frozenset())
            if one and other and one != other:
                parts = f"({'/'.join(sorted(one))}) and {name} ({'/'.join(sorted(other))})"
                yield "leak", f"{names[0]} {parts}"
            else:
                yield "duplicate", f"{names[0]} and {name}"


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")
