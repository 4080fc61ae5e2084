"""E2E: all networks end to end on the error of the predicted frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from farframe.losses import mse
from farframe.modes.base import Group, Networks, TrainingMode, Update
from farframe.types import Batch


@dataclass(frozen=True, kw_only=True)
class E2E(TrainingMode):
    """van -> encoder, predictor and decoder (the original's ``e2e``)."""

    tag: ClassVar[str] = "e2e"

    lr: float = 1e-5
    """Learning rate of all networks (the seed's --all_learning_rate)."""

    def groups(self, nets: Networks) -> dict[str, Group]:
        """One group: everything."""
        return {"all": Group((nets.model,), self.lr)}

    def updates(self, nets: Networks, batch: Batch, step: int) -> list[Update]:
        """Draw the predictions, and only them; only context frames need encodings."""
        del step
        model, frames = nets.model, batch.images()
        context = model.config.context_frames
        enc = model.encode(frames[:, :context])
        horizon = frames.shape[1] - context
        rollout = model.rollout(enc, batch.actions, context_frames=context, horizon=horizon)
        anchor = model.anchor(frames[:, 0], enc[:, 0])
        drawn = model.decode(anchor, rollout.enc_pred)
        return [Update("all", {"van": mse(drawn.frames, frames[:, 1:])}, {"van": 1.0})]
