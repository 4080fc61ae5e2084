"""The discriminator of EPEV-GAN: a sequence of encodings and decoder features -> score."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from farframe.config import ModelConfig
from farframe.models.cells import Conv, LayerNorm, LSTMCell, dense, flatten_hwc


class Discriminator(nn.Module):
    """Recurrent critic of ``[e, L2, L4]`` sequences (the original's ``discriminator``)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        w, e = config.width, config.enc_size
        self.low = nn.Sequential(
            *(Conv(2 * w, w, stride=2), nn.ReLU(), Conv(w, w, stride=2), nn.ReLU(), LayerNorm(w)),
        )
        self.high = nn.Sequential(
            *(Conv(4 * w, 2 * w, stride=2), nn.ReLU()),
            *(Conv(2 * w, w, stride=2), nn.ReLU(), LayerNorm(w)),
        )
        side = config.frame_size // 32
        size = 2 * e + 2 * side * side * w
        self.units = units = (4 * e, 4 * e, 2 * e, e)
        self.cells = nn.ModuleList(
            LSTMCell(c_in, c_out) for c_in, c_out in zip((size, *units), units, strict=False)
        )
        self.norms = nn.ModuleList(LayerNorm(n) for n in units)
        self.score = dense(e, 1)

    def forward(
        self,
        enc: Float[Tensor, "b t e"],
        features: tuple[Float[Tensor, "b t f2 h8 w8"], Float[Tensor, "b t f4 h8 w8"]],
    ) -> Float[Tensor, "b 1"]:
        """Score of each sequence (unbounded: higher is more real)."""
        b, t, e = enc.shape
        low, high = (
            flatten_hwc(net(maps.flatten(0, 1))).unflatten(0, (b, t))
            for net, maps in zip((self.low, self.high), features, strict=True)
        )
        inputs = torch.cat((enc, low, high), 2)
        states = [enc.new_zeros(b, 2 * units) for units in self.units]
        result = enc.new_zeros(b, e)
        for step in inputs.unbind(1):
            result = torch.cat((step, result), 1)
            for n, (cell, norm) in enumerate(zip(self.cells, self.norms, strict=True)):
                result, states[n] = cell(result, states[n])
                result = norm(result)
        return self.score(result)
