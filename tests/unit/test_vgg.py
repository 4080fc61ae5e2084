"""VGG-16 weights in our encoder compute what the source's own network computes of a picture."""

from __future__ import annotations

import builtins
import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import vgg_forms
from torch import Tensor
from vgg_forms import Layers, features, random_layers, state_dict

from farframe.config import ModelConfig
from farframe.interop.numpy_pickle import read_arrays
from farframe.interop.vgg import encoder_start
from farframe.interop.vgg_cache import VGG16 as KEPT
from farframe.interop.vgg_files import read_vgg
from farframe.models.cells import flatten_hwc
from farframe.models.encoder import Encoder
from farframe.worlds.shapes import ShapesSource

BAR = 5e-6
WIDTH = 2
PIXELS = {
    "pth": (vgg_forms.write_pth, vgg_forms.torchvision_pixels, 1.0),
    "old_pth": (vgg_forms.write_old_pth, vgg_forms.torchvision_pixels, 1.0),
    "safetensors": (vgg_forms.write_safetensors, vgg_forms.torchvision_pixels, 1.0),
    "pickle": (vgg_forms.write_pickle, vgg_forms.torchvision_pixels, 1.0),
    "slim": (vgg_forms.write_slim, vgg_forms.slim_pixels, 64.0),
    "keras1": (vgg_forms.write_keras1, vgg_forms.keras_pixels, 64.0),
    "keras2": (vgg_forms.write_keras2, vgg_forms.keras_pixels, 64.0),
    "keras3": (vgg_forms.write_keras3, vgg_forms.keras_pixels, 64.0),
}


def picture(size: int = 64) -> Tensor:
    """A picture with colour up to its edges, in [0, 1]."""
    frames = ShapesSource(clips=1, length=2, frame_size=size, seed=3).read(0, range(1)).frames
    noise = np.random.default_rng(0).integers(-40, 40, frames.shape)
    return torch.from_numpy(np.clip(frames + noise, 0, 255)).float() / 255


def encoder(path: Path, width: int) -> Encoder:
    made = Encoder(ModelConfig(width=width, enc_size=4))
    start = encoder_start(path, width)
    taken = {name for name in made.state_dict() if not name.startswith("dense.")}
    assert start.keys() == taken
    made.load_state_dict(made.state_dict() | start)
    return made.eval()


def deviation(path: Path, layers: Layers, pixels: Callable[[Tensor], Tensor]) -> float:
    """Largest difference of our features to those of plain convolutions, relative to the latter."""
    x, made = picture(), encoder(path, len(layers[0][1]))
    heard: list[Tensor] = []
    made.dense.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    with torch.no_grad():
        made(x)
        wanted = flatten_hwc(features(pixels(x.double()), layers))
    return float((heard[0] - wanted).abs().max() / wanted.abs().max())


@pytest.mark.parametrize("form", PIXELS)
def test_features_agree_with_an_independent_computation(form: str, tmp_path: Path) -> None:
    write, pixels, spread = PIXELS[form]
    layers = random_layers(WIDTH, spread)
    write(tmp_path / "weights", layers)
    assert deviation(tmp_path / "weights", layers, pixels) < BAR
    wrong = (
        vgg_forms.torchvision_pixels
        if pixels is not vgg_forms.torchvision_pixels
        else (vgg_forms.slim_pixels)
    )
    assert deviation(tmp_path / "weights", layers, wrong) > 0.1  # the conventions do differ


def test_features_agree_for_the_file_that_tensorflow_wrote() -> None:
    path = Path(__file__).resolve().parents[1] / "data" / "tf" / "vgg_16.ckpt"
    convs = read_vgg(path)
    layers = [
        (kernel.transpose(2, 3, 1, 0), bias)
        for kernel, bias in zip(convs.kernels, convs.biases, strict=True)
    ]
    assert deviation(path, layers, vgg_forms.slim_pixels) < BAR


def test_half_precision_is_read(tmp_path: Path) -> None:
    layers = random_layers(WIDTH, 1.0)
    halves = {name: tensor.bfloat16() for name, tensor in state_dict(layers).items()}
    safetensors.torch.save_file(halves, tmp_path / "w")
    kernel = read_vgg(tmp_path / "w").kernels[0]
    np.testing.assert_allclose(kernel.transpose(2, 3, 1, 0), layers[0][0], rtol=1e-2)


def test_features_agree_for_the_real_weights() -> None:
    """Only where `farframe weights get vgg16` has put them (in the user's own cache)."""
    path = KEPT.files[0].path
    if not path.is_file():
        pytest.skip("the real weights are not in the cache: farframe weights get vgg16")
    tensors = safetensors.torch.load_file(path)
    assert float(tensors["features.0.bias"][0]) == pytest.approx(0.4034, abs=1e-4)
    layers = [
        (
            tensors[f"features.{i}.weight"].permute(2, 3, 1, 0).numpy(),
            tensors[f"features.{i}.bias"].numpy(),
        )
        for i in vgg_forms.TORCHVISION
    ]
    assert deviation(path, layers, vgg_forms.torchvision_pixels) < BAR


def test_another_width_is_refused(tmp_path: Path) -> None:
    vgg_forms.write_pth(tmp_path / "w.pth", random_layers(WIDTH, 1.0))
    with pytest.raises(
        ValueError, match=r"w.pth holds torchvision weights of width 2, and model.wi"
    ):
        encoder_start(tmp_path / "w.pth", 64)


# -- files that are something else -----------------------------------------------------------------


def changed(change: Callable[[dict[str, Tensor]], Any]) -> Callable[[Path], None]:
    return lambda path: torch.save(change(state_dict(random_layers(WIDTH, 1.0))), path)


def without(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {k: v for k, v in state.items() if k != name}


OTHERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "batch norm": (
        changed(lambda s: s | {"features.1.weight": torch.ones(2)}),
        "holds no VGG-16.*not a vgg16_bn",
    ),
    "vgg19": (
        changed(lambda s: s | {"features.34.weight": torch.ones(2)}),
        "holds no VGG-16",
    ),
    "two networks": (
        changed(lambda s: s | {f"ema.{k}": v for k, v in s.items()}),
        "holds several networks: ema.features.0.weight is in more than one",
    ),
    "missing": (changed(lambda s: without(s, "features.28.bias")), "holds no VGG-16"),
    "shape": (
        changed(lambda s: s | {"features.7.weight": torch.ones(4, 4, 1, 1)}),
        r"convolution 2 of block 2 has shapes \(4, 4, 1, 1\)",
    ),
    "nan": (
        changed(lambda s: s | {"features.7.weight": torch.full((4, 4, 3, 3), torch.nan)}),
        "convolution 2 of block 2 is not finite",
    ),
    "features only": (
        changed(lambda s: s | {"classifier.0.bias": torch.full((4,), torch.nan)}),
        "IMAGENET1K_V1",
    ),
    "list": (changed(lambda s: [*s.values()]), "holds a list, not named weights"),
    "module": (changed(lambda _: torch.nn.Linear(1, 1)), "can't be read as weights alone"),
    "text": (lambda path: path.write_text("some text that is long"), "none of the forms"),
    "empty": (lambda path: path.touch(), "none of the forms"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "nothing": (lambda _: None, "can't be read: No such file"),
    "evil": (lambda path: path.write_bytes(pickle.dumps(os.system)), "asks for posix.system"),
    "other pickle": (
        lambda path: path.write_bytes(pickle.dumps({"a": np.ones(3)})),
        "it has no VGG16_0/Conv_0/kernel",
    ),
    "integers": (
        lambda path: path.write_bytes(pickle.dumps({"a": np.arange(3)})),
        "numbers that are no floats",
    ),
    "objects": (
        lambda path: path.write_bytes(pickle.dumps({"a": np.array([{}], object)})),
        "numbers that are no floats",
    ),
    "words": (lambda path: path.write_bytes(pickle.dumps({"a": "b"})), "holds a str"),
    "other table": (
        lambda path: vgg_forms.write_bundle(path, {"a": np.ones(3)}),
        r"it has no vgg_16/conv1/conv1_1/weights \(26 missing\)",
    ),
    "broken h5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "can't be read"),
    "other h5": (
        lambda path: vgg_forms._write_h5(path, [(np.ones(3), np.ones(3))], [("a/b", "a/c")]),
        "no VGG-16 of Keras: block1_conv1",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_other_files_are_refused_in_one_line(case: str, tmp_path: Path) -> None:
    make, words = OTHERS[case]
    make(tmp_path / "weights")
    with pytest.raises(ValueError, match=words) as caught:
        read_vgg(tmp_path / "weights")
    assert str(caught.value).startswith(str(tmp_path / "weights"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["pth", "old_pth", "safetensors", "pickle", "keras2"])
def test_cut_files_are_refused(form: str, tmp_path: Path) -> None:
    write, _, spread = PIXELS[form]
    write(tmp_path / "whole", random_layers(1, spread))
    data, rng = (tmp_path / "whole").read_bytes(), random.Random(0)
    for _ in range(25):
        (tmp_path / "cut").write_bytes(data[: rng.randrange(len(data) - 100)])
        with pytest.raises(ValueError, match="cut") as caught:
            read_vgg(tmp_path / "cut")
        assert "\n" not in str(caught.value)


def test_flipped_pickles_give_arrays_or_one_line(tmp_path: Path) -> None:
    tree = {"a": {"b": np.arange(6, dtype="f4").reshape(2, 3)}, "c": np.ones(2)}
    data, rng = pickle.dumps(tree, protocol=3), random.Random(0)
    refused = 0
    for _ in range(400):
        broken = bytearray(data)
        broken[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        (tmp_path / "p").write_bytes(broken)
        try:
            found = read_arrays(tmp_path / "p")
        except ValueError as error:
            refused += "\n" not in str(error)
            continue
        assert all(isinstance(value, np.ndarray) for value in found.values())
        refused += 0
    assert refused > 100


def test_h5_without_h5py_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vgg_forms.write_keras1(tmp_path / "w.h5", random_layers(1, 64.0))
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "h5py":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ValueError, match=r"pip install 'farframe\[keras\]'"):
        read_vgg(tmp_path / "w.h5")
