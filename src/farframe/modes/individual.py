"""Individual: each network alone, with the ground-truth pose in the encoding's place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from farframe.losses import POSE_DIM, mse, pose_error
from farframe.modes.base import Group, Networks, TrainingMode, Update
from farframe.types import Batch


@dataclass(frozen=True, kw_only=True)
class Individual(TrainingMode):
    """Three losses, three networks; they meet only in predicting (the original's ``individual``).

    The encoder learns to see the pose, the predictor to foresee it (from true poses in the context,
    then from its own), the decoder to draw it. An encoding then is a pose: ``model.enc_size`` 12.
    """

    tag: ClassVar[str] = "individual"
    pose_numbers: ClassVar[int] = POSE_DIM
    encodes_poses: ClassVar[bool] = True

    enc_lr: float = 1e-5
    """Learning rate of the encoder (the seed's --enc_learning_rate)."""
    pred_lr: float = 3e-4
    """Learning rate of the predictor (--pred_learning_rate)."""
    van_lr: float = 3e-5
    """Learning rate of the decoder (--van_learning_rate)."""

    def groups(self, nets: Networks) -> dict[str, Group]:
        """One group a network."""
        return {
            "encoder": Group((nets.model.encoder,), self.enc_lr),
            "predictor": Group((nets.model.predictor,), self.pred_lr),
            "decoder": Group((nets.model.decoder,), self.van_lr),
        }

    def updates(self, nets: Networks, batch: Batch, step: int) -> list[Update]:
        """Poses seen, foreseen and drawn."""
        del step
        model, frames, poses = nets.model, batch.images(), batch.poses
        context = model.config.context_frames
        horizon = frames.shape[1] - context
        foreseen = model.rollout(poses, batch.actions, context_frames=context, horizon=horizon)
        drawn = model.decode(model.anchor(frames[:, 0], poses[:, 0]), poses[:, 1:])
        losses = {
            "encoder": ("pose_from_enc", pose_error(model.encode(frames), poses)),
            "predictor": (
                "pose_from_pred_on_pose",
                pose_error(foreseen.enc_pred, poses[:, 1:]),
            ),
            "decoder": ("van_on_pose", mse(drawn.frames, frames[:, 1:])),
        }
        return [Update(group, {name: loss}, {name: 1.0}) for group, (name, loss) in losses.items()]
