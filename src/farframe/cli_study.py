"""`farframe study ...`: the paper's studies, what each of its words takes and what it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from tyro.conf import OmitArgPrefixes, Positional
from tyro.conf import arg as Arg

from farframe.cli_evaluate import Shown
from farframe.cli_parse import parse
from farframe.cli_words import UsageError, unknown
from farframe.studies.ablations_options import AblationsOptions
from farframe.studies.persons_options import PersonOptions
from farframe.studies.rating_options import RatingOptions
from farframe.studies.shapes_options import ShapesOptions
from farframe.studies.starting import TrainingOptions

USAGE = """\
usage: farframe study shapes [RUN] [--out DIR]
                                    trained on 16 frames: what is there at 1,020? (Table 1)
       farframe study ablations --out DIR
                                    the same training without one thing or another
       farframe study persons RUN [--data PATH] [OPTIONS]
                                    for how long a detector sees people in predictions (Figure 4)
       farframe study rating A B --out DIR
                                    a page on which people judge pairs without names (Table 2)
       farframe study rating-result DIR ANSWERS.json ...
                                    what they said: A better, same, B better

A and B are runs, evaluations of one protocol, or the word truth. `farframe study WORD --help` shows
every option of a word; docs/studies.md says what is measured.
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


@dataclass(frozen=True, kw_only=True)
class PersonsArgs:
    """Look for people in predictions, in the truth and in baselines, over the horizon."""

    run: Annotated[Positional[Path], Arg(metavar="RUN")]
    """Folder of a trained run, or of one of its checkpoints."""
    out: Annotated[Path | None, Arg(metavar="DIR")] = None
    """Where persons.json, the chart and strips with boxes go (None: RUN/persons)."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes the GPU if there is one."""
    persons: OmitArgPrefixes[PersonOptions]


@dataclass(frozen=True, kw_only=True)
class RatingArgs:
    """Make a page on which people judge pairs of predictions, not knowing which is whose."""

    a: Annotated[Positional[str], Arg(metavar="A")]
    """A run, one of its checkpoints, an evaluation, or the word truth."""
    b: Annotated[Positional[str], Arg(metavar="B")]
    """Who A is judged against: another of these."""
    out: Annotated[Path, Arg(metavar="DIR")]
    """Where rating.html goes, and rating-key.json, which tells who is who: it stays with you."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes the GPU if there is one."""
    rating: OmitArgPrefixes[RatingOptions]


@dataclass(frozen=True, kw_only=True)
class ResultArgs:
    """Show what raters said in percent, with 95 % intervals."""

    page: Annotated[Positional[Path], Arg(metavar="DIR")]
    """Folder that `farframe study rating` wrote."""
    answers: Annotated[Positional[tuple[Path, ...]], Arg(metavar="ANSWERS.json")]
    """Files that raters have saved."""
    out: Annotated[Path | None, Arg(metavar="FILE.json")] = None
    """Where to write the numbers, too."""


def run_study(args: Sequence[str]) -> list[Shown]:
    """Do what `farframe study ARGS` asks for and return what to show."""
    words: dict[str, Callable[[list[str]], list[Shown]]] = {
        "shapes": _shapes,
        "ablations": _ablations,
        "persons": _persons,
        "rating": _rating,
        "rating-result": _result,
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


def _persons(args: list[str]) -> list[Shown]:
    sample = PersonsArgs(run=Path(), persons=PersonOptions())
    object.__setattr__(sample, "run", tyro.MISSING)
    parsed = parse(PersonsArgs, args, "farframe study persons", sample)
    from farframe.studies.persons_report import drawn, study_persons

    study = study_persons(parsed.run, parsed.persons, out=parsed.out, device=parsed.device)
    return list(drawn(study))


def _rating(args: list[str]) -> list[Shown]:
    sample = RatingArgs(a="", b="", out=Path(), rating=RatingOptions())
    for name in ("a", "b", "out"):
        object.__setattr__(sample, name, tyro.MISSING)
    parsed = parse(RatingArgs, args, "farframe study rating", sample)
    from farframe.studies.rating import make_rating

    made = make_rating(parsed.a, parsed.b, parsed.rating, out=parsed.out, device=parsed.device)
    page, key = made.written
    return [
        made.title,
        f"wrote {page}: open it in a browser, or send it to raters",
        f"wrote {key}: who is who; keep it, for `farframe study rating-result`",
    ]


def _result(args: list[str]) -> list[Shown]:
    parsed = parse(ResultArgs, args, "farframe study rating-result")
    from farframe.studies.rating_result import drawn, result

    if not parsed.answers:
        raise UsageError("name files of answers (see farframe study rating-result --help)")
    if parsed.out is not None and parsed.out.suffix != ".json":
        raise UsageError(f"--out is {parsed.out}: must be a .json file")
    return list(drawn(result(parsed.page, parsed.answers, parsed.out)))
