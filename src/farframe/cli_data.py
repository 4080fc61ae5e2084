"""`farframe data ...`: what each of its words takes and does, as lines to print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional
from tyro.conf import arg as Arg

from farframe.cli_parse import parse
from farframe.cli_words import UsageError, option, take_positional, unknown
from farframe.config import DataConfig, ReadConfig
from farframe.data.conversion import ConvertOptions, convert
from farframe.data.formats import FORMATS, AnyFormat
from farframe.data.writing import Written
from farframe.worlds.catalogue import WORLDS, AnyWorld
from farframe.worlds.making import MakeOptions, make, preview

USAGE = """\
usage: farframe data make WORLD --out DIR [OPTIONS]          simulate data and write it
       farframe data make WORLD --out DIR --preview          a contact sheet and a video of it
       farframe data convert SRC DST --format FORMAT        write data of one kind as another
       farframe data inspect PATH [OPTIONS]                  what data is, and what is wrong with it

worlds: {worlds}
formats: {formats}

`farframe data make WORLD --help` and `farframe data convert|inspect --help` show every option.
"""


@dataclass(frozen=True, kw_only=True)
class MakeArgs:
    """Simulate data of a world and write it to files."""

    out: Annotated[Path, Arg(metavar="DIR")]
    """Folder to write into; a data set begun there is gone on with."""
    preview: Annotated[bool, FlagCreatePairsOff] = False
    """Write only a contact sheet and a video of a few clips."""
    making: OmitArgPrefixes[MakeOptions]
    world: OmitArgPrefixes[AnyWorld]
    format_tag: Annotated[str, Arg(name="format", metavar="|".join(FORMATS))]
    """What to write; its own options are below."""
    form: Annotated[AnyFormat, Arg(name="")]


@dataclass(frozen=True, kw_only=True)
class ConvertArgs:
    """Write data of one kind as another."""

    source: Annotated[Positional[str], Arg(metavar="SRC")]
    """What to read: anything that docs/data.md lists."""
    out: Annotated[Positional[Path], Arg(metavar="DST")]
    """Folder to write into; a conversion begun there is gone on with."""
    converting: OmitArgPrefixes[ConvertOptions]
    format_tag: Annotated[str, Arg(name="format", metavar="|".join(FORMATS))]
    """What to write; its own options are below."""
    form: Annotated[AnyFormat, Arg(name="")]
    data: ReadConfig


def run_data(args: list[str]) -> tuple[list[str], int]:
    """Do what `farframe data ARGS` asks for; lines to print and the exit code."""
    words: dict[str, Callable[[list[str]], tuple[list[str], int]]] = {
        "make": _make,
        "convert": _convert,
        "inspect": _inspect,
    }
    word, *rest = args or [""]
    if word in ("-h", "--help"):
        text = USAGE.format(worlds=", ".join(WORLDS), formats=", ".join(FORMATS))
        return text.splitlines(), 0
    if word not in words:
        wrong = unknown("word", word, words) if word else f"name one of {', '.join(words)}"
        raise UsageError(f"{wrong} (see farframe data --help)")
    return words[word](rest)


def _make(args: list[str]) -> tuple[list[str], int]:
    name = take_positional(args)
    if name is None:
        raise UsageError(f"name a world: {', '.join(WORLDS)} (see farframe data --help)")
    if name not in WORLDS:
        raise UsageError(f"{unknown('world', name, WORLDS)} (see farframe data --help)")
    sample = MakeArgs(
        out=Path(),
        making=MakeOptions(),
        world=WORLDS[name](),
        format_tag="tfrecord",
        form=_format(args)(),
    )
    object.__setattr__(sample, "out", tyro.MISSING)
    parsed = parse(MakeArgs, args, f"farframe data make {name}", sample)
    if parsed.preview:
        _only_looks(args)
        return [f"wrote {path}" for path in preview(parsed.world, parsed.out)], 0
    return _told(make(parsed.world, parsed.form, parsed.out, parsed.making))


def _only_looks(args: Sequence[str]) -> None:
    """Refuse options that say how a data set is written, where none is."""
    kinds = (MakeOptions, *FORMATS.values())
    writing = {"format", *(field.name for kind in kinds for field in fields(kind))}
    for word in args:
        name = word.partition("=")[0].replace("_", "-")
        if name[:2] == "--" and name[2:].removeprefix("no-").replace("-", "_") in writing:
            raise UsageError(f"{name} means nothing beside --preview: leave out one of them")


def _convert(args: list[str]) -> tuple[list[str], int]:
    sample = ConvertArgs(
        source="",
        out=Path(),
        converting=ConvertOptions(),
        format_tag="",
        form=_format(args)(),
        data=ReadConfig(),
    )
    for name in ("source", "out", "format_tag"):
        object.__setattr__(sample, name, tyro.MISSING)
    parsed = parse(ConvertArgs, args, "farframe data convert", sample)
    data = DataConfig(path=parsed.source, cache="off", **asdict(parsed.data))
    return _told(convert(data, parsed.form, parsed.out, parsed.converting))


def _inspect(args: list[str]) -> tuple[list[str], int]:
    from farframe.cli_inspect import run_inspect

    return run_inspect(args)


def _format(args: Sequence[str]) -> type[AnyFormat]:
    tag = option(args, "--format") or "tfrecord"
    if tag not in FORMATS:
        raise UsageError(unknown("format", tag, FORMATS))
    return FORMATS[tag]


def _told(written: Written) -> tuple[list[str], int]:
    sizes = (f"{split} {c:,} clips, {f:,} frames" for split, (c, f) in written.splits.items())
    files = f"{written.new_shards:,} of {written.shards:,} files written now"
    return [f"{written.out}: {'; '.join(sizes)} ({files})"], 0
