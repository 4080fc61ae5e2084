"""The decoder, the paper's VAN: first frame, its encoding, an encoding -> frame and mask.

"Visual analogy network": the frame to draw is to the first frame what its encoding is to the
first encoding. Nothing else is read, so any frame can be drawn without those before it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from farframe.config import ModelConfig
from farframe.models.cells import Conv, ConvTranspose, LayerNorm, dense, unflatten_hwc
from farframe.models.parts import Parts
from farframe.types import Anchor, Decoded


class Decoder(nn.Module):
    """``anchor`` once a clip, then ``forward`` for any encodings of it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.blank = config.decoder_first_frame == "blank"
        self.image_encoder = ImageEncoder(config)
        self.enc_encoder = EncodingEncoder(config)
        self.analogy = Analogy(config)
        self.drawer = Drawer(config)
        self.parts = Parts(config, config.width) if config.decoder_parts else None

    def anchor(self, frame: Float[Tensor, "b c h w"], enc: Float[Tensor, "b e"]) -> Anchor:
        """All that depends on the first frame alone: nothing, if a blank one is shown instead."""
        if self.blank:
            frame, enc = torch.zeros_like(frame), torch.zeros_like(enc)
        _, f_enc = self.enc_encoder(enc)
        difference = self.image_encoder(frame) - f_enc
        places = None if self.parts is None else self.parts.places(enc)
        return Anchor(frame=frame, analogy=self.analogy.first(difference), places=places)

    def forward(
        self,
        anchor: Anchor,
        enc: Float[Tensor, "b n e"],
        kept: Sequence[Bool[Tensor, "b n ..."]] | None = None,
    ) -> Decoded:
        """Draw ``n`` encodings of each clip, in any order, in one pass.

        ``kept`` is what dropout keeps, as ``Drawer.draw_kept`` gives it (None: drawn here).
        """
        b, n, _ = enc.shape
        enc = enc.flatten(0, 1)
        low, high = self.enc_encoder(enc)
        first = _repeat(anchor.analogy, n)
        noise = None if kept is None else [x.flatten(0, 1) for x in kept]
        drawn = self.drawer(high + self.analogy(first, high), noise)
        if self.parts is not None:
            assert anchor.places is not None
            drawn = self.parts(drawn, anchor.frame, anchor.places, enc)
        mask = torch.ones_like(drawn[:, 3:]) if self.blank else torch.sigmoid(drawn[:, 3:])
        frames = drawn[:, :3] * mask + _repeat(anchor.frame, n) * (1 - mask)
        return Decoded(
            frames=frames.unflatten(0, (b, n)),
            masks=mask.unflatten(0, (b, n)),
            features=(low.unflatten(0, (b, n)), high.unflatten(0, (b, n))),
        )


def joined(parts: Sequence[Decoded]) -> Decoded:
    """What was drawn of the same clips part after part, as one."""
    return Decoded(
        frames=torch.cat([part.frames for part in parts], 1),
        masks=torch.cat([part.masks for part in parts], 1),
        features=(
            torch.cat([part.features[0] for part in parts], 1),
            torch.cat([part.features[1] for part in parts], 1),
        ),
    )


def _repeat(x: Float[Tensor, "b c h w"], n: int) -> Float[Tensor, "m c h w"]:
    return x if n == 1 else x[:, None].expand(-1, n, -1, -1, -1).flatten(0, 1)


def _activation(config: ModelConfig) -> nn.Module:
    return nn.ReLU() if config.activation == "relu" else nn.SiLU()


class ImageEncoder(nn.Sequential):
    """f_img: frame -> features of an eighth of its size, 4w channels (``van_image_enc``)."""

    def __init__(self, config: ModelConfig) -> None:
        w, act, drop = config.width, _activation(config), nn.Dropout(1 - config.van_keep_prob)
        super().__init__(
            *(Conv(3, w), act, LayerNorm(w)),
            *(Conv(w, w), act, nn.MaxPool2d(2), drop, LayerNorm(w)),
            *(Conv(w, 2 * w), act),
            *(Conv(2 * w, 2 * w), act, nn.MaxPool2d(2), drop, LayerNorm(2 * w)),
            *(Conv(2 * w, 4 * w), act, Conv(4 * w, 4 * w), act, Conv(4 * w, 4 * w), act),
            nn.MaxPool2d(2),
        )


class EncodingEncoder(nn.Module):
    """f_enc: encoding -> maps L2 (2w channels) and L4 (4w), an eighth of a frame (``van_enc``)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        w, act = config.width, _activation(config)
        self.side = config.frame_size // 16
        size = self.side * self.side * w
        self.act = act
        self.dense = nn.Sequential(dense(config.enc_size, size), act, LayerNorm(size))
        self.low = nn.Sequential(
            *(ConvTranspose(w, w), act, LayerNorm(w)), *(ConvTranspose(w, 2 * w, stride=2), act)
        )
        self.high = nn.Sequential(
            *(ConvTranspose(2 * w, 2 * w), act, LayerNorm(2 * w)),
            *(ConvTranspose(2 * w, 4 * w), act),
        )

    def forward(
        self, enc: Float[Tensor, "n e"]
    ) -> tuple[Float[Tensor, "n f2 h8 w8"], Float[Tensor, "n f4 h8 w8"]]:
        """Encoding -> (L2, L4)."""
        low = self.low(unflatten_hwc(self.dense(self.act(enc)), self.side))
        return low, self.high(low)


class JointConv(Conv):
    """A convolution of two stacks of maps side by side, each taken by itself.

    Convolution is linear in its input channels: the first stack's share is computed once a clip.
    """

    def first(self, a: Float[Tensor, "b f h8 w8"]) -> Float[Tensor, "b f h8 w8"]:
        """The sum over the first half of the inputs, with the offset."""
        return F.conv2d(a, self.weight[:, : a.shape[1]], self.bias, padding=1)

    def forward(self, input: Float[Tensor, "n f h8 w8"]) -> Float[Tensor, "n f h8 w8"]:
        """The sum over the second half."""
        return F.conv2d(input, self.weight[:, input.shape[1] :], padding=1)


class Analogy(nn.Module):
    """What must change between the first frame and this one (``analogy_computation``)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        w, act = config.width, _activation(config)
        self.act = act
        self.conv_first = Conv(4 * w, 4 * w)
        self.conv_this = Conv(4 * w, 4 * w)
        self.joint = JointConv(8 * w, 4 * w)
        self.rest = nn.Sequential(
            *(act, LayerNorm(4 * w)),
            *(Conv(4 * w, 4 * w), act, Conv(4 * w, 4 * w), act),
        )

    def first(self, difference: Float[Tensor, "b f h8 w8"]) -> Float[Tensor, "b f h8 w8"]:
        """What the joint convolution makes of the first frame, once a clip."""
        return self.joint.first(self.act(self.conv_first(difference)))

    def forward(
        self, first: Float[Tensor, "n f h8 w8"], high: Float[Tensor, "n f h8 w8"]
    ) -> Float[Tensor, "n f h8 w8"]:
        """Analogy features of ``n`` frames whose clips' ``first`` is given."""
        return self.rest(first + self.joint(self.act(self.conv_this(high))))


class Drawer(nn.Sequential):
    """Features -> three colour channels and the mask's logit, at full size (``van_dec``).

    With parts, w channels at full size, of which ``Parts`` makes those four.
    """

    def __init__(self, config: ModelConfig) -> None:
        w, act, drop = config.width, _activation(config), nn.Dropout(1 - config.van_keep_prob)
        last = w if config.decoder_parts else 4
        super().__init__(
            *(ConvTranspose(4 * w, 4 * w, stride=2), act, drop, LayerNorm(4 * w)),
            *(ConvTranspose(4 * w, 4 * w), act, drop),
            *(ConvTranspose(4 * w, 2 * w), act, drop, LayerNorm(2 * w)),
            *(ConvTranspose(2 * w, 2 * w, stride=2), act, drop),
            *(ConvTranspose(2 * w, w), act, drop, LayerNorm(w)),
            *(ConvTranspose(w, last, stride=2), act, drop),
            *(() if config.decoder_parts else (ConvTranspose(4, 4),)),
        )
        self.side, self.keep_prob = config.frame_size // 8, config.van_keep_prob

    def forward(
        self,
        input: Float[Tensor, "n f h8 w8"],
        kept: Sequence[Bool[Tensor, "n ..."]] | None = None,
    ) -> Float[Tensor, "n o h w"]:
        """Draw; dropout keeps what ``kept`` says (None: drawn here, to the same numbers)."""
        given = None if kept is None else iter(kept)
        for layer in self:
            if not isinstance(layer, nn.Dropout):
                input = layer(input)
            elif self.training and self.keep_prob < 1:
                n, c, h, w = input.shape
                some = self._draw((n, h, w, c), input.device) if given is None else next(given)
                input = input * some.permute(0, 3, 1, 2) * (1 / self.keep_prob)
        return input

    def draw_kept(self, count: int, device: torch.device) -> list[Bool[Tensor, "n h2 w2 c2"]]:
        """What each dropout keeps of ``count`` frames' features, in the order of ``forward``."""
        drawn: list[Tensor] = []
        side, channels = self.side, 0
        for layer in self:
            if isinstance(layer, ConvTranspose):
                side, channels = side * layer.stride[0], layer.out_channels
            elif isinstance(layer, nn.Dropout) and self.training and self.keep_prob < 1:
                drawn.append(self._draw((count, side, side, channels), device))
        return drawn

    def _draw(self, shape: tuple[int, ...], device: torch.device) -> Bool[Tensor, "n h2 w2 c2"]:
        return torch.empty(shape, dtype=torch.bool, device=device).bernoulli_(self.keep_prob)
