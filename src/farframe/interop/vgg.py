"""VGG-16 trained on ImageNet as the start of our encoder, with each source's view of pixels.

A source's network reads ``z = scale * x - mean`` of x in [0, 1]; our encoder reads
``u = 256 x - encoder.mean``. The start therefore brings its own ``encoder.mean``, the one for which
u = 0 where z = 0 (and so padding with zeros means the same), and its first kernel is divided by
what u is larger than z. The features are then those of the source's network, edges included.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from farframe.interop.vgg_files import Convolutions, read_vgg
from farframe.models.encoder import PIXEL_SCALE, VGG16


def encoder_start(path: Path, width: int) -> dict[str, Tensor]:
    """VGG-16 weights as entries of an ``Encoder``'s state: its convolutions and its ``mean``.

    Raises:
        ValueError: if they can't be read, or are of another width.
    """
    convs = read_vgg(path)
    found = len(convs.biases[0])
    if found != width:
        raise ValueError(
            f"{path} holds {convs.source.name} weights of width {found}, and model.width is "
            f"{width}: give --model.width {found}"
        )
    return folded(convs)


def folded(convs: Convolutions) -> dict[str, Tensor]:
    """The convolutions with the source's scale, mean and order of colours in the first of them."""
    scale = np.array(convs.source.scale, np.float64)
    first = convs.kernels[0][:, ::-1] if convs.source.bgr else convs.kernels[0]
    first = first * (scale / PIXEL_SCALE)[:, None, None]
    mean = PIXEL_SCALE * np.array(convs.source.mean, np.float64) / scale
    start = {"mean": torch.from_numpy(mean.astype(np.float32)).view(3, 1, 1)}
    places = _places()
    for i, (kernel, bias) in enumerate(zip(convs.kernels, convs.biases, strict=True)):
        value = np.ascontiguousarray(kernel if i else first, np.float32)
        start[f"features.{places[i]}.weight"] = torch.from_numpy(value.copy())
        start[f"features.{places[i]}.bias"] = torch.from_numpy(bias.copy())
    return start


def _places() -> list[int]:
    """Where the encoder has them: each is followed by a ReLU, and each block by a pool."""
    places: list[int] = []
    at = 0
    for block in VGG16:
        places += range(at, at + 2 * len(block), 2)
        at += 2 * len(block) + 1
    return places
