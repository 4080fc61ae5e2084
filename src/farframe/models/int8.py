"""Drawing in 8 bits on a CPU: the trained decoder with integer convolutions, several times faster.

Weights are rounded per output channel, what a layer reads per layer, in a range that is measured
once on frames like those to be drawn (``calibrate``). Norms, nonlinearities, masks and the last
layer stay in float32. oneDNN's integer convolutions do the work; on processors without AVX-512
VNNI or AMX they may gain little. For prediction only: there are no gradients.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from farframe.models.cells import Conv, ConvTranspose
from farframe.models.decoder import Decoder, JointConv
from farframe.types import Anchor

Layer = Conv | ConvTranspose | JointConv
LEVELS = 255


@torch.no_grad()
def int8_decoder(decoder: Decoder, anchor: Anchor, enc: Float[Tensor, "b n e"]) -> Decoder:
    """A copy of a decoder that draws in 8 bits, calibrated by drawing ``enc`` once in float32.

    It is for drawing only: anchors are better computed by ``decoder`` itself.

    Raises:
        ValueError: if the decoder is not on a CPU, or this build of torch has no oneDNN.
    """
    if next(decoder.parameters()).device.type != "cpu":
        raise ValueError("8-bit drawing is for CPUs: leave it out on a GPU, or use --device cpu")
    if not torch.backends.mkldnn.is_available():
        raise ValueError("this build of torch has no oneDNN, which 8-bit drawing needs")
    ranges = calibrate(decoder, anchor, enc)
    drawn = copy.deepcopy(decoder).eval()
    for name, layer in list(_layers(drawn)):
        parent, _, child = name.rpartition(".")
        setattr(drawn.get_submodule(parent), child, Int8Conv(layer, *ranges[name]))
    return drawn


@torch.no_grad()
def calibrate(
    decoder: Decoder, anchor: Anchor, enc: Float[Tensor, "b n e"]
) -> dict[str, tuple[float, float]]:
    """The range of what each layer reads while ``enc`` is drawn: name -> lowest, highest."""
    found: dict[str, tuple[float, float]] = {}
    hooks = []

    def watch(name: str) -> Any:
        def see(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            del module
            found[name] = _range(inputs[0])

        return see

    try:
        for name, layer in _layers(decoder):
            hooks.append(layer.register_forward_pre_hook(watch(name)))
        decoder(anchor, enc)
    finally:
        for hook in hooks:
            hook.remove()
    return found


class Int8Conv(nn.Module):
    """A convolution, transposed or not, in 8 bits: float32 in, float32 out.

    A transposed one of stride 1 is a convolution with turned weights; one of stride 2 is four
    interleaved convolutions of 2x2, whose results ``pixel_shuffle`` puts in their places.
    """

    def __init__(self, layer: Layer, low: float, high: float) -> None:
        super().__init__()
        weight, self.shuffled = _as_convolution(layer)
        low, high = min(low, 0.0), max(high, low + 1e-6, 1e-6)
        self.scale = (high - low) / LEVELS
        self.zero = round(-low / self.scale)
        spread = weight.abs().amax((1, 2, 3)).clamp(min=1e-12) / 127
        rounded = (weight / spread[:, None, None, None]).round().to(torch.int8)
        self.padding = [0, 0] if self.shuffled else [1, 1]
        self.packed = torch.ops.onednn.qconv_prepack(
            rounded, spread, self.scale, self.zero, [1, 1], self.padding, [1, 1], 1, None
        )
        self.spread, self.zeros = spread, torch.zeros(len(spread), dtype=torch.int8)
        bias = None if isinstance(layer, JointConv) else layer.bias
        self.bias = bias if bias is None or not self.shuffled else bias.repeat_interleave(4)

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        """Convolve."""
        rounded = self._rounded(x)
        if self.shuffled:
            rounded = F.pad(rounded, (1, 0, 1, 0), value=self.zero)
        y: Tensor = torch.ops.onednn.qconv2d_pointwise(
            *(rounded, self.scale, self.zero, self.packed, self.spread, self.zeros, self.bias),
            *([1, 1], self.padding, [1, 1], 1, 1.0, 0, torch.float32, "none", [], ""),
        )
        return F.pixel_shuffle(y, 2) if self.shuffled else y

    def _rounded(self, x: Float[Tensor, "b i h w"]) -> UInt8[Tensor, "b i h w"]:
        # Truncation after adding a half rounds: nothing is below zero any more.
        levels = torch.add(x.new_tensor(self.zero + 0.5), x, alpha=1 / self.scale)
        whole = levels.clamp_(0, LEVELS + 0.5).to(torch.uint8)
        return whole.contiguous(memory_format=torch.channels_last)


def _layers(decoder: Decoder) -> Iterator[tuple[str, Layer]]:
    """Layers that draw, by name; not those of the first frame, nor the last, which are cheap."""
    last = None if decoder.parts is not None else decoder.drawer[-1]
    for name, module in decoder.named_modules():
        drawing = name.startswith(("enc_encoder.", "analogy.", "drawer."))
        other = module is last or name == "analogy.conv_first"
        if isinstance(module, Layer) and drawing and not other:
            yield name, module


def _as_convolution(layer: Layer) -> tuple[Float[Tensor, "o i kh kw"], bool]:
    """Weights of the ordinary convolution that does the same, and whether it is shuffled."""
    weight = layer.weight.detach()
    if isinstance(layer, JointConv):
        return weight[:, weight.shape[1] // 2 :], False
    if isinstance(layer, Conv):
        return weight, False
    weight = weight.transpose(0, 1)
    if layer.stride[0] == 1:
        return weight.flip(2, 3), False
    # Output row 2i + a takes tap a at input row i and, where a is 0, tap 2 at row i - 1.
    taps = F.pad(weight, (0, 1, 0, 1))  # tap 3 is none
    rows = torch.tensor([[2, 0], [3, 1]])  # for a = 0, 1: taps at rows i - 1 and i
    parts = [taps[:, :, rows[a]][:, :, :, rows[b]] for a in (0, 1) for b in (0, 1)]
    return torch.stack(parts, 1).flatten(0, 1), True


def _range(x: Tensor) -> tuple[float, float]:
    low, high = x.aminmax()
    return float(low), float(high)
