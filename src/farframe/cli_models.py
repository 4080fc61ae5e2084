"""`farframe export` and `farframe models`: what they take, and what they have to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional
from tyro.conf import arg as Arg

from farframe.cli_parse import parse
from farframe.pretrained.export import ExportOptions, export_run
from farframe.pretrained.results import listed, markdown


@dataclass(frozen=True, kw_only=True)
class ExportArgs:
    """Make a small folder of a run's model, with its evaluation and a model card, to give away."""

    run: Annotated[Positional[Path], Arg(metavar="RUN")]
    """Folder of a trained run (its newest checkpoint is taken), or of one of its checkpoints."""
    out: Annotated[Path, Arg(metavar="DIR")]
    """Folder to write; predict, evaluate and farframe.load take it as they take a run."""
    exporting: OmitArgPrefixes[ExportOptions]


@dataclass(frozen=True, kw_only=True)
class ModelsArgs:
    """List the models that come with farframe."""

    markdown: Annotated[bool, FlagCreatePairsOff] = False
    """README's table of their numbers."""


def run_export(args: Sequence[str]) -> list[str]:
    """Do what `farframe export ARGS` asks for and return what to show."""
    parsed = parse(ExportArgs, args, "farframe export")
    made = export_run(parsed.run, parsed.out, parsed.exporting)
    total = sum(made.files.values())
    lines = [f"wrote {made.folder}: {made.about.name}, step {made.about.step:,}, {_size(total)}"]
    lines += [f"  {name:<18} {_size(size)}" for name, size in made.files.items()]
    if not made.evaluated:
        again = "farframe evaluate RUN first, then export with --overwrite"
        lines.append(f"without an evaluation: the card says so ({again})")
    return lines


def run_models(args: Sequence[str]) -> list[str]:
    """Do what `farframe models ARGS` asks for and return what to show."""
    parsed = parse(ModelsArgs, args, "farframe models")
    return [markdown()] if parsed.markdown else list(listed())


def _size(size: int) -> str:
    return f"{size / 1e6:.2f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
