"""What ``farframe study shapes`` can be asked for, and what the paper found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from farframe.config import check

TRAINED = 16
"""Frames of the paper's training clips."""

PAPER: Mapping[str, Mapping[str, float]] = {
    "EPEV (paper)": {"right_colour": 0.969, "wrong_colour": 0.031, "vanished": 0.0},
    "CDNA (paper)": {"right_colour": 0.246, "wrong_colour": 0.057, "vanished": 0.697},
}
SOURCE = (
    "Wichers, Villegas, Erhan, Lee: Hierarchical Long-term Video Prediction without Supervision, "
    "ICML 2018, Table 1: people's judgement about 1,000 frames ahead, of a shapes world that was "
    "not published"
)


@dataclass(frozen=True, kw_only=True)
class ShapesOptions:
    """At which frames clips are judged, and how many."""

    horizon: tuple[int, ...] = (16, 50, 100, 300, 1020)
    """Frames of the clip to judge, counted from 1, the given ones included."""
    clips: int = 256
    """Held-out clips, spread evenly over all."""
    points: int = 16
    """Further frames for the curves, in equal ratios, but for those near the others (0: none)."""
    strips: int = 5
    """Clips in the picture."""
    seed: int = 0
    """Seed of a stochastic model's noise."""
    batch_size: int = 16
    """Clips predicted at once."""

    def __post_init__(self) -> None:
        for name, least in {
            "clips": 1,
            "points": 0,
            "strips": 1,
            "seed": 0,
            "batch_size": 1,
        }.items():
            value = getattr(self, name)
            check(value >= least, f"--{name.replace('_', '-')}", value, f"must be at least {least}")
        ascending = sorted(set(self.horizon)) == list(self.horizon) != []
        check(ascending, "--horizon", self.horizon, "must be frames in ascending order")

    def check_context(self, context: int) -> None:
        """Refuse to judge frames that are given.

        Raises:
            ValueError: naming the first of them.
        """
        check(
            self.horizon[0] > context,
            "--horizon",
            self.horizon[0],
            f"must be above {context}: the model is given so many frames",
        )

    def frames(self, context: int) -> tuple[int, ...]:
        """All frames that are looked at: those of the horizon, and those of the curves."""
        spaced = (
            np.geomspace(context + 1, self.horizon[-1], self.points).round() if self.points else []
        )
        between = [int(n) for n in spaced if all(abs(n / h - 1) > 0.15 for h in self.horizon)]
        return tuple(sorted({*self.horizon, *between}))
