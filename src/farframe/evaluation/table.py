"""The numbers of an evaluation as rows: single frames first, then means over ranges of frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table

from farframe.evaluation.evaluate import Evaluation
from farframe.evaluation.quantities import QUANTITIES, SUBJECTS, key
from farframe.evaluation.tally import Estimate

STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Frames after the context that a table shows."""
RANGES = ((1, 5), (6, 20), (1, 20), (21, 100), (101, 1000))
"""First and last frames of the ranges over which it shows means."""
PRINTED = ("psnr", "ssim", "lpips", "lpips_vgg", "mask_iou", "arm_iou", "person_area")
"""Quantities that the command line shows; the JSON and the report have all."""

_SHORT = {
    "model": "model",
    "model_best": "best",
    "model_worst": "worst",
    "copy_last": "copy",
    "context_mean": "mean",
    "linear": "linear",
    "oracle": "oracle",
    "truth": "truth",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quantity at a frame after the context, or its mean over a range of frames.

    ``gain`` is by how much the model is better than copying the last given frame: a paired
    difference, positive where the model is better. ``clips`` is how many count at each frame
    at least (None: all).
    """

    quantity: str
    frames: str
    values: Mapping[str, Estimate]
    gain: Estimate | None
    clips: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As a mapping of JSON's types."""
        values = {subject: value.to_json() for subject, value in self.values.items()}
        gain = {} if self.gain is None else {"gain": self.gain.to_json()}
        clips = {} if self.clips is None else {"clips": self.clips}
        return {"quantity": self.quantity, "frames": self.frames, **values, **gain, **clips}


def cuts(horizon: int) -> tuple[tuple[int, int], ...]:
    """First and last frame of each row: single frames, ranges, the whole horizon."""
    steps = [step for step in STEPS if step < horizon] + [horizon]
    spans = [(first, min(last, horizon)) for first, last in (*RANGES, (1, horizon))]
    found = [(k, k) for k in steps] + [(first, last) for first, last in spans if first < last]
    return tuple(dict.fromkeys(found))


def table(evaluation: Evaluation) -> tuple[Row, ...]:
    """Every quantity's rows."""
    return tuple(
        _row(evaluation, quantity, first, last)
        for quantity in quantities(evaluation)
        for first, last in cuts(evaluation.horizon)
    )


def quantities(evaluation: Evaluation) -> list[str]:
    """What was measured of the model, at every frame of one clip at least."""
    return [name for name in _all(evaluation) if evaluation.tally.counted(key("model", name)).all()]


def _all(evaluation: Evaluation) -> list[str]:
    return [name for name in QUANTITIES if key("model", name) in evaluation.tally.names]


def subjects(evaluation: Evaluation, quantity: str) -> list[str]:
    """Of whom a quantity was measured."""
    return [name for name in SUBJECTS if key(name, quantity) in evaluation.tally.names]


def _row(evaluation: Evaluation, quantity: str, first: int, last: int) -> Row:
    tally, what = evaluation.tally, QUANTITIES[quantity]
    there = subjects(evaluation, quantity)
    gain = None
    if "copy_last" in there and what.sign and what.rivals:
        pair = [key("model", quantity), key("copy_last", quantity)][:: what.sign]
        gain = tally.over(pair[0], first, last, minus=pair[1])
    counted = tally.counted(key("model", quantity))[first - 1 : last]
    return Row(
        quantity=quantity,
        frames=str(first) if first == last else f"mean {first}-{last}",
        values={name: tally.over(key(name, quantity), first, last) for name in there},
        gain=gain,
        clips=int(counted.min()) if what.partial else None,
    )


def confidence(evaluation: Evaluation) -> dict[str, Estimate]:
    """For each quantity the first frame at which the model no longer beats copy-last-frame.

    One more than the horizon where it does so to the end.
    """
    return {
        name: evaluation.tally.first_not_above(
            key("model", name), key("copy_last", name), QUANTITIES[name].sign
        )
        for name in quantities(evaluation)
        if QUANTITIES[name].sign
        and QUANTITIES[name].rivals
        and "copy_last" in subjects(evaluation, name)
    }


def drawn(rows: Sequence[Row], title: str) -> Iterator[Table | str]:
    """The rows as rich draws them, a table for each quantity that is printed; then what they mean.

    Those of a deterministic model need 86 columns.
    """
    yield title
    used: dict[str, None] = {}
    for quantity in PRINTED:
        mine = [row for row in rows if row.quantity == quantity]
        if not mine:
            continue
        what = QUANTITIES[quantity]
        sheet = Table(what.title, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        for subject in mine[0].values:
            used[subject] = None
            sheet.add_column(_SHORT[subject], justify="right", no_wrap=True)
            if subject == "model":
                sheet.add_column("95 %", justify="right", no_wrap=True)
        if mine[0].gain:
            sheet.add_column("gain", justify="right", no_wrap=True)
            sheet.add_column("95 %", justify="right", no_wrap=True)
        if what.partial:
            sheet.add_column("clips", justify="right", no_wrap=True)
        for row in mine:
            sheet.add_row(row.frames, *_cells(row, what.digits))
        yield sheet
    yield "95 %: of the mean over clips; gain: of the model on copy; " + "; ".join(
        f"{_SHORT[subject]}: {SUBJECTS[subject]}"
        for subject in used
        if _SHORT[subject] != SUBJECTS[subject]
    )


def _cells(row: Row, digits: int) -> Iterator[str]:
    for subject, value in row.values.items():
        yield f"{value.mean:.{digits}f}"
        if subject == "model":
            yield between(value, digits)
    if row.gain:
        yield f"{row.gain.mean:+.{digits}f}"
        yield between(row.gain, digits, "+")
    if row.clips is not None:
        yield str(row.clips)


def between(value: Estimate, digits: int, sign: str = "") -> str:
    """An interval: ``23.90..24.77``; a dash where there are too few clips for one."""
    if value.low is None or value.high is None:
        return "-"
    return f"{value.low:{sign}.{digits}f}..{value.high:{sign}.{digits}f}"


def shown(value: Estimate, digits: int, sign: str = "") -> str:
    """A mean with its interval: ``24.31 (23.90..24.77)``."""
    mean = f"{value.mean:{sign}.{digits}f}"
    return mean if value.low is None else f"{mean} ({between(value, digits, sign)})"


def said(evaluation: Evaluation) -> Iterator[str]:
    """What no table holds, in lines: the confidence horizon, FVD and the world's judgement."""
    horizon = evaluation.horizon
    for name in sorted(set(_all(evaluation)) - set(quantities(evaluation))):
        label = QUANTITIES[name].label
        yield f"{label}: left out, for at some frames no clip's label has what it is about"
    for name, first in confidence(evaluation).items():
        if name in PRINTED:
            yield f"{QUANTITIES[name].label}: {confident(first, horizon)}"
    for subject, pieces in evaluation.fvd.items():
        numbers = ", ".join(f"{distance:.1f}" for distance in pieces)
        yield f"FVD of {evaluation.clips} clips, {SUBJECTS[subject]}: {numbers}"
    if evaluation.world:
        shares = (f"{name} {share:.1%}" for name, share in evaluation.world.items())
        yield f"frame {horizon} against the world's labels: {', '.join(shares).replace('_', ' ')}"


def confident(first: Estimate, horizon: int) -> str:
    """The confidence horizon in words."""
    if first.mean > horizon:
        return f"better than copying the last frame to the end (frame {horizon})"
    spread = ""
    if first.low is not None and first.high is not None:
        spread = f" (95 %: {first.low:.0f} to {first.high:.0f})"
    return f"first no better than copying the last frame at frame {first.mean:.0f}{spread}"
