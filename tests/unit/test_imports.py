"""What importing costs: the package and its help need no torch; each module can be imported."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import farframe

HEAVY = {"torch", "tensorboard", "av", "PIL", "scipy", "skimage"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def imported_by(*arguments: str) -> set[str]:
    """Top-level packages that a fresh interpreter imports while it runs ``arguments``."""
    result = run("-X", "importtime", *arguments)
    assert result.returncode == 0, result.stderr[-2000:]
    log = (line.rpartition("|")[2].strip() for line in result.stderr.splitlines() if "|" in line)
    return {name.partition(".")[0] for name in log}


@pytest.mark.parametrize(
    "arguments",
    [("-c", "import farframe"), ("-m", "farframe", "--help")],
    ids=["import farframe", "farframe --help"],
)
def test_light_start(arguments: tuple[str, ...]) -> None:
    packages = imported_by(*arguments)
    assert "farframe" in packages
    assert not packages & HEAVY


def test_every_module_can_be_imported() -> None:
    """In any order, as test_budgets.py finds no circle among them."""
    names = [m.name for m in pkgutil.walk_packages(farframe.__path__, "farframe.")]
    assert all(importlib.import_module(name) for name in names)
    files = Path(farframe.__file__).parent.rglob("*.py")
    assert len(names) == sum(1 for _ in files) - 1  # the package itself


@pytest.mark.parametrize("name", farframe.__all__)
def test_public_names(name: str) -> None:
    assert name in dir(farframe)
    assert getattr(farframe, name) is not None


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'predictt'"):
        farframe.predictt  # noqa: B018
