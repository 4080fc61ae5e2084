"""Where the arm or the person is in a picture, found by a small network that knows the empty scene.

A decoder's mask says what it redraws, not what there is to be seen. These networks were trained on
true frames of a world and frozen (``finder_training.py``); what they find in a predicted frame can
be held against the world's own label of the true one. Beside the picture they are shown the clip's
scene without the thing, so that a blue arm over a blue table is no riddle.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from farframe.evaluation.frozen import exact
from farframe.interop.weights_cache import content_digest
from farframe.worlds.robot_camera import ARM

SIDE = 64
"""Pixels along a side of what the network looks at; other frames are resized to it and back."""
CHUNK = 64  # frames at once: bounds memory
_WIDTHS = (16, 24, 32)  # channels at half, quarter and eighth size


@dataclass(frozen=True)
class Thing:
    """What a finder finds, and where a world's labels have it."""

    labels: frozenset[str]
    """Labels by which clips of its world are known."""
    truth: Callable[
        [Mapping[str, Shaped[np.ndarray, "t ..."]]],
        Bool[np.ndarray, "t h w"],
    ]
    """Pixels that it covers at least half of."""


THINGS: Mapping[str, Thing] = {
    "arm": Thing(
        frozenset({"segmentation", "objects"}), lambda labels: labels["segmentation"] == ARM
    ),
    "person": Thing(frozenset({"joints", "mask"}), lambda labels: labels["mask"] > 127),
}
"""By name: the arm of robot-push, the person of humans."""


def thing_of(labels: Collection[str]) -> str:
    """The thing that clips with these labels show ("": none that a finder knows)."""
    return next((name for name, thing in THINGS.items() if thing.labels <= set(labels)), "")


class FinderNet(nn.Module):
    """A U-Net of 55,000 numbers without norms: what is pale is pale to it, whatever surrounds it.

    It works at half the size and less, and says of each of its pixels what the four pixels are.
    """

    def __init__(self) -> None:
        super().__init__()
        a, b, c = _WIDTHS
        self.down = nn.ModuleList(
            [
                nn.ModuleList([_conv(6, a, 2), _conv(a, a)]),
                nn.ModuleList([_conv(a, b, 2), _conv(b, b)]),
                nn.ModuleList([_conv(b, c, 2), _conv(c, c)]),
            ]
        )
        self.up = nn.ModuleList([_conv(c + b, b), _conv(b + a, a)])
        self.out = nn.Conv2d(a, 4, 3, padding=1)

    def forward(
        self, frames: Float[Tensor, "n 3 h w"], scenes: Float[Tensor, "n 3 h w"]
    ) -> Float[Tensor, "n h w"]:
        """Logits of each pixel's belonging to the thing; h and w are multiples of 8."""
        x, seen = torch.cat((2 * frames - 1, 2 * (frames - scenes)), 1), list[Tensor]()
        for level in self.down:
            for conv in level.children():
                x = F.leaky_relu(conv(x), 0.1)
            seen.append(x)
        for conv, beside in zip(self.up, reversed(seen[:-1]), strict=True):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = F.leaky_relu(conv(torch.cat((x, beside), 1)), 0.1)
        return F.pixel_shuffle(self.out(x), 2)[:, 0]


def _conv(c_in: int, c_out: int, stride: int = 1) -> nn.Conv2d:
    conv = nn.Conv2d(c_in, c_out, 2 + stride, stride, padding=1)  # 4x4 where it halves
    nn.init.kaiming_normal_(conv.weight, 0.1)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv


@dataclass(frozen=True)
class Finder:
    """A frozen network that finds ``thing``."""

    thing: str
    net: FinderNet
    digest: str
    """What tells its weights from all others."""

    @staticmethod
    def of(thing: str, data: bytes, device: torch.device) -> Finder:
        """A finder of weights as ``finder_training`` writes them."""
        tensors = {name: value.float() for name, value in safetensors.torch.load(data).items()}
        net = FinderNet()
        net.load_state_dict(tensors)
        return Finder(thing, net.requires_grad_(False).to(device), content_digest(tensors))

    @staticmethod
    def load(thing: str, device: torch.device) -> Finder:
        """The one that farframe brings for a thing of ``THINGS``."""
        data = files("farframe.evaluation").joinpath(f"finder_{thing}.safetensors").read_bytes()
        return Finder.of(thing, data, device)

    def __call__(
        self, frames: Float[Tensor, "b t c h w"], scenes: Float[Tensor, "b c h w"]
    ) -> Bool[Tensor, "b t h w"]:
        """Pixels where the thing is, of frames in [0, 1] and each clip's scene without it."""
        shown = scenes[:, None].expand_as(frames)
        parts = (x.flatten(0, 1).float().split(CHUNK) for x in (frames, shown))
        with exact(frames.device):
            logits = [self._logits(*part) for part in zip(*parts, strict=True)]
        return (torch.cat(logits) > 0).unflatten(0, frames.shape[:2])

    def _logits(
        self, frames: Float[Tensor, "n c h w"], scenes: Float[Tensor, "n c h w"]
    ) -> Float[Tensor, "n h w"]:
        logits = self.net(_resized(frames, SIDE), _resized(scenes, SIDE))
        return _resized(logits[:, None], frames.shape[-1])[:, 0]


def _resized(pictures: Float[Tensor, "n c h w"], side: int) -> Float[Tensor, "n c side side"]:
    if pictures.shape[-1] == side:
        return pictures
    return F.interpolate(
        pictures, (side, side), mode="bilinear", align_corners=False, antialias=True
    )
