"""E2E with pose: end to end, while the encoding's first numbers learn to be the robot's pose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from farframe.losses import POSE_DIM, mse, pose_error
from farframe.modes.base import Group, Networks, TrainingMode, Update
from farframe.types import Batch


@dataclass(frozen=True, kw_only=True)
class E2EPoseJoint(TrainingMode):
    """van + pose_weight (pose_from_enc + pose_from_pred) -> all (``e2epose_oneop``)."""

    tag: ClassVar[str] = "e2e_pose_joint"
    pose_numbers: ClassVar[int] = POSE_DIM

    lr: float = 1e-5
    """Learning rate of all networks (the seed's --all_learning_rate)."""
    pose_weight: float = 1.0
    """Weight of both pose losses (--pose_weight)."""

    def groups(self, nets: Networks) -> dict[str, Group]:
        """One group: everything."""
        return {"all": Group((nets.model,), self.lr)}

    def updates(self, nets: Networks, batch: Batch, step: int) -> list[Update]:
        """One step on the sum of all three losses."""
        del step
        weights = {
            "van": 1.0,
            "pose_from_enc": self.pose_weight,
            "pose_from_pred": self.pose_weight,
        }
        return [Update("all", _losses(nets, batch), dict(weights))]


@dataclass(frozen=True, kw_only=True)
class E2EPoseSeparate(TrainingMode):
    """van -> all; pose_from_enc -> encoder; pose_from_pred -> predictor (``e2epose_sepop``)."""

    tag: ClassVar[str] = "e2e_pose_separate"
    pose_numbers: ClassVar[int] = POSE_DIM

    lr: float = 1e-5
    """Learning rate of all networks for the frames' error (the seed's --all_learning_rate)."""
    enc_lr: float = 1e-5
    """Learning rate of the encoder for its poses' (--enc_learning_rate)."""
    pred_lr: float = 3e-4
    """Learning rate of the predictor for its poses' (--pred_learning_rate)."""

    def groups(self, nets: Networks) -> dict[str, Group]:
        """Everything, and encoder and predictor once more with optimizers of their own."""
        return {
            "all": Group((nets.model,), self.lr),
            "encoder": Group((nets.model.encoder,), self.enc_lr),
            "predictor": Group((nets.model.predictor,), self.pred_lr),
        }

    def updates(self, nets: Networks, batch: Batch, step: int) -> list[Update]:
        """Three steps, one a loss."""
        del step
        losses = _losses(nets, batch)
        names = {"all": "van", "encoder": "pose_from_enc", "predictor": "pose_from_pred"}
        return [Update(group, {name: losses[name]}, {name: 1.0}) for group, name in names.items()]


def _losses(nets: Networks, batch: Batch) -> dict[str, Float[Tensor, ""]]:
    """Errors of the frames drawn from predictions, and of poses read from encodings and those.

    Encodings of all frames: poses are compared with each of them.
    """
    model, frames, poses = nets.model, batch.images(), batch.poses
    context = model.config.context_frames
    enc = model.encode(frames)
    horizon = frames.shape[1] - context
    rollout = model.rollout(enc, batch.actions, context_frames=context, horizon=horizon)
    drawn = model.decode(model.anchor(frames[:, 0], enc[:, 0]), rollout.enc_pred)
    return {
        "van": mse(drawn.frames, frames[:, 1:]),
        "pose_from_enc": pose_error(enc[..., :POSE_DIM], poses),
        "pose_from_pred": pose_error(rollout.enc_pred[..., :POSE_DIM], poses[:, 1:]),
    }
