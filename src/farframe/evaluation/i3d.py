"""I3D, the video network whose features FVD compares.

Carreira and Zisserman 2017, RGB, trained on Kinetics-400, as DeepMind published it: TensorFlow's
SAME padding, batch norm with epsilon 1e-3 and no gain. Weights: ``farframe weights get i3d``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from farframe.evaluation.frozen import exact, padded_same
from farframe.interop.feature_cache import I3D as KEPT
from farframe.interop.weights_cache import content_digest, read

SIZE = 224
LEAST_FRAMES = 10  # the authors of FVD ask for ten; with fewer than nine nothing is left to pool
PLAYING_CRICKET = 227  # of Kinetics-400's labels in alphabetical order, counted from 0

_EPS = 1e-3
_ONES = (1, 1, 1)
_STAGES: tuple[tuple[str, tuple[int, ...] | None, tuple[int, ...] | None], ...] = (
    ("Conv3d_1a_7x7", (2, 2, 2), None),
    ("", (1, 3, 3), (1, 2, 2)),
    ("Conv3d_2b_1x1", _ONES, None),
    ("Conv3d_2c_3x3", _ONES, None),
    ("", (1, 3, 3), (1, 2, 2)),
    ("Mixed_3b", None, None),
    ("Mixed_3c", None, None),
    ("", (3, 3, 3), (2, 2, 2)),
    ("Mixed_4b", None, None),
    ("Mixed_4c", None, None),
    ("Mixed_4d", None, None),
    ("Mixed_4e", None, None),
    ("Mixed_4f", None, None),
    ("", (2, 2, 2), (2, 2, 2)),
    ("Mixed_5b", None, None),
    ("Mixed_5c", None, None),
)
"""Units with their stride, Inception modules, and ("", window, stride) for max pools."""


@dataclass(frozen=True)
class I3D:
    """The network as folded weights and offsets of its units: call it with clips."""

    units: Mapping[str, tuple[Float[Tensor, "o i t h w"], Float[Tensor, " o"]]]
    digest: str
    """What tells the weights from all others."""

    @staticmethod
    def load(device: torch.device) -> I3D:
        """The published network.

        Raises:
            ValueError: if its weights are not in the cache, or are not the published ones.
        """
        [file] = KEPT.files
        if not file.path.is_file():
            raise ValueError(f"FVD needs I3D's weights in {file.path}: `farframe weights get i3d`")
        return I3D.folded(read(file), device)

    @staticmethod
    def folded(tensors: Mapping[str, Tensor], device: torch.device) -> I3D:
        """From each unit's ``weight`` and ``bias``, with batch norm ``mean`` and ``var`` too."""
        units: dict[str, tuple[Tensor, Tensor]] = {}
        for name in {key.rpartition(".")[0] for key in tensors}:
            weight, bias = (tensors[f"{name}.{part}"].double() for part in ("weight", "bias"))
            if f"{name}.var" in tensors:
                gain = (tensors[f"{name}.var"].double() + _EPS).rsqrt()
                bias = bias - tensors[f"{name}.mean"].double() * gain
                weight = weight * gain[:, None, None, None, None]
            units[name] = weight.float().to(device), bias.float().to(device)
        return I3D(units, content_digest(tensors))

    def __call__(self, clips: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b classes"]:
        """Logits averaged over time, of clips in [-1, 1], 224x224 and at least nine frames."""
        with exact(clips.device):
            x = clips.float()
            for name, first, second in _STAGES:
                if name.startswith("Mixed"):
                    x = self._mixed(x, name)
                elif name:
                    x = self._unit(x, name, first or _ONES)
                else:
                    x = _max_pool(x, first or _ONES, second or _ONES)
            x = F.avg_pool3d(x, (2, 7, 7), 1)
            weight, bias = self.units["Logits.Conv3d_0c_1x1"]
            return F.conv3d(x, weight, bias).mean((2, 3, 4))

    def _unit(self, x: Tensor, name: str, stride: tuple[int, ...] = _ONES) -> Tensor:
        weight, bias = self.units[name]
        return F.relu(F.conv3d(padded_same(x, weight.shape[2:], stride), weight, bias, stride))

    def _mixed(self, x: Tensor, name: str) -> Tensor:
        """An Inception module: four branches side by side."""
        branches = [self._unit(x, f"{name}.Branch_0.Conv3d_0a_1x1")]
        for n in (1, 2):
            narrow = self._unit(x, f"{name}.Branch_{n}.Conv3d_0a_1x1")
            branches.append(self._unit(narrow, f"{name}.Branch_{n}.Conv3d_0b_3x3"))
        pooled = _max_pool(x, (3, 3, 3), _ONES)
        branches.append(self._unit(pooled, f"{name}.Branch_3.Conv3d_0b_1x1"))
        return torch.cat(branches, 1)


def _max_pool(x: Tensor, window: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    return F.max_pool3d(padded_same(x, window, stride, -torch.inf), window, stride)
