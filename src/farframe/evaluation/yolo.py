"""YOLOv3-tiny: a small network that finds things in pictures, as darknet computes it.

Redmon and Farhadi 2018, trained on COCO with pictures of 320x320 to 608x608. Weights: ``farframe
weights get person-detector``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from farframe.config import check
from farframe.evaluation.frozen import exact, padded_same
from farframe.interop.detector_cache import CLASSES, PERSON_DETECTOR
from farframe.interop.weights_cache import content_digest, read

SIDE = 224
"""Side that frames are resized to. Of frames as small as 64x64 that is enough: at 416, which the
network is mostly used at, it is less sure of people who are there, and takes four times as long."""
GRID = 32
"""Pixels by which the network makes pictures smaller: their side must be a multiple."""

_EPS = 1e-6  # darknet adds it to the root of the variance, not to the variance
_SLOPE = 0.1  # of the leaky rectifier
_POOLED = (1, 2, 3, 4, 5)  # convolutions that a 2x2 max pool of stride 2 comes before
_COARSE = ((81, 82), (135, 169), (344, 319))
_FINE = ((23, 27), (37, 58), (81, 82))
"""Widths and heights in pixels that boxes start from. The published configuration has the fine
grid's one place further to the front (10x14 instead of 81x82), but the weights were trained with
these: with the others, boxes of people end at their hips. Scores don't depend on them."""


@dataclass(frozen=True)
class Candidates:
    """All that the network says of each picture: k boxes, most of them of nothing.

    ``boxes`` are left, top, right and bottom in sides of the picture; ``scores`` those of COCO's
    classes in [0, 1]: whether there is a thing, times which one it is.
    """

    boxes: Float[Tensor, "n k 4"]
    scores: Float[Tensor, "n k classes"]


@dataclass(frozen=True)
class Yolo:
    """The network as folded weights and offsets of its convolutions, and how large it sees."""

    layers: tuple[tuple[Float[Tensor, "_ _ _ _"], Float[Tensor, " _"]], ...]
    digest: str
    """What tells the weights from all others."""
    side: int

    @staticmethod
    def load(device: torch.device, side: int = SIDE) -> Yolo:
        """The published network, for pictures ``side`` pixels wide and high.

        Raises:
            ValueError: if its weights are not in the cache, or are not the published ones, or if
                ``side`` is no multiple of 32.
        """
        check(side >= GRID and side % GRID == 0, "side", side, f"must be a multiple of {GRID}")
        [file] = PERSON_DETECTOR.files
        if not file.path.is_file():
            raise ValueError(
                f"the person detector needs {file.path}: run `farframe weights get person-detector`"
            )
        return Yolo.folded(read(file), device, side)

    @staticmethod
    def folded(tensors: Mapping[str, Tensor], device: torch.device, side: int = SIDE) -> Yolo:
        """From ``conv.N.weight`` and ``.bias``, with batch norm ``.scale``, ``.mean``, ``.var``."""
        layers: list[tuple[Tensor, Tensor]] = []
        while (name := f"conv.{len(layers)}") + ".weight" in tensors:
            weight, bias = (tensors[f"{name}.{part}"].double() for part in ("weight", "bias"))
            if f"{name}.var" in tensors:
                spread = tensors[f"{name}.var"].double().sqrt() + _EPS
                gain = tensors[f"{name}.scale"].double() / spread
                bias = bias - tensors[f"{name}.mean"].double() * gain
                weight = weight * gain[:, None, None, None]
            layers.append((weight.float().to(device), bias.float().to(device)))
        return Yolo(tuple(layers), content_digest(tensors), side)

    def __call__(self, frames: Float[Tensor, "n 3 s s"]) -> Candidates:
        """What is in square frames of any size, in [0, 1]: they are resized to ``side``, bilinear.

        Pixels' centres are half a pixel from the edge, as OpenCV resizes too. (Of square pictures
        darknet's letterbox is a plain resize.)
        """
        size = (self.side, self.side)
        with exact(frames.device):
            x = F.interpolate(frames.float(), size, mode="bilinear", align_corners=False)
            return self._seen(x)

    def _seen(self, x: Float[Tensor, "n 3 side side"]) -> Candidates:
        for n in range(5):
            x = self._conv(_halved(x) if n in _POOLED else x, n)
        fine = x
        x = self._conv(_halved(x), 5)
        x = F.max_pool2d(padded_same(x, (2, 2), (1, 1), -torch.inf), 2, 1)
        x = self._conv(self._conv(x, 6), 7)
        coarse = self._conv(self._conv(x, 8), 9, linear=True)
        up = F.interpolate(self._conv(x, 10), scale_factor=2.0, mode="nearest")
        fine = self._conv(self._conv(torch.cat((up, fine), 1), 11), 12, linear=True)
        found = [_read(coarse, _COARSE, self.side), _read(fine, _FINE, self.side)]
        boxes, scores = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
        return Candidates(boxes, scores)

    def _conv(self, x: Tensor, n: int, linear: bool = False) -> Tensor:
        weight, bias = self.layers[n]
        x = F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
        return x if linear else F.leaky_relu(x, _SLOPE)


def _halved(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
    return F.max_pool2d(x, 2, 2)


def _read(
    x: Float[Tensor, "n o g g"], anchors: tuple[tuple[int, int], ...], side: int
) -> tuple[Float[Tensor, "n k 4"], Float[Tensor, "n k classes"]]:
    """A grid's numbers as boxes and scores: every cell has a box for each of the anchors."""
    count, grid = len(x), x.shape[-1]
    x = x.view(count, len(anchors), 5 + CLASSES, grid, grid).permute(0, 1, 3, 4, 2)
    cells = torch.arange(grid, device=x.device)
    corner = torch.stack(torch.meshgrid(cells, cells, indexing="xy"), -1)
    centre = (x[..., 0:2].sigmoid() + corner) / grid
    start = x.new_tensor(anchors)[:, None, None] / side
    half = x[..., 2:4].exp() * start / 2
    boxes = torch.cat((centre - half, centre + half), -1)
    scores = x[..., 4:5].sigmoid() * x[..., 5:].sigmoid()
    return boxes.flatten(1, 3), scores.flatten(1, 3)
