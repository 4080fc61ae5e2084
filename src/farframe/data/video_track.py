"""What one pass over a video file finds out: presentation times, keyframes, picture sizes.

A ``Track`` is all that is needed to say which stored frame is shown at any time, and to check
after a jump in the file that the right frame came out. It goes to JSON and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt32

from farframe.data.square import Turn
from farframe.data.video_times import VideoError

MAX_REPEATS = 1000  # times that resampling may show one stored frame on average
TIE = 1e-6  # seconds: of two equally near frames the earlier is taken, whatever the rounding


@dataclass(frozen=True, kw_only=True)
class Track:
    """The readable frames of a file, numbered from 0 in the order they are shown.

    ``pts`` are the frames' presentation times in units of ``tick`` seconds, or None where the
    file has none that can be trusted: then the frames are ``1 / rate`` apart. ``rate`` is the
    file's own average rate. ``keys`` are keyframes (at some distance from each other),
    ``imprints`` checksums of all pictures. ``sizes`` are the stored picture sizes that occur,
    ``aspect`` is the shape of a stored pixel. ``damage`` says why frames after the last are
    missing.
    """

    length: int
    pts: Int[np.ndarray, " n"] | None
    tick: Fraction
    rate: float
    keys: Int[np.ndarray, " k"]
    imprints: UInt32[np.ndarray, " n"]
    sizes: tuple[tuple[int, int], ...]
    aspect: float
    turn: Turn
    damage: str = ""

    @cached_property
    def times(self) -> Float[np.ndarray, " n"]:
        """Seconds from the first frame to each."""
        if self.pts is None:
            return np.arange(self.length) / self.rate
        return (self.pts - self.pts[0]) * float(self.tick)

    @cached_property
    def _turnovers(self) -> Float[np.ndarray, " m"]:
        """Seconds after which frame i + 1 is the nearest one."""
        return _turnovers(self.times)

    def resampled(self, fps: float) -> tuple[float, int]:
        """Output rate and number of frames at ``fps`` (0: the file's own average rate).

        Output frame k is shown at ``k / rate``, as long as the last stored frame is not passed (by
        more than a quarter of a stored frame: rates are rounded).

        Raises:
            VideoError: if frames would be repeated beyond reason.
        """
        if fps <= 0:
            return self.rate, self.length
        return fps, _count(float(self.times[-1]), self.length, self.rate, fps)

    def nearest(self, frames: Sequence[int] | range, rate: float) -> Int[np.ndarray, " m"]:
        """The stored frame nearest in time to each output frame at ``rate``."""
        return self.at(np.asarray(frames, dtype=np.float64) / rate)

    def at(self, seconds: Float[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
        """The stored frame nearest to each time after the first frame; of two the earlier."""
        return np.searchsorted(self._turnovers, seconds)

    def to_json(self) -> dict[str, Any]:
        """As JSON; times become runs of equal steps, ``[first, [[step, repeats], ...]]``."""
        pts: list[Any] | None = None
        if self.pts is not None:
            steps = np.diff(self.pts)
            starts = np.flatnonzero(np.diff(steps, prepend=steps[:1] - 1)) if len(steps) else steps
            runs = np.diff(starts, append=len(steps))
            pts = [
                int(self.pts[0]),
                [[int(steps[s]), int(n)] for s, n in zip(starts, runs, strict=True)],
            ]
        turn = self.turn
        return {
            "length": self.length,
            "pts": pts,
            "tick": [self.tick.numerator, self.tick.denominator],
            "rate": self.rate,
            "keys": self.keys.tolist(),
            "imprints": self.imprints.astype("<u4").tobytes().hex(),
            "sizes": [list(size) for size in self.sizes],
            "aspect": self.aspect,
            "turn": [turn.transpose, turn.flip_x, turn.flip_y],
            "damage": self.damage,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Track:
        """The inverse of ``to_json``; nothing is taken on trust.

        Raises:
            ValueError, KeyError, TypeError, ArithmeticError: if the data is no track.
        """
        pts, length = None, data["length"]
        _demand(_whole(length) and length > 0)
        if data["pts"] is not None:
            first, runs = data["pts"]
            _demand(all(_whole(step) and _whole(n) and n >= 0 for step, n in runs))
            _demand(_whole(first) and sum(n for _, n in runs) == length - 1)
            steps = [np.full(n, step, dtype=np.int64) for step, n in runs]
            pts = np.cumsum(np.concatenate([np.array([first], dtype=np.int64), *steps]))
        _demand(all(_whole(key) and 0 <= key < length for key in data["keys"]))
        _demand(len(data["imprints"]) == 8 * length)
        _demand(all(_whole(w) and _whole(h) and min(w, h) > 0 for w, h in data["sizes"]))
        _demand(all(isinstance(x, bool) for x in data["turn"]) and isinstance(data["damage"], str))
        for number in (data["rate"], data["aspect"]):
            _demand(isinstance(number, (int, float)) and 0 < number < 1e9)
        return Track(
            length=length,
            pts=pts,
            tick=Fraction(*data["tick"]),
            rate=float(data["rate"]),
            keys=np.array(data["keys"], dtype=np.int64),
            imprints=np.frombuffer(bytes.fromhex(data["imprints"]), "<u4").astype(np.uint32),
            sizes=tuple((w, h) for w, h in data["sizes"]),
            aspect=float(data["aspect"]),
            turn=Turn(*data["turn"]),
            damage=data["damage"],
        )


def resampled(times: Float[np.ndarray, " n"], rate: float, fps: float) -> Int[np.ndarray, " m"]:
    """Which of some moments, about ``1 / rate`` apart from 0 on, is nearest to each ``k / fps``.

    Raises:
        VideoError: if moments would be repeated beyond reason.
    """
    count = _count(float(times[-1]), len(times), rate, fps)
    return np.searchsorted(_turnovers(times), np.arange(count) / fps)


def _turnovers(times: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    return (times[:-1] + times[1:]) / 2 + TIE


def _count(seconds: float, length: int, rate: float, fps: float) -> int:
    """How many frames at ``fps`` are shown of ``length`` stored ones that span ``seconds``."""
    wanted = (seconds + 0.25 / rate) * fps
    if not wanted <= MAX_REPEATS * length:  # infinite rates too
        raise VideoError(
            f"its {length} frames span {seconds:.6g} s: at {fps:g} frames a second each would be "
            f"repeated more than {MAX_REPEATS} times; lower --data.fps"
        )
    return int(wanted) + 1


def _whole(value: object) -> bool:
    """Whether it is an integer that 64 bits hold."""
    return type(value) is int and -(2**63) <= value < 2**63


def _demand(holds: bool) -> None:
    if not holds:
        raise ValueError("no track of a video")
