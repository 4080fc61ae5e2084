"""What each verb takes on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional
from tyro.conf import arg as Arg

from farframe.bench import BenchOptions
from farframe.cli_parse import parse
from farframe.cli_run import with_run
from farframe.cli_words import UsageError, option, unknown
from farframe.config import DataConfig, TrainConfig
from farframe.families import ALL_MODES, AnyMode, AnyModelConfig
from farframe.interop.tf_import import ImportOptions
from farframe.prediction_options import PredictOptions
from farframe.run import RunConfig


@dataclass(frozen=True, kw_only=True)
class TrainArgs:
    """Every option of a training; defaults are the preset's."""

    out: Annotated[Path, Arg(metavar="DIR")]
    """Folder of the run: its configuration, checkpoints and logs."""
    data_path: Annotated[str, Arg(name="data", metavar="PATH")]
    """What to train on: a video file, a folder of videos or of TFRecords, or shapes."""
    resume: Annotated[bool, FlagCreatePairsOff] = False
    """Go on from the newest checkpoint in --out."""
    mode_tag: Annotated[str, Arg(name="mode", metavar="TAG")]
    """How the networks are trained together; its own options are --mode.NAME."""
    model: AnyModelConfig
    data: DataConfig
    train: TrainConfig
    mode: AnyMode


@dataclass(frozen=True, kw_only=True)
class PredictArgs:
    """Predict what follows on some frames, as videos and pictures."""

    run: Annotated[Positional[Path], Arg(metavar="RUN")]
    """Folder of a trained run, of one of its checkpoints, or of an exported model."""
    input: Annotated[Positional[Path], Arg(metavar="INPUT")]
    """A video, a GIF, a folder of pictures, a TFRecord file, or a test clip of a world, made now:
    shapes:0 (shapes:1, ...), robot-push:0, humans:0."""
    model: Annotated[str, Arg(metavar="NAME")] = ""
    """In place of RUN: a model that comes with farframe (see farframe models)."""
    out: Annotated[Path, Arg(metavar="DIR")]
    """Folder to write into."""
    prediction: OmitArgPrefixes[PredictOptions]
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes the GPU if there is one."""


@dataclass(frozen=True, kw_only=True)
class ImportArgs:
    """Turn a TensorFlow checkpoint of the original program into a run."""

    prefix: Annotated[Positional[Path], Arg(metavar="PREFIX")]
    """The checkpoint: model.ckpt-100 for model.ckpt-100.index and its data."""
    out: Annotated[Path, Arg(metavar="DIR")]
    """Folder of the run; made, or empty."""
    networks: OmitArgPrefixes[ImportOptions]


@dataclass(frozen=True, kw_only=True)
class BenchArgs:
    """Measure what the method's shortcuts are worth on this machine, with random weights."""

    json: Annotated[Path | None, Arg(metavar="FILE")] = None
    """Write all numbers into this file, too."""
    bench: OmitArgPrefixes[BenchOptions]


def parse_train(args: Sequence[str], default: RunConfig, prog: str) -> tuple[TrainArgs, RunConfig]:
    """The options of a training whose defaults are those of ``default``, and the run they make."""
    tag = option(args, "--mode") or default.mode.tag
    if tag not in ALL_MODES:
        raise UsageError(unknown("mode", tag, ALL_MODES))
    mode = default.mode if tag == default.mode.tag else _converted(default.mode, ALL_MODES[tag])
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
    whole = [*rest, *(["--at", *at] if at else [])]
    return with_run(whole, lambda words: parse(PredictArgs, words, prog))


def _converted(mode: AnyMode, kind: type[AnyMode]) -> AnyMode:
    """Another mode with the values of those fields that both have."""
    shared = {f.name for f in fields(mode)} & {f.name for f in fields(kind)}
    return kind(**{name: getattr(mode, name) for name in shared})
