"""Drawing in 8 bits on a CPU: the trained decoder with integer convolutions, several times faster.

Weights are rounded per output channel, what a layer reads per layer, in a range that is measured
once on frames like those to be drawn (``calibrate``). A convolution applies the nonlinearity that
follows it by itself, and where the next layer is a convolution, too, hands it 8 bits. Norms, masks
and the last layer stay in float32. oneDNN's integer convolutions do the work; on processors without
AVX-512 VNNI or AMX they may gain little. For prediction only: there are no gradients.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from farframe.models.cells import Conv, ConvTranspose
from farframe.models.decoder import Decoder, JointConv
from farframe.types import Anchor

Layer = Conv | ConvTranspose | JointConv
LEVELS = 255
_FUSED: dict[type[nn.Module], str] = {nn.ReLU: "relu", nn.SiLU: "swish"}  # oneDNN's names


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
    scales = calibrate(decoder, anchor, enc)
    shared = {id(tensor): tensor for tensor in (*decoder.parameters(), *decoder.buffers())}
    drawn = copy.deepcopy(decoder, shared).eval()
    layers = dict(_layers(drawn))
    follow = dict(_followers(drawn, layers))
    for name, layer in layers.items():
        after = follow.get(name, Follower())
        into = scales[after.reader] if after.reader else None
        _replace(drawn, name, Int8Conv(layer, scales[name], after.activation, into))
        if after.fused:
            _replace(drawn, after.fused, nn.Identity())
    return drawn


@torch.no_grad()
def calibrate(decoder: Decoder, anchor: Anchor, enc: Float[Tensor, "b n e"]) -> dict[str, Scale]:
    """The scale, by name, of what each layer reads while ``enc`` is drawn."""
    found: dict[str, Scale] = {}
    hooks = []

    def watch(name: str) -> Any:
        def see(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            del module
            low, high = inputs[0].aminmax()
            found[name] = Scale.of(float(low), float(high))

        return see

    try:
        for name, layer in _layers(decoder):
            hooks.append(layer.register_forward_pre_hook(watch(name)))
        decoder(anchor, enc)
    finally:
        for hook in hooks:
            hook.remove()
    return found


@dataclass(frozen=True)
class Scale:
    """What a level of 8 bits stands for: ``(level - zero) * step``."""

    step: float
    zero: int

    @classmethod
    def of(cls, low: float, high: float) -> Scale:
        """Levels from ``low`` to ``high``, and over 0 at least."""
        low, high = min(low, 0.0), max(high, low + 1e-6, 1e-6)
        step = (high - low) / LEVELS
        return cls(step, round(-low / step))

    def rounded(self, x: Float[Tensor, "b i h w"]) -> UInt8[Tensor, "b i h w"]:
        """Numbers as levels, laid out as oneDNN likes them."""
        # Truncation after adding a half rounds: nothing is below zero any more.
        levels = torch.add(x.new_tensor(self.zero + 0.5), x, alpha=1 / self.step)
        whole = levels.clamp_(0, LEVELS + 0.5).to(torch.uint8)
        return whole.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Follower:
    """What reads a layer's results: oneDNN's name of the nonlinearity and ours, the next layer."""

    activation: str = "none"
    fused: str = ""
    reader: str = ""


class Int8Conv(nn.Module):
    """A convolution, transposed or not, in 8 bits, and the nonlinearity after it.

    It reads float32 or levels of 8 bits, and gives float32, or levels of the scale ``into``. A
    transposed one of stride 1 is a convolution with turned weights; one of stride 2 is four small
    ones, for the pixels of even and odd rows and columns.
    """

    def __init__(
        self, layer: Layer, scale: Scale, activation: str = "none", into: Scale | None = None
    ) -> None:
        super().__init__()
        weight = _as_convolution(layer)
        spread = weight.abs().amax((1, 2, 3)).clamp(min=1e-12) / 127
        rounded = (weight / spread[:, None, None, None]).round().to(torch.int8)
        self.scale, self.activation, self.into = scale, activation, into
        self.dtype = torch.uint8 if into else torch.float32
        self.by_two = isinstance(layer, ConvTranspose) and layer.stride[0] == 2
        kernels = _four(rounded) if self.by_two else [rounded]
        self.padding = [0, 0] if self.by_two else [1, 1]
        self.packed = [
            torch.ops.onednn.qconv_prepack(
                *(kernel, spread, scale.step, scale.zero),
                *([1, 1], self.padding, [1, 1], 1, None),
            )
            for kernel in kernels
        ]
        self.spread, self.zeros = spread, torch.zeros(len(spread), dtype=torch.int8)
        self.bias = None if isinstance(layer, JointConv) else layer.bias

    def forward(self, x: Shaped[Tensor, "b i h w"]) -> Shaped[Tensor, "b o h2 w2"]:
        """Convolve."""
        levels = x if x.dtype == torch.uint8 else self.scale.rounded(x)
        if not self.by_two:
            return self._convolve(levels, self.packed[0])
        framed = F.pad(levels, (1, 0, 1, 0), value=self.scale.zero)
        b, _, h, w = levels.shape
        out = levels.new_empty(b, 2 * h, 2 * w, len(self.spread), dtype=self.dtype)
        out = out.permute(0, 3, 1, 2)
        for number, packed in enumerate(self.packed):
            row, column = divmod(number, 2)
            out[:, :, row::2, column::2] = self._convolve(framed[:, :, row:, column:], packed)
        return out

    def _convolve(self, levels: UInt8[Tensor, "b i h w"], packed: Tensor) -> Tensor:
        read, given = self.scale, self.into or Scale(1.0, 0)
        y: Tensor = torch.ops.onednn.qconv2d_pointwise(
            *(levels, read.step, read.zero, packed, self.spread, self.zeros, self.bias),
            *([1, 1], self.padding, [1, 1], 1, given.step, given.zero),
            *(self.dtype, self.activation, [], ""),
        )
        return y


def _replace(decoder: Decoder, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(decoder.get_submodule(parent), child, module)


def _followers(decoder: Decoder, layers: dict[str, Layer]) -> Iterator[tuple[str, Follower]]:
    """What reads the results of those layers that stand in a row with others, by name."""
    for path, row in decoder.named_modules():
        if not isinstance(row, nn.Sequential):
            continue
        # dropout does nothing here; one nonlinearity stands in many places
        names = [f"{path}.{n}" for n, m in enumerate(row) if not isinstance(m, nn.Dropout)]
        names += ["", ""]
        for name, second, third in zip(names, names[1:], names[2:], strict=False):
            activation = _FUSED.get(type(decoder.get_submodule(second)))
            if name in layers and activation:
                yield name, Follower(activation, second, third if third in layers else "")


def _layers(decoder: Decoder) -> Iterator[tuple[str, Layer]]:
    """Layers that draw, by name; not those of the first frame, nor the last, which are cheap."""
    last = None if decoder.parts is not None else decoder.drawer[-1]
    for name, module in decoder.named_modules():
        drawing = name.startswith(("enc_encoder.", "analogy.", "drawer."))
        other = module is last or name == "analogy.conv_first"
        if isinstance(module, Layer) and drawing and not other:
            yield name, module


def _as_convolution(layer: Layer) -> Float[Tensor, "o i 3 3"]:
    """Weights of the convolution that does the same, or would do with stride 1."""
    weight = layer.weight.detach()
    if isinstance(layer, JointConv):
        return weight[:, weight.shape[1] // 2 :]
    return weight if isinstance(layer, Conv) else weight.transpose(0, 1).flip(2, 3)


def _four(turned: Shaped[Tensor, "o i 3 3"]) -> list[Shaped[Tensor, "o i kh kw"]]:
    """Of a transposed convolution of stride 2: row by row the taps of even and odd results.

    Result 2i takes tap 2 at input i - 1 and tap 0 at i, result 2i + 1 takes tap 1 at i.
    """
    taps = (slice(0, 3, 2), slice(1, 2))
    return [turned[:, :, rows, columns] for rows in taps for columns in taps]
