"""docs/adding-a-mode.md does what it says: its mode, added to a copy, keeps the contract."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-mode.md").read_text()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which the page has been followed."""
    copy = tmp_path_factory.mktemp("project")
    for part in ("src", "tests/contract", "tests/unit", "tests/data"):
        shutil.copytree(
            ROOT / part,
            copy / part,
            ignore=shutil.ignore_patterns("__pycache__", Path(__file__).name),
        )
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, copy / file)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    modes = copy / "src" / "farframe" / "modes"
    (modes / "e2e_last.py").write_text(code)
    registry = (modes / "__init__.py").read_text()
    text = registry.replace("\nMode = (\n", "\nMode = (\n    E2ELast\n    | ", 1)
    text = text.replace("\nMode = ", "\nfrom farframe.modes.e2e_last import E2ELast\n\nMode = ")
    assert text.count("E2ELast") == 2
    (modes / "__init__.py").write_text(text)
    return copy


def run(project: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(project / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_contract_holds(project: Path) -> None:
    (words,) = re.findall(r"`python (-m pytest tests/contract -k e2e_last)`", PAGE)
    said = run(project, *words.split(), "-p", "no:cacheprovider")
    (passed,) = re.findall(r"(\d+) passed", said)
    assert int(passed) >= 10


def test_the_command_line_has_it(project: Path, tmp_path: Path) -> None:
    (words,) = re.findall(r"`farframe (train debug --mode e2e_last [^`]*) --out runs/last`", PAGE)
    short = [*words.split(), "--train.steps", "2", "--out", str(tmp_path / "run")]
    calls = f"main({[*words.split(), '--help']!r}) or main({short!r})"
    said = run(project, "-c", f"from farframe.cli import main; raise SystemExit({calls})")
    assert "--mode.last-weight" in said
    assert "trained 2 steps" in said
