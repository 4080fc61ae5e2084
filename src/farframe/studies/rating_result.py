"""``farframe study rating-result``: what raters said, as the paper's Table 2 with intervals.

Clips and raters are both samples of what might have been asked. With several raters the bootstrap
weighs both at random, each answer by the product (Owen 2007, "The pigeonhole bootstrap"); with one
rater the interval is about the clips alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from rich import box
from rich.table import Table

from farframe.evaluation.stored_json import write_json
from farframe.evaluation.table import between
from farframe.evaluation.tally import LEAST_CLIPS, REPLICATES, Estimate, tail_level
from farframe.studies.rating_answers import Answers, Key, read_all

VERDICTS = ("a", "same", "b")


@dataclass(frozen=True)
class Result:
    """Shares of all answers in percent, and how many there are."""

    key: Key
    shares: dict[str, Estimate]
    """Of ``VERDICTS``, and ``lead``: A better minus B better."""
    raters: int
    pairs: int
    left: float
    """Percent of all answers that are not "same" and name the film on the left."""

    def to_json(self) -> dict[str, Any]:
        """As a mapping of JSON's types."""
        head = {name: self.key.content[name] for name in ("question", "a", "b", "data", "page")}
        shares = {name: share.to_json() for name, share in self.shares.items()}
        return {**head, "raters": self.raters, "pairs": self.pairs, "percent": shares}


def result(page: Path, answers: Sequence[Path], out: Path | None = None) -> Result:
    """The shares of each verdict.

    Args:
        page: the folder of the page and its key, or the key.
        answers: files that raters have saved.
        out: JSON file to write the result into (None: none).

    Raises:
        ValueError: if the key or answers are missing, damaged or don't belong together.
    """
    key = Key.read(page)
    found = counted(key, read_all(answers, key))
    if out is not None:
        write_json(out, found.to_json())
    return found


def counted(key: Key, answers: Sequence[Answers], seed: int = 0) -> Result:
    """Shares and their intervals, of raters who have all answered each pair."""
    given = np.array([[a.verdicts[pair] for pair in key.pairs] for a in answers])
    tables = {name: (given == name).astype(np.float64) for name in VERDICTS}
    tables["lead"] = tables["a"] - tables["b"]
    rng = np.random.default_rng(seed)
    raters, pairs = given.shape
    by_rater = _weights(rng, raters) if raters > 1 else np.ones((REPLICATES, 1))
    by_pair = _weights(rng, pairs)
    shares = {n: _estimate(100 * table, by_rater, by_pair) for n, table in tables.items()}
    decided = int((given != "same").sum())
    left = 100 * sum(a.left for a in answers) / decided if decided else 50.0
    return Result(key, shares, raters, pairs, left)


def _weights(rng: np.random.Generator, count: int) -> Float64[np.ndarray, "replicates n"]:
    """How often each of ``count`` is drawn, with replacement."""
    return rng.multinomial(count, np.full(count, 1 / count), REPLICATES).astype(np.float64)


def _estimate(
    table: Float64[np.ndarray, "raters pairs"],
    by_rater: Float64[np.ndarray, "replicates raters"],
    by_pair: Float64[np.ndarray, "replicates pairs"],
) -> Estimate:
    mean = float(table.mean())
    if table.shape[1] < LEAST_CLIPS:
        return Estimate(mean)
    totals = (by_rater @ table * by_pair).sum(1)
    means = totals / (by_rater.sum(1) * by_pair.sum(1))
    tail = tail_level(table.shape[1])
    low, high = np.quantile(means, [tail, 1 - tail])
    return Estimate(mean, float(low), float(high))


def drawn(found: Result) -> Iterator[Table | str]:
    """The result in the layout of the paper's Table 2."""
    key = found.key
    sheet = Table(str(key.content["question"]), box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("A better", "same", "B better", "A - B"):
        sheet.add_column(head, justify="right", no_wrap=True)
    shares, lead = found.shares, found.shares["lead"]
    means = [f"{shares[name].mean:.1f} %" for name in VERDICTS]
    sheet.add_row(f"A: {key.name('a')}", *means, f"{lead.mean:+.1f}")
    intervals = [between(shares[name], 1) for name in VERDICTS]
    sheet.add_row(f"B: {key.name('b')}", *intervals, between(lead, 1, "+"))
    yield sheet
    over = "clips and raters" if found.raters > 1 else "clips (of this one rater)"
    raters = f"{found.raters} rater{'s' if found.raters > 1 else ''}"
    yield (
        f"{raters}, {found.pairs} pairs each; second line: 95 % over {over}; of those who chose, "
        f"{found.left:.0f} % took the film on the left"
    )
