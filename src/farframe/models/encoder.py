"""The encoder: frame -> encoding (the original's ``encoder_vgg``)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from farframe.config import ModelConfig
from farframe.models.cells import Conv, dense, flatten_hwc, truncated_normal_
from farframe.models.chunks import ALL, Chunks, in_chunks

PIXEL_SCALE = 256.0
IMAGENET_MEAN = (123.68, 116.78, 103.94)  # RGB, on the original's scale of 0 to 256
GREY = (0.2989, 0.5870, 0.1140)
VGG16 = ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8))  # multiples of the width, per block


class Encoder(nn.Module):
    """Frame in [0, 1] -> encoding, for any number of frames at once.

    ``mean`` is part of the weights: ImageNet weights bring that of their source (``interop.vgg``).
    """

    mean: Tensor
    grey: Tensor
    coords: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        c_in = 5 if config.encoder_coords else 3
        self.features, size = _FEATURES[config.encoder](config, c_in)
        self.dense = dense(size, config.enc_size, std=1e-4 if config.encoder == "vgg" else None)
        self.norm = (
            nn.BatchNorm1d(config.enc_size, affine=False, momentum=0.05)
            if config.enc_norm == "batch"
            else nn.Identity()
        )
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1))
        self.register_buffer("grey", torch.tensor(GREY).view(3, 1, 1), persistent=False)
        self.register_buffer("coords", coordinates(config.frame_size), persistent=False)

    def forward(
        self, frames: Float[Tensor, "n c h w"], chunks: Chunks = ALL
    ) -> Float[Tensor, "n e"]:
        """Encode ``n`` frames in [0, 1], in training some of them at a time."""
        x = in_chunks(self._features, frames, chunks)
        x = self.dense(F.dropout(x, 1 - self.config.enc_keep_prob, self.training))
        return F.normalize(x, dim=1) if self.config.enc_norm == "l2" else self.norm(x)

    def _features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        """What the convolutions make of each frame by itself."""
        if self.config.encoder_grey_in:
            x = (x * self.grey).sum(1, keepdim=True).expand_as(x)
        x = x * PIXEL_SCALE - self.mean
        if self.config.encoder != "vgg":
            x = x / 64  # unit scale: only the VGG's ImageNet weights expect 0 to 256
        if self.config.encoder_coords:
            x = torch.cat((x, self.coords.to(x.dtype).expand(len(x), -1, -1, -1)), 1)
        return self.features(x)


class Flatten(nn.Module):
    """Flatten in the original's h, w, c order."""

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        """All numbers of the maps."""
        return flatten_hwc(x)


class Keypoints(nn.Module):
    """Where each feature map is active (spatial softmax), and how much each map is on the whole.

    Positions enter the encoding as numbers that move as the things in the picture move, and so a
    predictor finds their motion to be nearly linear. (Spatial softmax: Finn et al., "Deep Spatial
    Autoencoders for Visuomotor Learning", ICRA 2016; not in the original.)
    """

    coords: Tensor

    def __init__(self, c_in: int, count: int, side: int) -> None:
        super().__init__()
        self.heat = nn.Conv2d(c_in, count, 1)
        self.register_buffer("coords", coordinates(side).flatten(1) * 2, persistent=False)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        """``2 * count`` coordinates and ``c`` means."""
        heat = self.heat(x).flatten(2).float().softmax(2)
        places = torch.einsum("nks,ds->nkd", heat, self.coords.float())
        return torch.cat((places.flatten(1).to(x.dtype), x.mean((2, 3))), 1)


def coordinates(side: int) -> Float[Tensor, "2 h w"]:
    """Row and column of each pixel, from -1 to 1."""
    axis = torch.linspace(-1, 1, side)
    return torch.stack(torch.meshgrid(axis, axis, indexing="ij"))


def vgg16(config: ModelConfig, c_in: int) -> tuple[nn.Sequential, int]:
    """VGG-16's convolutions; each of the five blocks ends in a 2x2 max pool."""
    layers: list[nn.Module] = []
    for block in VGG16:
        for multiple in block:
            conv = Conv(c_in, multiple * config.width)
            truncated_normal_(conv.weight, 0.01)
            layers += [conv, nn.ReLU()]
            c_in = conv.out_channels
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, Flatten()), (config.frame_size // 32) ** 2 * c_in


def strided(config: ModelConfig, c_in: int) -> tuple[nn.Sequential, int]:
    """Four strided convolutions with group norm: a tenth of the VGG's cost, and it trains fast."""
    layers, c_in = _strided_layers(config, c_in, ((1, 2), (2, 2), (4, 2), (4, 2)))
    return nn.Sequential(*layers, Flatten()), (config.frame_size // 16) ** 2 * c_in


def keypoints(config: ModelConfig, c_in: int) -> tuple[nn.Sequential, int]:
    """Strided convolutions down to an eighth (of 32 pixels a quarter), then ``Keypoints``."""
    shrink = 4 if config.frame_size == 32 else 8
    strides = (2, 2, 1) if shrink == 4 else (2, 2, 2)
    layers, c_in = _strided_layers(config, c_in, tuple(zip((1, 2, 2), strides, strict=True)))
    count = 2 * config.width
    head = Keypoints(c_in, count, config.frame_size // shrink)
    return nn.Sequential(*layers, head), 2 * count + c_in


def _strided_layers(
    config: ModelConfig, c_in: int, plan: tuple[tuple[int, int], ...]
) -> tuple[list[nn.Module], int]:
    layers: list[nn.Module] = []
    for multiple, stride in plan + ((plan[-1][0], 1),) * config.encoder_layers:
        c_out = multiple * config.width
        groups = next(g for g in range(max(1, c_out // 16), 0, -1) if c_out % g == 0)
        layers += [Conv(c_in, c_out, stride=stride), nn.GroupNorm(groups, c_out), nn.SiLU()]
        c_in = c_out
    return layers, c_in


_FEATURES = {"vgg": vgg16, "conv": strided, "keypoint": keypoints}
