"""Random VGG-16 weights in every form that people have them in, and what their network computes."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from tf_files import write_bundle
from torch import Tensor
from torch.nn import functional as F

BLOCKS = ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8))
TORCHVISION = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
Layers = list[tuple[np.ndarray, np.ndarray]]


def random_layers(width: int, scale: float) -> Layers:
    """Kernels (h, w, i, o) and offsets of about unit gain for pixels of the given spread."""
    rng = np.random.default_rng(0)
    out: Layers = []
    c_in = 3
    for multiple in (m for block in BLOCKS for m in block):
        std = (2 / (9 * c_in)) ** 0.5 / (1 if out else scale)
        kernel = rng.normal(0, std, (3, 3, c_in, multiple * width)).astype("f4")
        out.append((kernel, rng.normal(0, 0.2, multiple * width).astype("f4")))
        c_in = multiple * width
    return out


def features(z: Tensor, layers: Layers) -> Tensor:
    """VGG-16's last feature maps, of pixels as the source normalises them."""
    place = 0
    for block in BLOCKS:
        for _ in block:
            kernel, bias = (torch.tensor(a) for a in layers[place])
            z = F.relu(F.conv2d(z, kernel.permute(3, 2, 0, 1).to(z), bias.to(z), padding=1))
            place += 1
        z = F.max_pool2d(z, 2)
    return z


def torchvision_pixels(x: Tensor) -> Tensor:
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (x - mean.view(3, 1, 1)) / std.view(3, 1, 1)


def slim_pixels(x: Tensor) -> Tensor:
    return x * 255 - torch.tensor([123.68, 116.78, 103.94]).view(3, 1, 1)


def keras_pixels(x: Tensor) -> Tensor:
    return x.flip(1) * 255 - torch.tensor([103.939, 116.779, 123.68]).view(3, 1, 1)


def state_dict(layers: Layers, prefix: str = "") -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for place, (kernel, bias) in zip(TORCHVISION, layers, strict=True):
        weight = torch.tensor(kernel).permute(3, 2, 0, 1).contiguous()
        out |= {f"{prefix}features.{place}.weight": weight}
        out |= {f"{prefix}features.{place}.bias": torch.tensor(bias)}
    return out


def write_pth(path: Path, layers: Layers) -> None:
    head = {"classifier.0.weight": torch.zeros(2, 2)}
    torch.save(state_dict(layers) | head, path)


def write_old_pth(path: Path, layers: Layers) -> None:
    wrapped = {"epoch": 3, "state_dict": state_dict(layers, "module.")}
    torch.save(wrapped, path, _use_new_zipfile_serialization=False)


def write_safetensors(path: Path, layers: Layers) -> None:
    head = {"head.fc.weight": torch.zeros(2, 2), "pre_logits.fc1.bias": torch.zeros(2)}
    safetensors.torch.save_file(state_dict(layers) | head, path)


def write_pickle(path: Path, layers: Layers) -> None:
    net = {f"Conv_{i}": {"kernel": kernel, "bias": bias} for i, (kernel, bias) in enumerate(layers)}
    tree = {"VGG16_0": net, "NetLinLayer_0": {"Conv_0": {"kernel": np.ones((1, 1, 2, 1), "f4")}}}
    # numpy 1's name of its module, as in the file on PyPI
    data = pickle.dumps(tree, protocol=3).replace(b"numpy._core.multi", b"numpy.core.multi")
    path.write_bytes(data)


def write_slim(path: Path, layers: Layers) -> None:
    """In TensorFlow's second format; its first is tested with a file that it wrote."""
    arrays = {
        f"vgg_16/conv{b}/conv{b}_{n}": (b, n)
        for b, block in enumerate(BLOCKS, 1)
        for n in range(1, len(block) + 1)
    }
    named: dict[str, np.ndarray] = {"global_step": np.int64(0)}
    for scope, (kernel, bias) in zip(arrays, layers, strict=True):
        named |= {f"{scope}/weights": kernel, f"{scope}/biases": bias}
    write_bundle(path, named)


def _write_h5(path: Path, layers: Layers, names: list[tuple[str, str]]) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for (kernel_name, bias_name), (kernel, bias) in zip(names, layers, strict=True):
            file[kernel_name], file[bias_name] = kernel, bias


def _keras_names() -> list[str]:
    return [
        f"block{b}_conv{n}" for b, block in enumerate(BLOCKS, 1) for n in range(1, len(block) + 1)
    ]


def write_keras1(path: Path, layers: Layers) -> None:
    """As vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5."""
    names = [(f"{n}/{n}_W_1:0", f"{n}/{n}_b_1:0") for n in _keras_names()]
    _write_h5(path, layers, names)


def write_keras2(path: Path, layers: Layers) -> None:
    """As a model saved whole, with an optimizer."""
    layer = "model_weights/{0}/{0}"
    names = [(f"{layer.format(n)}/kernel:0", f"{layer.format(n)}/bias:0") for n in _keras_names()]
    _write_h5(path, layers, names)


def write_keras3(path: Path, layers: Layers) -> None:
    """As .weights.h5 of Keras 3, which numbers layers by kind."""
    scopes = ["layers/conv2d" + (f"_{i}" if i else "") for i in range(13)]
    _write_h5(path, layers, [(f"{s}/vars/0", f"{s}/vars/1") for s in scopes])
