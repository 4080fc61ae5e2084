"""The building blocks all networks share: TensorFlow-exact convolutions, norms and the LSTM cell.

Every class keeps torch's weight layouts; ``interop.tf_checkpoint`` translates the original's.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

VELOCITY_SCALE = 4  # brings motion per frame to about the size of the encodings' spread
NORM_EPS = 1e-12  # contrib.layers.layer_norm's variance_epsilon


Numbers = TypeVar("Numbers", Tensor, np.ndarray)


class Conv(nn.Conv2d):
    """3x3 convolution with TensorFlow's SAME padding.

    With stride 2 on even sizes SAME pads nothing before and one after, which torch's symmetric
    ``padding`` can't express.
    """

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__(c_in, c_out, 3, stride, padding=1 if stride == 1 else 0)
        nn.init.xavier_uniform_(self.weight)
        zero_bias(self)

    def forward(self, input: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        """Convolve; ``h2 = h / stride``."""
        if self.stride[0] == 2:
            input = F.pad(input, (0, 1, 0, 1))
        return super().forward(input)


class ConvTranspose(nn.ConvTranspose2d):
    """3x3 transposed convolution with TensorFlow's SAME padding.

    Stride 2 is the full (unpadded) result without its last row and column. ``padding=1,
    output_padding=1`` has the same size and is one pixel off.
    """

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__(c_in, c_out, 3, stride, padding=1 if stride == 1 else 0)
        nn.init.xavier_uniform_(self.weight)
        zero_bias(self)

    def forward(
        self, input: Float[Tensor, "b i h w"], output_size: list[int] | None = None
    ) -> Float[Tensor, "b o h2 w2"]:
        """Convolve; ``h2 = h * stride``."""
        out = super().forward(input, output_size)
        return out[..., :-1, :-1] if self.stride[0] == 2 else out


class LayerNorm(nn.GroupNorm):
    """The original's layer norm: over every axis but the batch, gain and offset per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__(1, channels, eps=NORM_EPS)


class LSTMCell(nn.Module):
    """LSTM with diagonal peepholes and a projection (``tf.nn.rnn_cell.LSTMCell``).

    Written out instead of ``nn.LSTM``: that has neither peepholes nor, under cuDNN, the double
    backward that a gradient penalty needs.
    """

    def __init__(self, c_in: int, units: int, std: float = 0.01) -> None:
        super().__init__()
        self.units = units
        self.gates = nn.Linear(c_in + units, 4 * units)
        self.project = nn.Linear(units, units, bias=False)
        self.peephole_i = nn.Parameter(torch.empty(units))
        self.peephole_f = nn.Parameter(torch.empty(units))
        self.peephole_o = nn.Parameter(torch.empty(units))
        for weight in (
            self.gates.weight,
            self.project.weight,
            self.peephole_i,
            self.peephole_f,
            self.peephole_o,
        ):
            truncated_normal_(weight, std)
        zero_bias(self.gates)

    def forward(
        self, x: Float[Tensor, "b i"], state: Float[Tensor, "b s"]
    ) -> tuple[Float[Tensor, "b u"], Float[Tensor, "b s"]]:
        """One step: input and ``[c, m]`` -> output ``m`` and the new ``[c, m]``."""
        c, m = state.split(self.units, dim=1)
        i, j, f, o = self.gates(torch.cat((x, m), 1)).split(self.units, dim=1)
        c = torch.sigmoid(f + 1 + self.peephole_f * c) * c + torch.sigmoid(
            i + self.peephole_i * c
        ) * torch.tanh(j)
        m = self.project(torch.sigmoid(o + self.peephole_o * c) * torch.tanh(c))
        return m, torch.cat((c, m), 1)


def step_inputs(
    residual: str, enc: Numbers, action: Numbers, before: Numbers | None
) -> tuple[list[Numbers], Numbers]:
    """What a step of the predictor reads, and what its result is added to.

    ``residual`` is ``config.pred_residual``, ``before`` the encoding that the step before has read.
    """
    if residual != "velocity":
        return [enc, action], enc
    velocity = enc - (enc if before is None else before)
    return [enc, action, velocity * VELOCITY_SCALE], enc + velocity


def truncated_normal_(weight: Tensor, std: float) -> Tensor:
    """TensorFlow's truncated normal: redrawn beyond two standard deviations."""
    if weight.is_meta:
        return weight  # it has a shape and no numbers; torch would look whether any lies outside
    return nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """A block that computes in ``x``'s own precision, autocast or not."""
    return nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)


def zero_bias(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> None:
    """Set the offset to zero, TensorFlow's default (torch's is uniform noise)."""
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def dense(c_in: int, c_out: int, std: float | None = None) -> nn.Linear:
    """Fully connected layer: truncated normal of ``std``, or Glorot uniform without one."""
    layer = nn.Linear(c_in, c_out)
    if std is None:
        nn.init.xavier_uniform_(layer.weight)
    else:
        truncated_normal_(layer.weight, std)
    zero_bias(layer)
    return layer


def flatten_hwc(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n"]:
    """Flatten in the original's h, w, c order, so that its dense weights fit."""
    return x.permute(0, 2, 3, 1).flatten(1)


def unflatten_hwc(x: Float[Tensor, "b n"], side: int) -> Float[Tensor, "b c h w"]:
    """The inverse of ``flatten_hwc`` for square maps."""
    return x.unflatten(1, (side, side, -1)).permute(0, 3, 1, 2)
