"""Two evaluations clip by clip: p-values that hold what they promise, and files that belong."""

from __future__ import annotations

import hashlib
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from farframe.evaluation import paired as module
from farframe.evaluation.paired import paired, read_clips, shown_p


def test_the_exact_test_is_that_of_all_ways() -> None:
    rng = np.random.default_rng(1)
    a, b, n = rng.normal(0.4, 1, 10), rng.normal(0, 1, 10), 10
    apart = a - b
    ways = [abs(np.dot(signs, apart)) for signs in product((-1, 1), repeat=n)]
    expected = np.mean([way >= abs(apart.sum()) - 1e-12 for way in ways])
    found = paired(a, b, np.arange(n))
    assert found.p == pytest.approx(expected)
    assert found.gain.mean == pytest.approx(apart.mean())
    assert found.better == (apart > 0).mean()
    assert (found.clips, found.recordings) == (10, 10)


def test_drawn_ways_and_the_interval_agree_with_the_t_test() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.1, 1, 200), rng.normal(0, 1, 200)
    found, known = paired(a, b, np.arange(200)), stats.ttest_rel(a, b)
    assert found.p == pytest.approx(known.pvalue, abs=0.01)
    interval = known.confidence_interval()
    assert found.gain.low is not None
    np.testing.assert_allclose((found.gain.low, found.gain.high), interval, atol=0.02)
    assert paired(b, a, np.arange(200), sign=-1).gain == found.gain  # less is better


def test_equal_models_differ_by_nothing() -> None:
    same = np.linspace(0, 1, 30)
    found = paired(same, same, np.arange(30))
    assert (found.p, found.gain.mean, found.gain.low, found.better) == (1, 0, 0, 0)


def test_clips_of_one_recording_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of models that don't differ, one in twenty is below 0.05; of copied clips, far more."""
    monkeypatch.setattr(module, "_RESAMPLES", 9)
    rng, recordings = np.random.default_rng(3), np.repeat(np.arange(12), 5)
    below = {"recordings": 0, "clips": 0}
    monkeypatch.setattr(module, "DRAWS", 4999)
    for _ in range(100):
        apart = np.repeat(rng.normal(0, 1, 12), 5)
        for name, groups in (("recordings", recordings), ("clips", np.arange(60))):
            p = paired(apart, np.zeros(60), groups).p
            assert p is not None
            below[name] += p < 0.05
    assert below["recordings"] <= 12
    assert below["clips"] > 25


def test_few_recordings_have_no_test() -> None:
    found = paired(np.ones(70), np.zeros(70), np.repeat(np.arange(7), 10))
    assert (found.p, found.gain.low, found.gain.mean) == (None, None, 1)
    assert shown_p(found.p) == "-"
    assert [shown_p(p) for p in (1e-5, 0.0123)] == ["< 0.0001", "0.0123"]


def test_clips_must_be_those_of_the_card(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    path.write_text("clip,model/psnr,copy_last/psnr\na@b@0,20.5,19\na@b@7,21,18\nb@0,22,1e1\n")
    card = {"data": {"ids": hashlib.sha256(b"a@b@0\na@b@7\nb@0\n").hexdigest()}}
    found = read_clips(tmp_path / "evaluation.json", card)
    assert found.ids == ("a@b@0", "a@b@7", "b@0")
    assert found.recordings.tolist() == [0, 0, 1]
    assert found.means["copy_last/psnr"].tolist() == [19, 18, 10]
    with pytest.raises(ValueError, match=r"of other clips than evaluation\.json beside it"):
        read_clips(tmp_path / "evaluation.json", {"data": {"ids": "0"}})
    for text in ("", "clip,model/psnr\na@0\n", "clip,model/psnr\na@0,much\n"):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"clips\.csv is damaged"):
            read_clips(tmp_path / "evaluation.json", card)
    path.unlink()
    with pytest.raises(ValueError, match="is not there: evaluate with a folder as --out"):
        read_clips(tmp_path / "evaluation.json", card)
