"""EPEV + E2E: both losses at once, which the paper found to draw blurry frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from farframe.modes.base import Networks, Update
from farframe.modes.e2e import E2E
from farframe.modes.epev import EPEV
from farframe.types import Batch


@dataclass(frozen=True, kw_only=True)
class EPEVE2E(EPEV):
    """van_on_enc + alpha enc_pred + van_weight van -> all networks."""

    tag: ClassVar[str] = "epev_e2e"

    van_weight: float = 1.0
    """Weight of the error of predicted frames, beside EPEV's losses."""

    def updates(self, nets: Networks, batch: Batch, step: int) -> list[Update]:
        """EPEV's update and E2E's as one, all predictions drawn."""
        [mine] = super().updates(nets, batch, step)
        [theirs] = E2E(lr=self.lr).updates(nets, batch, step)
        losses = mine.losses | theirs.losses
        return [Update("all", losses, mine.weights | dict.fromkeys(theirs.losses, self.van_weight))]
