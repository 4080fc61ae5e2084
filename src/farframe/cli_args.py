"""What each verb takes on the command line, and one clear line where it gets something else.

tyro parses and writes the help; its boxes of errors become one line here, and an unknown name is
answered with the nearest known one.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import tyro
from tyro.conf import AvoidSubcommands, FlagCreatePairsOff, OmitArgPrefixes, Positional, arg

from farframe.cli_words import UsageError, option, unknown
from farframe.config import DataConfig, ModelConfig, TrainConfig
from farframe.modes import MODES, Mode
from farframe.prediction import PredictOptions
from farframe.run import RunConfig

T = TypeVar("T")

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_RULE = re.compile(r"[─-]{8,}")
_WHERE = re.compile(r"^error parsing (model|data|train|mode|prediction): ")


@dataclass(frozen=True, kw_only=True)
class TrainArgs:
    """Every option of a training; defaults are the preset's."""

    out: Annotated[Path, arg(metavar="DIR")]
    """Folder of the run: its configuration, checkpoints and logs."""
    data_path: Annotated[str, arg(name="data", metavar="PATH")]
    """What to train on: a video file, a folder of videos or of TFRecords, or shapes."""
    resume: Annotated[bool, FlagCreatePairsOff] = False
    """Go on from the newest checkpoint in --out."""
    mode_tag: Annotated[str, arg(name="mode", metavar="TAG")]
    """How the networks are trained together; its own options are --mode.NAME."""
    model: ModelConfig
    data: DataConfig
    train: TrainConfig
    mode: Mode


@dataclass(frozen=True, kw_only=True)
class PredictArgs:
    """Predict what follows on some frames, as videos and pictures."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """Folder of a trained run, or of one of its checkpoints."""
    input: Annotated[Positional[Path], arg(metavar="INPUT")]
    """A video, a GIF, a folder of pictures, a TFRecord file, or shapes:0 (shapes:1, ...)."""
    out: Annotated[Path, arg(metavar="DIR")]
    """Folder to write into."""
    prediction: OmitArgPrefixes[PredictOptions]
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes the GPU if there is one."""


@dataclass(frozen=True, kw_only=True)
class EvaluateArgs:
    """Measure predictions of clips never trained on, against repeating the last given frame."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """Folder of a trained run, or of one of its checkpoints."""
    data: Annotated[str, arg(metavar="PATH")] = ""
    """What to measure on, if not on the data of the training."""
    split: Literal["train", "validation", "test", "all"] = "test"
    """Part of the data to measure on; all for data that was no part of the training."""
    horizon: int = 20
    """Frames to predict after the context."""
    clips: int = 64
    """Clips to measure, spread evenly over the split."""
    videos: int = 0
    """Videos to write, of the first clips: truth, prediction, mask and error side by side."""
    out: Annotated[str, arg(metavar="DIR|FILE.json")] = ""
    """Where evaluation.json and the videos go, if not into RUN/evaluation."""
    batch_size: int = 8
    """Clips predicted at once."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes the GPU if there is one."""


def parse_train(args: Sequence[str], default: RunConfig, prog: str) -> tuple[TrainArgs, RunConfig]:
    """The options of a training whose defaults are those of ``default``, and the run they make."""
    tag = option(args, "--mode") or default.mode.tag
    if tag not in MODES:
        raise UsageError(unknown("mode", tag, MODES))
    mode = default.mode if tag == default.mode.tag else _converted(default.mode, MODES[tag])
    sample = TrainArgs(
        out=Path(),
        data_path=default.data.path,
        mode_tag=tag,
        model=default.model,
        data=default.data,
        train=default.train,
        mode=mode,
    )
    object.__setattr__(sample, "out", tyro.MISSING)  # required: no Path, whatever tyro's types say
    parsed = parse(TrainArgs, args, prog, sample)
    given = option(args, "--data")
    data = parsed.data if given is None else replace(parsed.data, path=given)
    config = replace(default, model=parsed.model, data=data, train=parsed.train, mode=parsed.mode)
    return parsed, config


def parse_predict(args: Sequence[str], prog: str) -> PredictArgs:
    """The options of ``predict``; ``--at`` takes numbers apart or with commas, at any place."""
    rest = [word for arg in args for word in (arg.split("=", 1) if arg[:5] == "--at=" else [arg])]
    at: list[str] = []
    while "--at" in rest:
        first = last = rest.index("--at") + 1
        while last < len(rest) and (last == first or re.fullmatch(r"[\d,]+", rest[last])):
            last += 1
        at += [number for token in rest[first:last] or [""] for number in token.split(",")]
        del rest[first - 1 : last]
    if not all(number.isdecimal() for number in at):
        raise UsageError(f"--at is {','.join(at)!r}: must be frame numbers, as in --at 10,100")
    return parse(PredictArgs, [*rest, *(["--at", *at] if at else [])], prog)


def parse(kind: type[T], args: Sequence[str], prog: str, default: T | None = None) -> T:
    """A ``kind`` from ``args``.

    Raises:
        UsageError: if they can't be read as one.
        SystemExit: with code 0, after printing the help that they ask for.
    """
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            return _tyro(kind, args, prog, default)
    except SystemExit as stop:
        if not stop.code:
            raise
    known = _flags(kind, prog, default)
    for token in args:
        name = token.partition("=")[0].replace("_", "-")
        if token.startswith("--") and len(token) > 2 and name not in known:
            raise UsageError(f"{unknown('option', name, known)} (see {prog} --help)")
    raise UsageError(f"{_one_line(errors.getvalue())} (see {prog} --help)")


def _tyro(kind: type[T], args: Sequence[str], prog: str, default: T | None) -> T:
    if default is None:
        return tyro.cli(kind, args=list(args), prog=prog, config=(FlagCreatePairsOff,))
    return tyro.cli(kind, args=list(args), prog=prog, config=(AvoidSubcommands,), default=default)


def _flags(kind: type[T], prog: str, default: T | None) -> list[str]:
    """All flags, from the first column of the help."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        _tyro(kind, ["--help"], prog, default)
    columns = re.findall(r"^\W (-\S.*?)(?:  |$)", _ANSI.sub("", text.getvalue()), re.MULTILINE)
    return [flag for column in columns for flag in re.findall(r"--[\w.-]+", column)]


def _one_line(box: str) -> str:
    """The message of a box of tyro's, without title, frame and the hints below the message.

    Where stdout can't show lines, the frame is of spaces and a rule follows the title.
    """
    lines = [line[2:].rstrip(" │") for line in _ANSI.sub("", box).splitlines()[1:]]
    rules = [i for i, line in enumerate(lines) if _RULE.match(line)]
    first = 1 if rules[:1] == [0] else 0
    body = lines[first : next((i for i in rules if i >= first), len(lines))]
    needed = [line.split()[0] for line in body if re.match(r" {4}\S", line)]
    if needed and body[0].startswith("Missing from"):
        return f"missing: {', '.join(needed)}"
    text = " ".join(" ".join(body).split()).rstrip(".")
    return _WHERE.sub("", text[:1].lower() + text[1:])


def _converted(mode: Mode, kind: type[Mode]) -> Mode:
    """Another mode with the values of those fields that both have."""
    shared = {f.name for f in fields(mode)} & {f.name for f in fields(kind)}
    return kind(**{name: getattr(mode, name) for name in shared})
