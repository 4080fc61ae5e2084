"""`farframe data inspect`: what it takes, and what it has found as lines to print."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, cast

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional
from tyro.conf import arg as Arg

from farframe.atomic import replacing
from farframe.cli_parse import parse
from farframe.cli_words import UsageError, unknown
from farframe.config import DataConfig
from farframe.data.contact_sheet import contact_sheet
from farframe.data.inspection import Inspection, InspectOptions, Numbers, inspect
from farframe.data.kinds import KINDS
from farframe.video import write_png

COLUMNS = 8
"""Times that a contact sheet shows."""
WIDE = 100
"""Columns of the text where no terminal says how many there are."""


@dataclass(frozen=True, kw_only=True)
class InspectArgs:
    """Look at data: what it is, how much there is, how fast it is read, and what is wrong."""

    path: Annotated[Positional[str], Arg(metavar="PATH")]
    """What to look at: anything that docs/data.md lists."""
    kind: Annotated[str, Arg(metavar="KIND")] = "auto"
    """Which reader, the same as --data.kind; auto looks at what the path holds."""
    out: Annotated[Path | None, Arg(metavar="DIR")] = None
    """Write contact-sheet.png into this folder: clips from everywhere, over their time."""
    json: Annotated[Path | None, Arg(metavar="FILE")] = None
    """Write all that was found into this file, too."""
    strict: Annotated[bool, FlagCreatePairsOff] = False
    """Exit with 1 if there are problems."""
    inspection: OmitArgPrefixes[InspectOptions] = field(default_factory=InspectOptions)
    data: DataConfig = field(default_factory=lambda: DataConfig(cache="off"))


def run_inspect(args: list[str]) -> tuple[list[str], int]:
    """Do what `farframe data inspect ARGS` asks for; lines to print and the exit code.

    Raises:
        ValueError: for a wrong command line, DataError for data that can't be opened.
    """
    parsed = parse(InspectArgs, args, "farframe data inspect")
    if parsed.kind not in ("auto", *KINDS):
        raise UsageError(unknown("kind", parsed.kind, ("auto", *KINDS)))
    kind: Any = parsed.data.kind if parsed.kind == "auto" else parsed.kind
    for given in (parsed.out, parsed.json and parsed.json.parent):
        if given is not None and given.exists() and not given.is_dir():
            raise UsageError(f"{given} is a file: name a folder to write into")
    report, rows = inspect(replace(parsed.data, path=parsed.path, kind=kind), parsed.inspection)
    written: list[Path] = []
    if parsed.out is not None and rows:
        parsed.out.mkdir(parents=True, exist_ok=True)
        written.append(parsed.out / "contact-sheet.png")
        write_png(written[-1], contact_sheet(rows, COLUMNS))
    if parsed.json is not None:
        parsed.json.parent.mkdir(parents=True, exist_ok=True)
        with replacing(parsed.json) as partial:
            partial.write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
        written.append(parsed.json)
    lines = _lines(*_shown(report), *(Text(f"wrote {path}") for path in written))
    return lines, int(parsed.strict and bool(report.problems))


def _lines(*parts: RenderableType) -> list[str]:
    """What rich makes of them, in colour where the lines go to a terminal."""
    terminal = Console().is_terminal
    text = io.StringIO()
    console = Console(
        file=text, force_terminal=terminal, width=None if terminal else WIDE, highlight=False
    )
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text))  # names are to be copied
    return [line.rstrip() for line in text.getvalue().rstrip("\n").split("\n")]


def _shown(report: Inspection) -> Iterator[RenderableType]:
    yield _facts(report)
    yield Text(
        f"\nsplits by the rule {report.split!r}; clips of {report.sequence_length} frames, stride "
        f"{report.stride}"
    )
    yield _splits(report)
    for name, part in report.splits.items():
        if part.empty:
            yield Text(part.empty, style="dim")
        elif not part.clips:
            yield Text(f"no clip fits into a recording of the {name} split", style="dim")
    for name, numbers in (("action", report.actions), ("pose", report.poses)):
        if not numbers.zero:
            yield Text()
            yield _numbers(name, numbers)
    yield Text(f"\n{_looked(report)}", style="dim")
    if not report.problems:
        yield Text("no problems found", style="green")
    for problem in report.problems:
        title, *places = problem.lines()
        yield Text.assemble(("problem ", "bold red"), (title, "bold"))
        for place in places:
            yield Text(f"    {place}")


def _looked(report: Inspection) -> str:
    whole = report.read_frames >= report.frames
    read = "every frame" if whole else f"{report.read_frames:,} of {report.frames:,} frames"
    return (
        f"looked at {read} in {report.read_stretches:,} stretches, compared {report.compared:,} of "
        f"{report.recordings:,} recordings" + ("" if whole else "; --clips 0 looks at all")
    )


def _facts(report: Inspection) -> RenderableType:
    sheet = Table.grid(padding=(0, 2))
    sheet.add_column(style="bold")
    sheet.add_column(overflow="fold")
    low, mean, high = report.brightness
    sizes = [f"{w}x{h}" for w, h in report.stored_sizes]
    rates = [f"{rate:g}" for rate in report.rates]
    rows = [
        ("data", report.path),
        ("kind", f"{report.kind} ({report.why})"),
        ("recordings", f"{report.recordings:,} {_lengths(*report.lengths)}"),
        ("frames", f"{report.frames:,}, {_duration(report.seconds)} at {_few(rates)} frames/s"),
        ("stored", _few(sizes)) if sizes else None,
        ("read as", f"{report.frame_size}x{report.frame_size}, values {low} to {high}, "
         f"mean {mean:.0f}"),
        ("actions", _width(report.actions)),
        ("poses", _width(report.poses)),
        ("labels", _few([f"{name} {_shape(shape)}" for name, shape in report.labels.items()])),
        ("loading", f"{report.clip_seconds * 1000:.3g} ms a clip of {report.sequence_length} "
         f"frames, {report.frames_per_second:,.0f} frames/s in one process, uncached"),
    ]  # fmt: skip
    for name, value in filter(None, rows):
        sheet.add_row(name, escape(value))
    return sheet


def _splits(report: Inspection) -> RenderableType:
    sheet = Table(show_edge=False)
    sheet.add_column("split")
    for name in ("recordings", "frames", "clips"):
        sheet.add_column(name, justify="right")
    for name, part in report.splits.items():
        sheet.add_row(name, *(f"{n:,}" for n in (part.recordings, part.frames, part.clips)))
    return sheet


def _numbers(what: str, numbers: Numbers) -> RenderableType:
    sheet = Table(show_edge=False)
    for name in (what, "min", "mean", "max", "std"):
        sheet.add_column(name, justify="right")
    sheet.add_column("")
    columns = (numbers.low, numbers.mean, numbers.high, numbers.std)
    for i, row in enumerate(zip(*columns, strict=True)):
        never = "never changes" if i in numbers.constant else ""
        sheet.add_row(str(i), *(f"{value:.4g}" for value in cast(tuple[float, ...], row)), never)
    return sheet


def _width(numbers: Numbers) -> str:
    zero = ", all zero" if numbers.zero else ""
    return f"{len(numbers.mean)} numbers a frame{zero}" if numbers.mean else "none"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "1"


def _lengths(short: int, median: int, long: int) -> str:
    if short == long:
        return f"of {short:,} frames"
    return f"of {short:,} to {long:,} frames, median {median:,}"


def _duration(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:,.1f} hours"
    return f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.1f} seconds"


def _few(texts: list[str], most: int = 6) -> str:
    more = f" and {len(texts) - most} others" if len(texts) > most else ""
    return (", ".join(texts[:most]) + more) or "none"
