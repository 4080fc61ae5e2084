"""The commands that make a model again, written from what it and its evaluation remember."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any, cast

from farframe.presets import PRESETS
from farframe.run import RunConfig

DATA, RUN = "DATA", "RUN"
"""What stands in a command for a folder of the reader's own."""


def train_command(config: RunConfig, out: str = RUN) -> str:
    """`farframe train ...` with every option that is not the preset's; empty if it has no preset.

    Its weights start where the run's did only if the files that the options name are there.
    """
    preset = PRESETS.get(config.name)
    if preset is None:
        return ""
    data = [] if config.data.path == preset.config.data.path != "" else ["--data", DATA]
    words = ["farframe", "train", config.name, *data, "--out", out]
    for key, value in preset.config.changes(config).items():
        if key == "mode":
            words += ["--mode", value["tag"]]
            for name, inner in cast("dict[str, Any]", value).items():
                words += _flag(f"mode.{name}", inner) if name != "tag" else []
        elif key != "data.path":
            words += _flag(key, value)
    return shlex.join(words)


def evaluate_command(card: Mapping[str, Any], model: str, data: str) -> str:
    """`farframe evaluate ...` by a protocol card; ``model`` is RUN or --model NAME."""
    words = ["farframe", "evaluate", *shlex.split(model), "--out", "evaluated"]
    words += ["--data", data] if data else []
    protocol = str(card["name"]).partition(" with ")[0]
    words += ["--protocol", protocol] if protocol else []
    measured, features = card["data"], card["features"]
    asked = {name: card[name] for name in ("context", "horizon", "samples", "seed")}
    asked |= {name: measured[name] for name in ("split", "stride", "clips")}
    for name, value in asked.items():
        words += _flag(name, value)
    if features:
        words += ["--metrics", *features]
    fvd = features.get("fvd", {})
    if len(fvd.get("frames", ())) > 1:
        words += _flag("fvd_frames", fvd["frames"][0])
    if fvd.get("given_frames_too"):
        words.append("--fvd-context")
    return shlex.join(words)


def wrapped(command: str, width: int = 100) -> str:
    """A command over several lines, as a shell reads it."""
    return " \\\n    ".join(_lines(command, width - 6))


def _lines(command: str, width: int) -> Iterator[str]:
    line = ""
    for piece in _pieces(command):
        if line and len(line) + 1 + len(piece) > width:
            yield line
            line = piece
        else:
            line = f"{line} {piece}" if line else piece
    yield line


def _pieces(command: str) -> Iterator[str]:
    """An option with its values, which belong on one line."""
    piece: list[str] = []
    for word in shlex.split(command):
        if word.startswith("--") and piece:
            yield shlex.join(piece)
            piece = []
        piece.append(word)
    yield shlex.join(piece)


def _flag(name: str, value: object) -> list[str]:
    section, dot, field = name.replace("_", "-").rpartition(".")
    if isinstance(value, bool):
        return [f"--{section}{dot}{'' if value else 'no-'}{field}"]
    return [f"--{section}{dot}{field}", str(value)]
