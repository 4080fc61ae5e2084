"""Shares and medians over clips: against SciPy's intervals, and where numbers are infinite."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from farframe.studies.estimates import quartiles, share, wilson


@pytest.mark.parametrize(("right", "count"), [(0, 64), (1, 8), (40, 64), (256, 256)])
def test_a_share_has_wilsons_interval(right: int, count: int) -> None:
    found = share(np.arange(count) < right)
    expected = binomtest(right, count).proportion_ci(method="wilson")
    assert found.mean == right / count
    assert [found.low, found.high] == pytest.approx([expected.low, expected.high], abs=1e-12)
    assert wilson(right / count, count) == found


@pytest.mark.parametrize("count", [6, 7, 30, 64, 257])
def test_the_medians_interval_is_as_wide_as_it_must_be_and_no_wider(count: int) -> None:
    numbers = np.random.default_rng(count).permutation(count).astype(float)
    median = quartiles(numbers).median
    assert median.low is not None
    below = round(median.low)  # as many numbers lie below the interval, and above
    assert median.high == count - 1 - below
    assert 2 * binom.cdf(below, count, 0.5) <= 0.05 < 2 * binom.cdf(below + 1, count, 0.5)


def test_quartiles_are_numbers_of_the_sample() -> None:
    found = quartiles(np.array([4.0, 1.0, 2.0, 3.0, np.inf, np.inf, np.inf, 5.0]))
    assert (found.lower, found.median.mean, found.upper) == (2.0, 4.0, np.inf)
    written = found.to_json()
    assert json.dumps(written, allow_nan=False)
    assert written["upper_quartile"] is None
    assert written["high"] is None
    assert quartiles(np.ones(5)).median.low is None
