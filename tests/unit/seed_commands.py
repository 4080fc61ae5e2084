"""The seed's commands, as its README has them, and their evaluation forms."""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "tests" / "integration" / "seed_commands.txt").read_text()


def prediction_train() -> ModuleType:
    """The script at the repository's root as a module."""
    spec = importlib.util.spec_from_file_location("prediction_train", ROOT / "prediction_train.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands() -> dict[str, list[str]]:
    """Name -> the words after ``python prediction_train.py``."""
    found: dict[str, list[str]] = {}
    for block in TEXT.split("\n\n"):
        name, command = block.split(":\n", 1)
        python, script, *words = shlex.split(command)
        assert (python, script) == ("python", "prediction_train.py")
        found[name] = words
    return found


def evaluating(words: list[str]) -> list[str]:
    """The README's three changes: nois_training and eval, the pattern, no keep probabilities."""
    out: list[str] = []
    rest = iter(words)
    for word in rest:
        if word.endswith("_keep_prob"):
            next(rest)
        elif word == "--run_mode":
            out += [word, "eval"]
            next(rest)
        elif word != "--is_training":
            out.append(word)
    return [*out, "--nois_training", "--data_pattern", "validation"]
