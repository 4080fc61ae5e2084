"""EPEV with pose: EPEV whose encodings' first numbers learn to be the robot's pose.

Not in the original, which has this for E2E alone (``e2e_pose.py``). Where poses were recorded, they
say at once what an encoder would need long to find out: where the arm is. Predicting needs none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from farframe.losses import POSE_DIM, pose_error
from farframe.modes.epev import EPEV
from farframe.types import Batch


@dataclass(frozen=True, kw_only=True)
class EPEVPose(EPEV):
    """van_on_enc + alpha enc_pred + pose_weight pose_from_enc -> all networks."""

    tag: ClassVar[str] = "epev_pose"
    pose_dim: ClassVar[int] = POSE_DIM

    pose_weight: float = 1.0
    """Weight of the error of poses read from encodings (--pose_weight)."""

    def losses_of_encodings(
        self, enc: Float[Tensor, "b t e"], batch: Batch
    ) -> dict[str, tuple[float, Float[Tensor, ""]]]:
        """The first numbers of encodings against poses."""
        return {"pose_from_enc": (self.pose_weight, pose_error(enc[..., :POSE_DIM], batch.poses))}
