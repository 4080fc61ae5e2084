"""Predictor only: encoder and decoder stay as they are, and the predictor learns from encodings.

Not in the original. Without a gradient through pictures a step costs a fraction: a predictor can
see far more clips, and longer ones, than the networks that draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from farframe.modes.base import Group, Networks, TrainingMode, Update
from farframe.modes.epev import rollout_error
from farframe.types import Batch


@dataclass(frozen=True, kw_only=True)
class PredictorOnly(TrainingMode):
    """enc_pred -> predictor, for a run that starts from another (``train.start_from``)."""

    tag: ClassVar[str] = "predictor_only"
    leaves: ClassVar[tuple[str, ...]] = ("encoder", "decoder")

    lr: float = 1e-3
    """Learning rate of the predictor."""
    loss: Literal["relative", "mse", "l1"] = "mse"
    """Errors of encodings: squared, absolute, or squared as shares of how much each number changes
    within clips (for a run that was trained with enc_pred_relative)."""

    @property
    def whole_batch(self) -> str:
        """Relative errors divide by variances over the batch."""
        return "mode.loss 'relative'" if self.loss == "relative" else ""

    def groups(self, nets: Networks) -> dict[str, Group]:
        """One group: the predictor."""
        return {"predictor": Group((nets.model.predictor,), self.lr)}

    def updates(self, nets: Networks, batch: Batch, step: int) -> list[Update]:
        """The predictor against encodings as the trained encoder gives them in predicting."""
        del step
        model = nets.model
        model.encoder.eval()  # no dropout, no batch statistics
        with torch.no_grad():
            enc = model.encode(batch.images())
        error = rollout_error(nets, enc, batch.actions, self.loss)
        return [Update("predictor", {"enc_pred": error}, {"enc_pred": 1.0})]
