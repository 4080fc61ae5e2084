"""`farframe study ...`: the paper's studies as commands, what each takes and has to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.table import Table
from tyro.conf import OmitArgPrefixes, Positional
from tyro.conf import arg as Arg

from farframe.cli_parse import parse
from farframe.cli_words import UsageError, unknown
from farframe.studies.persons_options import PersonOptions
from farframe.studies.rating_options import RatingOptions

Shown = str | Table
"""A line, or something that rich draws."""

USAGE = """\
usage: farframe study persons RUN [--data PATH] [OPTIONS]
                                    for how long a detector sees people in predictions (Figure 4)
       farframe study rating A B --out DIR
                                    a page on which people judge pairs without names (Table 2)
       farframe study rating-result DIR ANSWERS.json ...
                                    what they said: A better, same, B better

A and B are runs, evaluations of one protocol, or the word truth. `farframe study WORD --help` shows
every option of a word; docs/studies.md says what is measured.
"""


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


def run_study(args: list[str]) -> list[Shown]:
    """Do what `farframe study ARGS` asks for and return what to show."""
    words: dict[str, Callable[[list[str]], list[Shown]]] = {
        "persons": _persons,
        "rating": _rating,
        "rating-result": _result,
    }
    word, *rest = args or [""]
    if word in ("-h", "--help"):
        return list(USAGE.splitlines())
    if word not in words:
        wrong = unknown("word", word, words) if word else f"name one of {', '.join(words)}"
        raise UsageError(f"{wrong} (see farframe study --help)")
    return words[word](rest)


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
