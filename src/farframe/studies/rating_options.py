"""What ``farframe study rating`` can be asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from farframe.config import check
from farframe.data.splits import Split
from farframe.evaluation.options import EvaluateOptions


@dataclass(frozen=True, kw_only=True)
class RatingOptions:
    """Which clips people are to judge, and what they are asked."""

    data: str = ""
    """Path of the data (empty: what A was trained on, or what was evaluated)."""
    split: Split | Literal["all"] = "test"
    """Part of the data; all for data that was no part of the training."""
    context: int = 0
    """Frames given to both (0: as many as the one that needs more was trained with)."""
    horizon: int = 60
    """Frames to predict after the context."""
    stride: int = 0
    """Take every n-th frame (0: as A's run did)."""
    clips: int = 20
    """Pairs to judge, spread evenly over the split."""
    frames_a: str = ""
    """Predicted frames of A to show, as 64-127 (empty: all of the horizon)."""
    frames_b: str = ""
    """Predicted frames of B to show, as many: the paper's last row is A 63-127 against B 1-63."""
    question: str = "Which video is more realistic?"
    """What is asked."""
    seed: int = 0
    """Seed of the order in which a pair is stored, and of a stochastic model's noise."""
    batch_size: int = 8
    """Clips predicted at once."""

    def __post_init__(self) -> None:
        _ = self.evaluation  # checks what the two have in common
        a, b = self.shown
        if len(a) != len(b):
            raise ValueError(
                f"--frames-a are {len(a)} frames and --frames-b {len(b)}: both sides must show as "
                "many"
            )
        check(bool(self.question.strip()), "--question", self.question, "must not be empty")

    @property
    def shown(self) -> tuple[range, range]:
        """The frames after the context that each side shows, the first predicted one being 1."""
        a, b = (_frames(self, name) for name in ("frames_a", "frames_b"))
        return a, b

    @property
    def evaluation(self) -> EvaluateOptions:
        """The same clips for an evaluation."""
        return EvaluateOptions.of_same_clips(self)


def _frames(options: RatingOptions, name: str) -> range:
    text: str = getattr(options, name)
    if not text:
        return range(1, options.horizon + 1)
    match = re.fullmatch(r"(\d{1,6})-(\d{1,6})", text)
    first, last = (int(match[1]), int(match[2])) if match else (0, 0)
    check(
        1 <= first <= last <= options.horizon,
        f"--{name.replace('_', '-')}",
        text,
        f"must be two frames from 1 to --horizon ({options.horizon}), as in 1-{options.horizon}",
    )
    return range(first, last + 1)
