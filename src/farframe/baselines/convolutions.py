"""SVG's encoder and decoder of frames: a DCGAN each, with skip connections at every resolution."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from farframe.baselines.svg_config import SVGConfig

GROUPS = 8  # of channels that group norm normalises together
MOST = 8  # widths that a convolution has at most
SMALLEST = 4  # side of the map that becomes an encoding (6 for frames of 96 pixels)

Skips = list[Tensor]
"""The encoder's maps of n frames, finest first: (n, channels, h / 2, w / 2), then h / 4, ..."""


class FrameEncoder(nn.Module):
    """Frames to encodings in (-1, 1), halving the side at each convolution."""

    def __init__(self, config: SVGConfig) -> None:
        super().__init__()
        channels = _channels(config)
        side = config.frame_size >> len(channels)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c_in, c_out, 4, 2, 1, bias=False), *_after(config, c_out))
            for c_in, c_out in zip([3, *channels], channels, strict=False)
        )
        self.out = nn.Conv2d(channels[-1], config.enc_size, side)
        self.squash = nn.Tanh()
        self.apply(_init)

    def forward(self, frames: Float[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n e"], Skips]:
        """Encodings of frames in [0, 1], and all maps on the way to them."""
        maps: Skips = []
        x = frames
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return self.squash(self.out(x).flatten(1)), maps


class FrameDecoder(nn.Module):
    """Encodings to frames in (0, 1); each stage also reads the encoder's map of its size."""

    def __init__(self, config: SVGConfig) -> None:
        super().__init__()
        channels = _channels(config)[::-1]
        side, last = config.frame_size >> len(channels), channels[0]
        self.seed = nn.Sequential(
            nn.ConvTranspose2d(config.enc_size, last, side, bias=False), *_after(config, last)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(2 * c_in, c_out, 4, 2, 1, bias=False), *_after(config, c_out)
            )
            for c_in, c_out in pairwise(channels)
        )
        self.out = nn.Sequential(nn.ConvTranspose2d(2 * channels[-1], 3, 4, 2, 1), nn.Sigmoid())
        self.apply(_init)

    def forward(self, enc: Float[Tensor, "n e"], skips: Skips) -> Float[Tensor, "n 3 h w"]:
        """Draw encodings with the help of maps of as many other frames."""
        x = self.seed(enc[:, :, None, None])
        coarsest, *finer = skips[::-1]
        x = torch.cat((x, coarsest), 1)
        for stage, skip in zip(self.stages, finer, strict=True):
            x = torch.cat((stage(x), skip), 1)
        return self.out(x)


class PixelNorm(nn.Module):
    """Batch norm of maps, their pixels taken for so many examples.

    That is what ``BatchNorm2d`` does, as fast, and as a ``BatchNorm1d`` it is one over all
    processes where there are several (``training/distributed.py``).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.over = nn.BatchNorm1d(channels)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Normalise each channel."""
        pixels = x.permute(0, 2, 3, 1)
        return self.over(pixels.flatten(0, 2)).view(pixels.shape).permute(0, 3, 1, 2)


def _channels(config: SVGConfig) -> list[int]:
    """Channels after each halving of the frame's side, down to a map of 4x4 (or 6x6)."""
    count = int(math.log2(config.frame_size // SMALLEST))
    return [config.width * min(2**n, MOST) for n in range(count)]


def _after(config: SVGConfig, channels: int) -> tuple[nn.Module, nn.Module]:
    """Norm and nonlinearity after a convolution."""
    norm = (
        PixelNorm(channels)
        if config.norm == "batch"
        else nn.GroupNorm(math.gcd(GROUPS, channels), channels)
    )
    return norm, nn.LeakyReLU(0.2)


def _init(module: nn.Module) -> None:
    """DCGAN's: normal weights of std 0.02, no offset; norms stay at gain 1."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
