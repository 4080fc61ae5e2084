"""The yardstick of ``farframe bench``: the same networks, one time step after another."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from farframe.models.hierarchical import HierarchicalModel
from farframe.types import Anchor, Decoded


@dataclass(frozen=True, kw_only=True)
class First(Anchor):
    """An anchor with nothing computed: ``analogy`` is empty, ``enc`` the first encoding."""

    enc: Float[Tensor, "b e"]


class Stepwise(HierarchicalModel):
    """The same networks run as the original does: one time step after another.

    Frames are encoded and drawn one at a time, and all that depends on the first frame alone is
    computed anew for each that is drawn. What no loss needs is left out, as TensorFlow prunes it.
    """

    def __init__(self, model: HierarchicalModel) -> None:
        nn.Module.__init__(self)  # no weights of its own
        self.config, self.training = model.config, model.training
        self.encoder, self.predictor, self.decoder = model.encoder, model.predictor, model.decoder

    def encode(self, frames: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t e"]:
        """Encode frame after frame."""
        return torch.stack([self.encoder(frame) for frame in frames.unbind(1)], 1)

    def anchor(
        self, first_frame: Float[Tensor, "b c h w"], first_enc: Float[Tensor, "b e"]
    ) -> Anchor:
        """Only keep what an anchor is computed from."""
        empty = first_frame.new_empty(len(first_frame), 0, 0, 0)
        return First(frame=first_frame, analogy=empty, enc=first_enc)

    def decode(self, anchor: Anchor, enc: Float[Tensor, "b n e"]) -> Decoded:
        """Compute the anchor and draw, for frame after frame."""
        assert isinstance(anchor, First)
        drawn = [
            self.decoder(self.decoder.anchor(anchor.frame, anchor.enc), enc[:, t : t + 1])
            for t in range(enc.shape[1])
        ]
        return Decoded(
            frames=torch.cat([d.frames for d in drawn], 1),
            masks=torch.cat([d.masks for d in drawn], 1),
            features=(
                torch.cat([d.features[0] for d in drawn], 1),
                torch.cat([d.features[1] for d in drawn], 1),
            ),
        )
