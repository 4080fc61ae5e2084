"""What ``farframe study persons`` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from farframe.config import check
from farframe.data.splits import Split
from farframe.evaluation.options import EvaluateOptions
from farframe.evaluation.yolo import SIDE


@dataclass(frozen=True, kw_only=True)
class PersonOptions:
    """On what clips people are looked for, and how."""

    data: str = ""
    """Path of the data (empty: what the run was trained on)."""
    split: Split | Literal["all"] = "test"
    """Part of the data; all for data that was no part of the training."""
    context: int = 0
    """Frames given (0: as many as the model was trained with; more are allowed)."""
    horizon: int = 60
    """Frames to predict after the context; the paper's Figure 4 has 127."""
    stride: int = 0
    """Take every n-th frame (0: as the run did)."""
    clips: int = 64
    """Clips to measure, spread evenly over the split."""
    every: int = 1
    """Look at every n-th predicted frame only: so many times faster."""
    threshold: float = 0.25
    """Score from which on a person counts as seen; nobody scores 0.05 (docs/weights.md)."""
    side: int = SIDE
    """Pixels that frames are resized to for the detector, a multiple of 32."""
    seed: int = 0
    """Seed of a stochastic model's noise and of the bootstrap."""
    batch_size: int = 8
    """Clips predicted at once."""

    def __post_init__(self) -> None:
        _ = self.evaluation  # checks what the two have in common
        check(1 <= self.every <= self.horizon, "--every", self.every, "must be 1 to --horizon")
        check(0 < self.threshold < 1, "--threshold", self.threshold, "must be between 0 and 1")

    @property
    def evaluation(self) -> EvaluateOptions:
        """The same clips for an evaluation."""
        return EvaluateOptions.of_same_clips(self)

    @property
    def times(self) -> range:
        """The frames after the context that are looked at, the first predicted one being 1."""
        return range(self.every, self.horizon + 1, self.every)
