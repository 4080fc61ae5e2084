"""Two evaluations clip by clip: by how much one is better, and how likely that is chance.

The clips are the same, so their differences are compared and not two means. Clips of one recording
share what chance gave it, so recordings are what is drawn again (for the interval) and what swaps
the two models (for p): with one clip of each recording, as usual, that is clips.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int

from farframe.evaluation.tally import LEAST_CLIPS, Estimate, significant, tail_level

NAME = "clips.csv"
DRAWS = 19_999
"""Random swaps, and at most so many are all there are: then each is taken once."""
_RESAMPLES = 9_999
_CHUNK = 4096


@dataclass(frozen=True)
class ClipMeans:
    """Each clip's means over the horizon, as `farframe evaluate` writes them beside its JSON."""

    ids: tuple[str, ...]
    means: Mapping[str, Float64[np.ndarray, " clips"]]

    @property
    def recordings(self) -> Int[np.ndarray, " clips"]:
        """Number of the recording that each clip is of."""
        names = [name.rpartition("@")[0] for name in self.ids]
        return np.unique(names, return_inverse=True)[1]


@dataclass(frozen=True, kw_only=True)
class Paired:
    """How two models differ; ``gain`` is positive where the first is better.

    ``p`` is two-sided: the share of ways to swap the two models within recordings that make them
    differ as much or more. None with too few recordings for either.
    """

    gain: Estimate
    p: float | None
    better: float
    """Share of clips on which the first is better."""
    clips: int
    recordings: int

    def to_json(self) -> dict[str, Any]:
        """As a mapping of JSON's types."""
        p, counts = self.p, {"clips": self.clips, "recordings": self.recordings}
        numbers = {"p": None if p is None else significant(p), "better": significant(self.better)}
        return {"gain": self.gain.to_json(), **numbers, **counts}


def read_clips(evaluation: Path, card: Mapping[str, Any]) -> ClipMeans:
    """What lies beside an evaluation's JSON.

    Raises:
        ValueError: if it is not there, damaged, or of other clips than the card tells of.
    """
    path = evaluation.with_name(NAME)
    if not path.is_file():
        raise ValueError(f"{path} is not there: evaluate with a folder as --out")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            head, *rows = csv.reader(file)
        ids = tuple(row[0] for row in rows)
        numbers = np.array([[float(cell) for cell in row[1:]] for row in rows])
        means = dict(zip(head[1:], numbers.T, strict=True))
    except (ValueError, IndexError, OSError):
        raise ValueError(f"{path} is damaged: evaluate the run anew") from None
    if (
        hashlib.sha256("".join(f"{name}\n" for name in ids).encode()).hexdigest()
        != (card["data"]["ids"])
    ):
        raise ValueError(f"{path} is of other clips than {evaluation.name} beside it")
    return ClipMeans(ids, means)


def paired(
    mine: Float64[np.ndarray, " n"],
    other: Float64[np.ndarray, " n"],
    recordings: Int[np.ndarray, " n"],
    sign: int = 1,
) -> Paired:
    """Compare two models on the same clips; ``sign`` is -1 if less is better. Seeded."""
    apart = sign * (mine - other)
    sums, sizes = np.bincount(recordings, apart), np.bincount(recordings)
    enough = len(sums) >= LEAST_CLIPS
    low, high = _interval(sums, sizes) if enough else (None, None)
    return Paired(
        gain=Estimate(float(apart.mean()), low, high),
        p=_chance(sums) if enough else None,
        better=float((apart > 0).mean()),
        clips=len(apart),
        recordings=len(sums),
    )


def _interval(sums: Float64[np.ndarray, " g"], sizes: Int[np.ndarray, " g"]) -> tuple[float, float]:
    """Percentiles of means of recordings drawn again, widened for few as those of `Tally`."""
    count, rng = len(sums), np.random.default_rng(0)
    weights = rng.multinomial(count, np.full(count, 1 / count), _RESAMPLES)
    tail = tail_level(count)
    low, high = np.quantile(weights @ sums / (weights @ sizes), [tail, 1 - tail])
    return float(low), float(high)


def _chance(sums: Float64[np.ndarray, " g"]) -> float:
    """Two-sided p of the sign-flip test: exact where there are few enough ways."""
    count, found = len(sums), abs(sums.sum())
    bar = found * (1 - 1e-9)  # rounding must not tell the unswapped way from itself
    if 2**count <= DRAWS:
        ways = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        return float((np.abs((1 - 2 * ways) @ sums) >= bar).mean())
    rng, as_much = np.random.default_rng(0), 0
    for start in range(0, DRAWS, _CHUNK):
        ways = rng.integers(0, 2, (min(_CHUNK, DRAWS - start), count), np.int8)
        as_much += int((np.abs((1.0 - 2 * ways) @ sums) >= bar).sum())
    return (1 + as_much) / (1 + DRAWS)


def shown_p(p: float | None) -> str:
    """A chance as a table shows it."""
    if p is None:
        return "-"
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"
