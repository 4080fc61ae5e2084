"""How SVG is trained: the error of each next frame, and what its noise says beyond the prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from farframe.baselines.svg_config import SVGConfig
from farframe.baselines.svg_model import SVGModel
from farframe.losses import mse
from farframe.modes.base import Group, ModeOf, NetworksOf, Update
from farframe.types import Batch


@dataclass(frozen=True, kw_only=True)
class SVGMode(ModeOf[SVGModel, SVGConfig]):
    """frames + beta kl -> all networks (Denton and Fergus, 2018)."""

    tag: ClassVar[str] = "svg"
    trains: ClassVar[type] = SVGConfig

    lr: float = 2e-3
    """Learning rate of all networks."""
    beta: float = 1e-4
    """Weight of the noise's divergence from the prior, in nats a frame."""
    beta_warmup: float = 0.0
    """Steps over which beta rises linearly from 0."""
    decode_frames: int = 0
    """Times at which the frames of a batch are drawn in a step, chosen at random (0: all)."""

    def build(self, model_config: SVGConfig) -> SVGModel:
        """Encoder, decoder and LSTMs."""
        return SVGModel(model_config)

    def groups(self, nets: NetworksOf[SVGModel]) -> dict[str, Group]:
        """One group: everything."""
        return {"all": Group((nets.model,), self.lr)}

    def updates(self, nets: NetworksOf[SVGModel], batch: Batch, step: int) -> list[Update]:
        """Every frame is drawn after the true one before it (teacher forcing)."""
        frames = batch.images()
        times = self._times(frames)
        seen = nets.model.reconstruct(frames, batch.actions, times)
        losses = {"frames": mse(seen.frames, frames[:, times])}
        weights: dict[str, float | Float[Tensor, ""]] = {"frames": 1.0}
        if seen.posterior is not None and seen.prior is not None:
            losses["kl"] = seen.posterior.kl(seen.prior).mean()
            weights["kl"] = self.beta * min(1.0, (step + 1) / max(self.beta_warmup, 1.0))
        return [Update("all", losses, weights)]

    def _times(self, frames: Float[Tensor, "b t c h w"]) -> Sequence[int]:
        """Times of the frames that are drawn, the same in all clips of the batch."""
        last = frames.shape[1] - 1
        if not 0 < self.decode_frames < last:
            return range(1, last + 1)
        chosen = torch.randperm(last)[: self.decode_frames] + 1
        return sorted(chosen.tolist())
