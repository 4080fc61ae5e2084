"""`farframe compare`: evaluations of one protocol side by side, and none of two protocols."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from farframe.evaluation.card import MADE, differences
from farframe.evaluation.paired import ClipMeans, Paired, paired, read_clips, shown_p
from farframe.evaluation.quantities import QUANTITIES, SUBJECTS, key
from farframe.evaluation.stored_json import parse_evaluation, write_json
from farframe.evaluation.table import PRINTED, between, confident, shown
from farframe.evaluation.tally import Estimate
from farframe.pretrained.names import found_by_name

NAME = "evaluation.json"


@dataclass(frozen=True, eq=False)
class Stored:
    """An evaluation as it was written; it equals itself alone."""

    path: Path
    content: Mapping[str, Any]

    @property
    def card(self) -> Mapping[str, Any]:
        """Its protocol card."""
        return self.content["card"]

    @property
    def title(self) -> str:
        """The run that was measured, and at which step."""
        made = self.card[MADE]
        run = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in made["run"])
        return f"{run} ({made['step']:,})"

    def clips(self) -> ClipMeans:
        """Each clip's means, from the file beside it.

        Raises:
            ValueError: if there is none, or it is of another evaluation.
        """
        found, last = read_clips(self.path, self.card), self.card["horizon"]
        psnr = self.value("psnr", f"mean 1-{last}" if last > 1 else "1", "model")
        mine = found.means.get(key("model", "psnr"))
        if psnr is None or mine is None or abs(mine.mean() - psnr.mean) > 1e-4 * abs(psnr.mean):
            raise ValueError(f"clips.csv beside {self.path} is of another evaluation")
        return found

    def value(self, quantity: str, frames: str, subject: str) -> Estimate | None:
        """A number of its table, if it is there."""
        for row in self.content["table"]:
            if (row["quantity"], row["frames"]) == (quantity, frames) and subject in row:
                return Estimate.of_json(row[subject])
        return None


def read_evaluation(path: Path) -> Stored:
    """An evaluation from its file, its folder, or the folder of the run that was evaluated.

    The name of a model that comes with farframe means the evaluation that lies beside its weights.

    Raises:
        ValueError: if there is none, or it is damaged or of another version of farframe.
    """
    places = [path] if path.is_file() else [path / NAME, path / "evaluation" / NAME]
    packaged = found_by_name(path)
    places += [packaged / NAME] if packaged else []
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise ValueError(f"{path} holds no {NAME}: run `farframe evaluate` on it first")
    try:
        return Stored(file, parse_evaluation(file.read_text("utf-8")))
    except ValueError as error:
        raise ValueError(
            f"{file} is no evaluation that this farframe wrote ({error}): evaluate the run anew"
        ) from None


def compare(evaluations: Sequence[Stored]) -> Iterator[Table | str]:
    """Tables of all that the evaluations share, one column each, and the first against each other.

    Raises:
        ValueError: if they are not of one protocol, naming the difference.
    """
    check_protocols(evaluations)
    for quantity in PRINTED:
        sheet = _sheet(evaluations, quantity)
        if sheet is not None:
            yield sheet
    yield from _lines(evaluations)
    first, *others = evaluations
    for other in others:
        yield from _against(first, other)


def check_protocols(evaluations: Sequence[Stored]) -> None:
    """Complain about evaluations that can't be compared.

    Raises:
        ValueError: if they are not of one protocol, naming the difference.
    """
    first, *others = evaluations
    for other in others:
        apart = differences(first.card, other.card)
        if apart:
            more = f", and {len(apart) - 3} more" if len(apart) > 3 else ""
            raise ValueError(
                f"{first.path} and {other.path} are not of one protocol, so their numbers can't be "
                f"compared: {'; '.join(apart[:3])}{more}"
            )


@lru_cache(maxsize=16)  # what is shown may be written, too
def pair(first: Stored, other: Stored) -> dict[str, Paired]:
    """By quantity how two evaluations of one protocol differ, over the whole horizon.

    Encodings' errors are left out: their scale is each model's own.

    Raises:
        ValueError: if one has no clips.csv beside it.
    """
    a, b = first.clips(), other.clips()
    names = [name for name, what in QUANTITIES.items() if what.sign and name != "enc_mse"]
    shared = [n for n in names if key("model", n) in a.means and key("model", n) in b.means]
    return {
        n: paired(
            a.means[key("model", n)], b.means[key("model", n)], a.recordings, QUANTITIES[n].sign
        )
        for n in shared
    }


def _against(first: Stored, other: Stored) -> Iterator[Table | str]:
    """The paired test of two evaluations, or why there is none."""
    try:
        found = pair(first, other)
    except ValueError as error:
        yield f"no test of {first.title} against {other.title}: {error}"
        return
    some = next(iter(found.values()))
    yield f"{first.title} against {other.title}: means over the horizon, clip by clip"
    sheet = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("", "gain", "95 %", "p", "better on"):
        sheet.add_column(head, justify="right" if head else "left", no_wrap=True)
    for name, pair_ in found.items():
        digits = QUANTITIES[name].digits + 1
        mean = f"{pair_.gain.mean:+.{digits}f}"
        spread = between(pair_.gain, digits, "+")
        title = QUANTITIES[name].title
        sheet.add_row(title, mean, spread, shown_p(pair_.p), f"{pair_.better:.0%}")
    yield sheet
    yield (
        f"gain: positive where {first.title} is better; {some.clips} clips of {some.recordings} "
        "recordings; p: two-sided sign-flip test over recordings"
    )


def _sheet(evaluations: Sequence[Stored], quantity: str) -> Table | None:
    """The rows of a quantity that all evaluations have, the model's numbers and the baseline's."""
    frames = [row["frames"] for row in evaluations[0].content["table"]
              if row["quantity"] == quantity]  # fmt: skip
    measured = [e.value(quantity, name, "model") for e in evaluations for name in frames[:1]]
    if not measured or None in measured:
        return None
    what = QUANTITIES[quantity]
    sheet = Table(what.title, box=box.SIMPLE_HEAD, pad_edge=False)
    for evaluation in evaluations:
        sheet.add_column(Text(evaluation.title), justify="right", no_wrap=True)
    copied = evaluations[0].value(quantity, frames[0], "copy_last") is not None
    if copied:
        sheet.add_column(SUBJECTS["copy_last"], justify="right", no_wrap=True)
    for name in frames:
        values = [evaluation.value(quantity, name, "model") for evaluation in evaluations]
        best = max((v.mean * what.sign for v in values if v), default=0.0)
        cells = [_cell(value, what.digits, what.sign, best) for value in values]
        if copied:
            base = evaluations[0].value(quantity, name, "copy_last")
            cells.append(f"{base.mean:.{what.digits}f}" if base else "")
        sheet.add_row(Text(name), *cells)
    return sheet


def _cell(value: Estimate | None, digits: int, sign: int, best: float) -> str:
    if value is None:
        return ""
    text = shown(value, digits)
    return f"[bold]{text}[/bold]" if value.mean * sign == best else text


def _lines(evaluations: Sequence[Stored]) -> Iterator[str]:
    for evaluation in evaluations:
        content, horizon = evaluation.content, evaluation.card["horizon"]
        said = [
            f"{QUANTITIES[name].label} {confident(Estimate.of_json(first), horizon)}"
            for name, first in content["confidence_horizon"].items()
            if name == "psnr"
        ]
        if content["fvd"]:
            said.append(f"FVD {', '.join(f'{d:.1f}' for d in content['fvd']['model'])}")
        said += [f"{name.replace('_', ' ')} {s:.1%}" for name, s in content["world"].items()]
        yield f"{evaluation.title}: {'; '.join(said)}"


def write_tests(path: Path, evaluations: Sequence[Stored]) -> None:
    """Write the first evaluation's paired test against each other as JSON.

    Raises:
        ValueError: if one has no clips.csv beside it, or the file can't be written.
    """
    first, *others = evaluations
    tests = [
        {
            "first": first.card[MADE],
            "other": other.card[MADE],
            "tests": {name: found.to_json() for name, found in pair(first, other).items()},
        }
        for other in others
    ]
    try:
        write_json(path, tests)
    except OSError as error:
        raise ValueError(f"--json {path} can't be written: {error.strerror}") from None
