"""Shares and quantiles over clips, each with an interval of 95 %."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float

from farframe.evaluation.tally import CONFIDENCE, Estimate, significant


@dataclass(frozen=True)
class Quartiles:
    """The median of some numbers, its interval, and the quartiles; infinity stands for none.

    The interval is None where there are too few numbers for one.
    """

    median: Estimate
    lower: float
    upper: float

    def to_json(self) -> dict[str, float | None]:
        """As a mapping of JSON's types: null for what is not finite."""
        median = self.median
        values = {"median": median.mean, "low": median.low, "high": median.high}
        values |= {"lower_quartile": self.lower, "upper_quartile": self.upper}
        return {n: significant(v) if v is not None and math.isfinite(v) else None
                for n, v in values.items()}  # fmt: skip


def share(of: Bool[np.ndarray, " clips"]) -> Estimate:
    """The share of clips, with Wilson's interval."""
    return wilson(float(of.mean()), len(of))


def wilson(p: float, count: int) -> Estimate:
    """A share of ``count`` clips with Wilson's interval.

    Resampling would say that a share of 0 or 1 is certain; Wilson's interval of 0 in 64 clips
    reaches to 5.7 %.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    spread = z / (1 + z * z / count) * math.sqrt(p * (1 - p) / count + (z / (2 * count)) ** 2)
    low, high = max(0.0, middle - spread), min(1.0, middle + spread)
    return Estimate(p, min(low, p), max(high, p))


def quartiles(values: Float[np.ndarray, " clips"]) -> Quartiles:
    """Median and quartiles of numbers that may be infinite, each one of the numbers themselves.

    The median's interval lies between order statistics: whatever the distribution, it covers the
    true median in 95 % of samples or more. Below six numbers there is none.
    """
    ordered = np.sort(values)
    count = len(ordered)
    lower, median, upper = (float(ordered[math.ceil(q * count) - 1]) for q in (0.25, 0.5, 0.75))
    rank = _rank(count)
    if rank is None:
        return Quartiles(Estimate(median), lower, upper)
    low, high = float(ordered[rank]), float(ordered[count - 1 - rank])
    return Quartiles(Estimate(median, low, high), lower, upper)


def _rank(count: int) -> int | None:
    """The largest r such that the median lies outside of the r-th from either end in 5 % or less.

    The chance that at most r of ``count`` numbers lie below the median is binomial.
    """
    found, below = None, 0.0
    for r in range(count // 2):
        below += math.exp(
            math.lgamma(count + 1)
            - math.lgamma(r + 1)
            - math.lgamma(count - r + 1)
            - count * math.log(2)
        )
        if below > (1 - CONFIDENCE) / 2:
            break
        found = r
    return found
