"""LPIPS: distance of two pictures in the features of a network, as people were found to see it.

Zhang et al. 2018, version 0.1, on AlexNet or VGG-16. Frames are compared at their own size, as the
literature of video prediction does. Weights: ``farframe weights get lpips``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from farframe.evaluation.frozen import exact
from farframe.evaluation.metrics import same_frames
from farframe.interop.feature_cache import LPIPS as KEPT
from farframe.interop.feature_cache import LPIPS_FILES
from farframe.interop.weights_cache import content_digest, read
from farframe.models.cells import full_precision

Net = Literal["alex", "vgg"]

AT_ONCE = {"cpu": 8}  # pairs of frames, to bound memory; of more VGG's maps don't fit a CPU's cache
AT_ONCE_ELSEWHERE = 64
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_ALEX = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))  # stride and padding of AlexNet's convolutions
_ALEX_POOLED = (1, 2)  # convolutions that a 3x3 max pool of stride 2 comes before
_VGG_TAPS = (1, 3, 6, 9, 12)  # convolutions that are compared; a 2x2 max pool follows each


@dataclass(frozen=True)
class LPIPS:
    """One network with its heads: call it with two sets of frames.

    ``tensors`` are ``conv.N.weight``, ``conv.N.bias`` and, for each of the five layers compared,
    ``head.N``, the weights of its channels.
    """

    net: Net
    tensors: Mapping[str, Tensor]

    @staticmethod
    def load(net: Net, device: torch.device) -> LPIPS:
        """The published network.

        Raises:
            ValueError: if its weights are not in the cache, or are not the published ones.
        """
        file = dict(zip(LPIPS_FILES, KEPT.files, strict=True))[net]
        if not file.path.is_file():
            raise ValueError(f"LPIPS needs {file.path}: run `farframe weights get lpips`")
        return LPIPS(net, {name: value.to(device) for name, value in read(file).items()})

    @property
    def digest(self) -> str:
        """What tells these weights from all others."""
        return content_digest({name: value.cpu() for name, value in self.tensors.items()})

    def __call__(
        self, pred: Float[Tensor, "b t c h w"], truth: Float[Tensor, "b t c h w"]
    ) -> Float[Tensor, "b t"]:
        """Distance of each frame, frames in [0, 1].

        Raises:
            ValueError: if frames are too small for the network.
        """
        _check(pred, truth)
        at_once = AT_ONCE.get(pred.device.type, AT_ONCE_ELSEWHERE)
        with exact(pred.device):
            pairs = zip(
                pred.flatten(0, 1).float().split(at_once),
                truth.flatten(0, 1).float().split(at_once),
                strict=True,
            )
            return torch.cat([self._distance(p, t) for p, t in pairs]).view(pred.shape[:2])

    def loss(
        self, pred: Float[Tensor, "b t c h w"], truth: Float[Tensor, "b t c h w"]
    ) -> Float[Tensor, ""]:
        """Mean distance of all frames, with its gradient, all at once; raises as a call does."""
        _check(pred, truth)
        with full_precision(pred):
            return self._distance(pred.flatten(0, 1).float(), truth.flatten(0, 1).float()).mean()

    def _distance(
        self, pred: Float[Tensor, "n c h w"], truth: Float[Tensor, "n c h w"]
    ) -> Float[Tensor, " n"]:
        total = torch.zeros(len(pred), device=pred.device)
        both = self._features(torch.cat((pred, truth)))
        for n, layer in enumerate(both):
            # a root's slope at 0 is infinite, and where no feature is active the sum is 0
            unit = layer / (layer.square().sum(1, keepdim=True) + 1e-20).sqrt()
            apart = (unit[: len(pred)] - unit[len(pred) :]).square()
            total += (apart * self.tensors[f"head.{n}"][:, None, None]).sum(1).mean((1, 2))
        return total

    def _features(self, frames: Float[Tensor, "n c h w"]) -> list[Float[Tensor, "n f h2 w2"]]:
        shift, scale = (frames.new_tensor(v)[:, None, None] for v in (_SHIFT, _SCALE))
        x = (2 * frames - 1 - shift) / scale
        features: list[Tensor] = []
        if self.net == "alex":
            for n, (stride, padding) in enumerate(_ALEX):
                if n in _ALEX_POOLED:
                    x = F.max_pool2d(x, 3, 2)
                x = self._conv(x, n, stride, padding)
                features.append(x)
            return features
        for n in range(_VGG_TAPS[-1] + 1):
            x = self._conv(x, n, 1, 1)
            if n in _VGG_TAPS:
                features.append(x)
                x = F.max_pool2d(x, 2, 2) if n < _VGG_TAPS[-1] else x
        return features

    def _conv(self, x: Tensor, n: int, stride: int, padding: int) -> Tensor:
        weight, bias = self.tensors[f"conv.{n}.weight"], self.tensors[f"conv.{n}.bias"]
        return F.relu(F.conv2d(x, weight, bias, stride, padding))


def _check(pred: Tensor, truth: Tensor) -> None:
    same_frames(pred, truth)
    if min(pred.shape[-2:]) < 32:
        raise ValueError(
            f"frames are {pred.shape[-2]}x{pred.shape[-1]}: LPIPS needs at least 32x32 pixels"
        )
