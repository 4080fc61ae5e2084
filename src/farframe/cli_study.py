"""`farframe study ...`: the paper's studies, what each of its words takes and what it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from rich.console import Console
from tyro.conf import OmitArgPrefixes, Positional
from tyro.conf import arg as Arg

from farframe.cli_evaluate import Shown
from farframe.cli_parse import parse
from farframe.cli_words import UsageError, unknown
from farframe.studies.ablations_options import AblationsOptions
from farframe.studies.shapes_options import ShapesOptions
from farframe.studies.starting import TrainingOptions

USAGE = """\
usage: farframe study shapes [RUN] [--out DIR]     trained on 16 frames: what is there at 1,020?
       farframe study ablations --out DIR          the same training without one thing or another

`farframe study WORD --help` shows every option; docs/studies.md says what is measured.
"""


@dataclass(frozen=True, kw_only=True)
class ShapesArgs:
    """Judge predictions of the shapes world far beyond the training clips: the paper's Table 1."""

    run: Annotated[Positional[Path | None], Arg(metavar="RUN")] = None
    """Folder of a trained run, or of one of its checkpoints; without it one is trained first."""
    out: Annotated[Path | None, Arg(metavar="DIR")] = None
    """Where results go, and the run that is trained (None: RUN/study-shapes)."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes the GPU if there is one."""
    judging: OmitArgPrefixes[ShapesOptions] = field(default_factory=ShapesOptions)
    training: OmitArgPrefixes[TrainingOptions] = field(default_factory=TrainingOptions)


@dataclass(frozen=True, kw_only=True)
class AblationsArgs:
    """Train a preset without one thing or another, each in a folder of its own, and compare."""

    out: Annotated[Path, Arg(metavar="DIR")]
    """Folder of the runs and the results; a study begun there is gone on with."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes the GPU if there is one."""
    measuring: OmitArgPrefixes[AblationsOptions] = field(default_factory=AblationsOptions)
    training: OmitArgPrefixes[TrainingOptions] = field(default_factory=TrainingOptions)


def run_study(args: Sequence[str]) -> list[Shown]:
    """Do what `farframe study ARGS` asks for and return what to show."""
    words: dict[str, Callable[[list[str]], list[Shown]]] = {
        "shapes": _shapes,
        "ablations": _ablations,
    }
    word, *rest = args or [""]
    if word in ("-h", "--help"):
        return [USAGE.rstrip()]
    if word not in words:
        wrong = unknown("word", word, words) if word else f"name one of {', '.join(words)}"
        raise UsageError(f"{wrong} (see farframe study --help)")
    return words[word](rest)


def _shapes(args: list[str]) -> list[Shown]:
    parsed = parse(ShapesArgs, args, "farframe study shapes")
    from farframe.studies.shapes import study_shapes
    from farframe.studies.shapes_table import drawn
    from farframe.training.progress import ConsoleReporter

    study = study_shapes(
        parsed.run,
        parsed.judging,
        parsed.training,
        out=parsed.out,
        device=parsed.device,
        reporter=ConsoleReporter(Console()),
    )
    return [*drawn(study), *(f"wrote {path}" for path in study.written)]


def _ablations(args: list[str]) -> list[Shown]:
    parsed = parse(AblationsArgs, args, "farframe study ablations")
    from farframe.studies.ablations import study_ablations
    from farframe.studies.ablations_table import drawn
    from farframe.training.progress import ConsoleReporter

    study = study_ablations(
        parsed.out,
        parsed.measuring,
        parsed.training,
        device=parsed.device,
        reporter=ConsoleReporter(Console()),
    )
    return [*drawn(study), *(f"wrote {path}" for path in study.written)]
