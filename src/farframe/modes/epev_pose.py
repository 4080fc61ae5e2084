"""EPEV with pose: EPEV whose encodings' first numbers learn to be a pose that was recorded.

Not in the original, which has this for E2E alone (``e2e_pose.py``). Where poses were recorded, they
say at once what an encoder would need long to find out: where the arm is, or the limbs. Predicting
needs none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from farframe.config import check
from farframe.losses import POSE_DIM, mse, pose_error
from farframe.modes.epev import EPEV
from farframe.types import Batch


@dataclass(frozen=True, kw_only=True)
class EPEVPose(EPEV):
    """van_on_enc + alpha enc_pred + pose_weight pose_from_enc -> all networks."""

    tag: ClassVar[str] = "epev_pose"

    pose_weight: float = 1.0
    """Weight of the error of poses read from encodings (--pose_weight)."""
    pose_size: int = POSE_DIM
    """Numbers of the data's poses. 12 are those of the original's robot, two of them angles; of any
    others, places in the picture for example, the squared error is taken."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.pose_size >= 1, "mode.pose_size", self.pose_size, "must be at least 1")

    @property
    def pose_dim(self) -> int:
        """Those of the data, which must have them."""
        return self.pose_size

    def losses_of_encodings(
        self, enc: Float[Tensor, "b t e"], batch: Batch
    ) -> dict[str, tuple[float, Float[Tensor, ""]]]:
        """The first numbers of encodings against poses."""
        error = pose_error if self.pose_size == POSE_DIM else mse
        found = enc[..., : self.pose_size]
        return {"pose_from_enc": (self.pose_weight, error(found, batch.poses))}
