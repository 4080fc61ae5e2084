"""Means over clips and their intervals: against the data at hand, and by simulation."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.stats import norm, t

from farframe.evaluation.tally import Estimate, Tally, tail_level


def filled(curves: dict[str, np.ndarray], batch: int = 7, **options: int) -> Tally:
    tally = Tally(**options)
    count = len(next(iter(curves.values())))
    for start in range(0, count, batch):
        tally.add({name: values[start : start + batch] for name, values in curves.items()})
    return tally


def test_means_are_those_of_all_clips_however_they_came() -> None:
    rng = np.random.default_rng(0)
    curves = {"a": rng.normal(size=(30, 5)), "b": rng.normal(size=(30, 5))}
    for batch in (1, 7, 30):
        tally = filled(curves, batch)
        assert tally.clips == 30
        assert tally.names == ("a", "b")
        np.testing.assert_allclose(tally.mean("a"), curves["a"].mean(0), rtol=1e-12)
        assert tally.over("b", 2, 4).mean == pytest.approx(curves["b"][:, 1:4].mean())
        assert tally.over("a", 1, 5, minus="b").mean == pytest.approx(
            (curves["a"] - curves["b"]).mean()
        )


def test_clips_of_which_nothing_is_said_do_not_count() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=(30, 5))
    values[:25, 2], values[3, 4] = np.nan, np.nan
    full = rng.normal(size=(30, 5))
    tally = filled({"a": values, "b": full})
    np.testing.assert_array_equal(tally.counted("a"), [30, 30, 5, 30, 29])
    np.testing.assert_array_equal(tally.counted("b"), [30] * 5)
    np.testing.assert_allclose(tally.mean("a"), np.nanmean(values, 0), rtol=1e-12)
    np.testing.assert_array_equal(filled({"b": full}).curve("b").low, tally.curve("b").low)
    alone = filled({"a": np.delete(values[:, 4:], 3, 0)}).over("a", 1, 1)
    mine = tally.over("a", 5, 5)
    assert mine.mean == pytest.approx(alone.mean)
    assert mine.low == pytest.approx(alone.low, abs=0.05)  # other weights, as many clips
    assert mine.high == pytest.approx(alone.high, abs=0.05)
    assert tally.over("a", 3, 3).low is None  # five clips are too few
    assert tally.over("a", 1, 2, minus="b").low is not None
    nothing = filled({"a": np.full((9, 2), np.nan)})
    assert np.isnan(nothing.mean("a")).all()
    assert nothing.curve("a").low is None


def test_intervals_depend_on_seed_and_clips_alone() -> None:
    curves = {"a": np.random.default_rng(1).normal(size=(20, 3))}
    one, other = (filled(curves, batch).curve("a") for batch in (3, 20))
    np.testing.assert_allclose(one.low, other.low, rtol=1e-12)
    np.testing.assert_allclose(one.high, other.high, rtol=1e-12)
    seeded = filled(curves, seed=1).curve("a")
    assert seeded.low is not None
    assert not np.allclose(one.low, seeded.low)
    np.testing.assert_allclose(one.low, seeded.low, atol=0.2)


@pytest.mark.parametrize(("draw", "least"), [("normal", 0.925), ("exponential", 0.90)])
@pytest.mark.parametrize("clips", [10, 40])
def test_intervals_cover_the_true_mean_as_often_as_they_say(
    draw: str, least: float, clips: int
) -> None:
    """Of 1,000 samples of known mean, one column each: their intervals are independent."""
    rng = np.random.default_rng(2)
    samples = getattr(rng, draw)(size=(clips, 1000))
    curve = filled({"x": samples}, replicates=1000).curve("x")
    assert curve.low is not None
    assert curve.high is not None
    truth = 0.0 if draw == "normal" else 1.0
    covered = ((curve.low <= truth) & (truth <= curve.high)).mean()
    assert least <= covered <= 0.975
    width = (curve.high - curve.low).mean() / (2 * t.ppf(0.975, clips - 1) / np.sqrt(clips))
    assert width == pytest.approx(1, abs=0.08)


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(3)
    hard = rng.normal(size=(40, 1)) * 10  # clips differ much more than methods do
    curves = {"a": 1 + hard + 0.1 * rng.normal(size=(40, 4)), "b": hard + np.zeros((40, 4))}
    tally = filled(curves)
    gain = tally.over("a", 1, 4, minus="b")
    assert gain.low is not None
    assert gain.high is not None
    assert 0.9 < gain.low < 1 < gain.high < 1.1
    alone = tally.over("a", 1, 4)
    assert alone.low is not None
    assert alone.high is not None
    assert alone.high - alone.low > 4


def test_the_first_frame_that_is_no_better() -> None:
    rng = np.random.default_rng(4)
    falling = np.linspace(2, -1, 31)  # reaches 0 at frame 21
    curves = {"a": falling + 0.2 * rng.normal(size=(50, 31)), "b": np.zeros((50, 31))}
    tally = filled(curves)
    found = tally.first_not_above("a", "b")
    assert abs(found.mean - 21) <= 1
    assert found.low is not None
    assert found.high is not None
    assert 18 <= found.low <= found.mean <= found.high <= 23
    assert tally.first_not_above("a", "b", sign=-1).mean == 1
    better = filled({"a": np.ones((9, 5)), "b": np.zeros((9, 5))})
    assert better.first_not_above("a", "b") == Estimate(6.0, 6.0, 6.0)


def test_few_clips_and_no_replicates_give_no_interval() -> None:
    curves = {"a": np.ones((7, 2))}
    assert filled(curves).over("a", 1, 2) == Estimate(1.0)
    assert filled({"a": np.ones((8, 2))}, replicates=0).curve("a").low is None
    assert filled({"a": np.ones((8, 2))}).curve("a").low is not None
    assert Estimate(1 / 3).to_json() == {"mean": 0.333333, "low": None, "high": None}


@pytest.mark.parametrize("clips", [8, 20, 1000])
def test_the_tails_left_out_are_hesterbergs(clips: int) -> None:
    student = t.ppf(0.975, clips - 1)
    expected = norm.cdf(-np.sqrt(clips / (clips - 1)) * student)
    assert tail_level(clips) == pytest.approx(expected, rel=0.02)


def test_memory_does_not_grow_with_the_number_of_clips() -> None:
    def peak(clips: int) -> int:
        tally = Tally()
        batch = {"a": np.ones((8, 50))}
        tracemalloc.start()
        for _ in range(clips // 8):
            tally.add(batch)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(800) < 1.2 * peak(80)
