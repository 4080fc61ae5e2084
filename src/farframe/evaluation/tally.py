"""Means over clips with bootstrap intervals, of curves that come in clip by clip.

Nothing is kept of a clip. The bootstrap is Poisson's: in each replicate a clip counts as often as a
Poisson number of mean 1 says, which for many clips is the same as drawing them with replacement,
and needs no second look at them. All replicates weigh all curves alike, so the intervals of
differences between curves are paired. A clip of which a curve says nothing at a frame (NaN) doesn't
count there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

CONFIDENCE = 0.95
LEAST_CLIPS = 8  # with fewer an interval says more about chance than about the mean
REPLICATES = 1000


@dataclass(frozen=True)
class Estimate:
    """A mean over clips, and its interval (None with too few clips)."""

    mean: float
    low: float | None = None
    high: float | None = None

    @staticmethod
    def of_json(values: Mapping[str, Any]) -> Estimate:
        """The inverse of ``to_json``."""
        mean, low, high = (values[name] for name in ("mean", "low", "high"))

        return Estimate(float(mean), *(None if v is None else float(v) for v in (low, high)))

    def to_json(self) -> dict[str, float | None]:
        """With six significant digits."""
        values = {"mean": self.mean, "low": self.low, "high": self.high}
        return {name: None if v is None else significant(v) for name, v in values.items()}


@dataclass(frozen=True)
class Curve:
    """Means over clips at each frame, and their intervals (None with too few clips)."""

    mean: Float64[np.ndarray, " t"]
    low: Float64[np.ndarray, " t"] | None = None
    high: Float64[np.ndarray, " t"] | None = None

    def to_json(self) -> dict[str, Any]:
        """With six significant digits."""
        parts = {"mean": self.mean, "low": self.low, "high": self.high}
        return {n: None if p is None else [significant(v) for v in p] for n, p in parts.items()}


class Tally:
    """Sums of curves over clips, plain and as each replicate weighs them.

    Args:
        seed: of the replicates' weights; those of clip n depend on it and n alone.
        replicates: how many (0: none, and no intervals).
    """

    def __init__(self, seed: int = 0, replicates: int = REPLICATES) -> None:
        self.seed, self.replicates = seed, replicates
        self.clips = 0
        self._weights = np.zeros(replicates)
        self._sums: dict[str, np.ndarray] = {}
        self._weighted: dict[str, np.ndarray] = {}
        self._missing: dict[str, np.ndarray] = {}  # clips that don't count, of curves with such
        self._missing_weights: dict[str, np.ndarray] = {}

    def add(self, curves: Mapping[str, Float[np.ndarray, "b t"]]) -> None:
        """Take in some clips: the same names every time; NaN where a clip doesn't count."""
        count = len(next(iter(curves.values())))
        weights = self._draw(count)
        for name, values in curves.items():
            data = values.astype(np.float64)
            if self.clips == 0:
                self._sums[name] = np.zeros(data.shape[1])
                self._weighted[name] = np.zeros((self.replicates, data.shape[1]))
            missing = np.isnan(data)
            if missing.any():
                self._add_missing(name, missing, weights)
                data = np.where(missing, 0.0, data)
            self._sums[name] += data.sum(0)
            self._weighted[name] += weights @ data
        self._weights += weights.sum(1)
        self.clips += count

    @staticmethod
    def joined(tallies: Mapping[str, Tally], names: Sequence[str], frames: int) -> Tally:
        """The last ``frames`` frames of curves that several tallies of the same clips have.

        Named ``<tally>:<name>``, so that ``over`` can take paired differences between tallies.

        Raises:
            ValueError: if they are of other clips, or weigh them otherwise.
        """
        first = next(iter(tallies.values()))
        both = Tally(first.seed, first.replicates)
        both.clips, both._weights = first.clips, first._weights
        for prefix, tally in tallies.items():
            if not np.array_equal(tally._weights, first._weights) or tally.clips != first.clips:
                raise ValueError(
                    f"{prefix} was measured on {tally.clips} clips with seed {tally.seed}, others "
                    f"on {first.clips} with seed {first.seed}: measure both on the same"
                )
            for name in names:
                part = f"{prefix}:{name}"
                both._sums[part] = tally._sums[name][-frames:]
                both._weighted[part] = tally._weighted[name][:, -frames:]
        return both

    @property
    def names(self) -> Sequence[str]:
        """Names of the curves."""
        return tuple(self._sums)

    def counted(self, name: str) -> Float64[np.ndarray, " t"]:
        """How many clips count at each frame."""
        return self.clips - self._missing.get(name, np.zeros_like(self._sums[name]))

    def mean(self, name: str) -> Float64[np.ndarray, " t"]:
        """The mean curve alone; NaN where no clip counts."""
        counted = self.counted(name)
        return np.where(counted > 0, self._sums[name] / np.maximum(counted, 1), np.nan)

    def curve(self, name: str) -> Curve:
        """The mean curve and, frame by frame, its interval."""
        low, high = self._interval(self._replicated(name), self._fewest(name))
        return Curve(self.mean(name), low, high)

    def over(self, name: str, first: int, last: int, minus: str = "") -> Estimate:
        """Mean over frames ``first`` to ``last``, counted from 1; with ``minus`` of a difference.

        The difference is paired: its interval is that of the differences of the same clips.
        """
        part = slice(first - 1, last)
        mean = self.mean(name)[part].mean()
        replicated = self._replicated(name, part).mean(1)
        if minus:
            mean = mean - self.mean(minus)[part].mean()
            replicated = replicated - self._replicated(minus, part).mean(1)
        low, high = self._interval(replicated[:, None], self._fewest(name, part))
        return Estimate(float(mean), *(None if x is None else float(x[0]) for x in (low, high)))

    def first_not_above(self, name: str, other: str, sign: int = 1) -> Estimate:
        """First frame, from 1, at which ``name`` is no longer above ``other`` (below: sign -1).

        One more than there are frames if it is so to the end.
        """
        apart = sign * (self.mean(name) - self.mean(other))
        replicated = sign * (self._replicated(name) - self._replicated(other))
        crossed = _first_crossing(replicated).astype(np.float64)
        low, high = self._interval(crossed[:, None], self._fewest(name))
        first = float(_first_crossing(apart[None])[0])
        return Estimate(first, *(None if x is None else float(np.rint(x[0])) for x in (low, high)))

    def _draw(self, count: int) -> Float64[np.ndarray, "replicates b"]:
        if not self.replicates:
            return np.zeros((0, count))
        clips = range(self.clips, self.clips + count)
        streams = (np.random.Generator(np.random.Philox(key=[self.seed, n])) for n in clips)
        return np.stack([s.poisson(1.0, self.replicates) for s in streams], 1).astype(np.float64)

    def _add_missing(
        self,
        name: str,
        missing: Bool[np.ndarray, "b t"],
        weights: Float64[np.ndarray, "replicates b"],
    ) -> None:
        count = missing.shape[1]
        self._missing.setdefault(name, np.zeros(count))
        self._missing_weights.setdefault(name, np.zeros((self.replicates, count)))
        self._missing[name] += missing.sum(0)
        self._missing_weights[name] += weights @ missing

    def _fewest(self, name: str, part: slice = slice(None)) -> int:
        """Clips that count at the frame at which fewest do."""
        return int(self.counted(name)[part].min())

    def _replicated(
        self, name: str, part: slice = slice(None)
    ) -> Float64[np.ndarray, "replicates t"]:
        """Each replicate's means, without replicates in which no clip counts."""
        sums, weights = self._weighted[name][:, part], self._weights[:, None]
        if name in self._missing_weights:
            weights = weights - self._missing_weights[name][:, part]
        used = (weights > 0).all(1)
        return sums[used] / weights[used]

    def _interval(
        self, replicated: Float64[np.ndarray, "replicates t"], clips: int
    ) -> tuple[Float64[np.ndarray, " t"], Float64[np.ndarray, " t"]] | tuple[None, None]:
        if clips < LEAST_CLIPS or not len(replicated):
            return None, None
        tail = tail_level(clips)
        low, high = np.quantile(replicated, [tail, 1 - tail], axis=0)
        return low, high


def tail_level(clips: int) -> float:
    """Share of replicates to leave out at each end.

    Percentile intervals are too narrow for small samples: their spread is that of n instead of
    n - 1, and their tails are normal instead of Student's. Hesterberg 2015 ("What Teachers Should
    Know about the Bootstrap", 3.3) widens them by exactly that.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    v = clips - 1
    t = z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
    t += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    return NormalDist().cdf(-math.sqrt(clips / v) * t)


def significant(value: float) -> float:
    """With six significant digits: what two machines may still differ in is not written."""
    return float(f"{value:.6g}")


def _first_crossing(apart: Float64[np.ndarray, "n t"]) -> Int[np.ndarray, " n"]:
    lost = apart <= 0
    return np.where(lost.any(1), lost.argmax(1), apart.shape[1]) + 1
