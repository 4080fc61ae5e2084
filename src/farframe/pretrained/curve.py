"""The course of a training, small enough to go with its model: from metrics.jsonl to training.csv.

Steps fall into at most ``ROWS`` stretches of equal length; of each quantity a row has the mean over
its stretch.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from farframe.training.logging import METRICS

ROWS = 200
_SPEED = "speed/steps_per_second"


@dataclass(frozen=True)
class Course:
    """Rows of names and numbers, ``step`` being the last of its stretch, and the hours it took."""

    rows: Sequence[Mapping[str, float]]
    hours: float

    @property
    def names(self) -> list[str]:
        """All quantities, in the order in which they appear."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def to_csv(self) -> str:
        """A table with a column for each quantity; what a stretch has no number of stays empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.names)
        for row in self.rows:
            writer.writerow([_short(row[n]) if n in row else "" for n in self.names])
        return text.getvalue()


def course_of(run: Path, last: int) -> Course | None:
    """The course of a run up to step ``last``; None if it has no log of it.

    Hours are of training steps by the clock: evaluations and checkpoints are left out.
    """
    try:
        lines = (run / METRICS).read_text("utf-8").splitlines()
    except OSError:
        return None
    records = [record for record in map(_numbers, lines) if record and record["step"] <= last]
    if not records:
        return None
    before, seconds = 0.0, 0.0
    for record in records:
        if record.get(_SPEED, 0.0) > 0:
            seconds += (record["step"] - before) / record[_SPEED]
            before = record["step"]
    return Course(_means(records, last), seconds / 3600)


def _numbers(line: str) -> dict[str, float]:
    """The single numbers of a line of the log; empty for one that a killed process left half."""
    try:
        record: object = json.loads(line)
    except ValueError:
        return {}
    if not isinstance(record, dict) or "step" not in record:
        return {}
    values = cast("dict[str, Any]", record)
    return {name: float(v) for name, v in values.items() if isinstance(v, (int, float))}


def _means(records: Sequence[Mapping[str, float]], last: int) -> list[dict[str, float]]:
    stretches: dict[int, dict[str, list[float]]] = {}
    for record in records:
        stretch = int(record["step"] * ROWS / (last + 1)) if last > ROWS else int(record["step"])
        kept = stretches.setdefault(stretch, {})
        for name, value in record.items():
            kept.setdefault(name, []).append(value)
    return [
        {n: max(v) if n == "step" else sum(v) / len(v) for n, v in kept.items()}
        for _, kept in sorted(stretches.items())
    ]


def _short(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.5g}"
