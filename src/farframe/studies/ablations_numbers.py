"""The numbers of ``farframe study ablations``: means, and paired differences from another run.

Frames are counted after the base's context for all, so that a number of frame 20 is of the same
frame of the same clips whatever a model was given. Where one of two is given more frames, both are
compared on those that both predict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farframe.evaluation.card import differences
from farframe.evaluation.evaluate import Evaluation
from farframe.evaluation.quantities import QUANTITIES, key
from farframe.evaluation.table import STEPS, quantities
from farframe.evaluation.tally import Estimate, Tally
from farframe.presets_ablations import BASE, Ablation
from farframe.studies.estimates import wilson

SHOWN = ("psnr", "ssim", "lpips", "lpips_vgg", "sharpness", "mask_iou")
"""Quantities that tables and charts show; the JSON file has all."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """A trained ablation, measured; ``later`` is how many frames more than the base it is given."""

    name: str
    ablation: Ablation
    run: Path
    parameters: int
    evaluation: Evaluation
    card: Mapping[str, Any]
    later: int = 0

    @property
    def world(self) -> Mapping[str, Estimate]:
        """What the world's judge says of the last frame, with intervals."""
        clips = self.evaluation.clips
        return {name: wilson(share, clips) for name, share in self.evaluation.world.items()}


@dataclass(frozen=True, kw_only=True)
class Number:
    """A mean over frames ``first`` to ``last`` after the base's context.

    ``difference`` is how much it is above that of ``against``, paired over clips.
    """

    first: int
    last: int
    mean: Estimate
    difference: Estimate | None = None
    against: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a mapping of JSON's types."""
        values: dict[str, Any] = {"frames": [self.first, self.last], "mean": self.mean.to_json()}
        if self.difference:
            values |= {"difference": self.difference.to_json(), "against": self.against}
        return values


@dataclass(frozen=True, kw_only=True)
class AblationsStudy:
    """All results, the base first; ``numbers[name][quantity]`` has one for each of ``spans``.

    None where an ablation is given a frame that others predict.
    """

    results: Mapping[str, Result]
    horizon: int
    spans: Sequence[tuple[int, int]]
    numbers: Mapping[str, Mapping[str, Sequence[Number | None]]]
    written: tuple[Path, ...] = field(default=())


def spans(horizon: int) -> list[tuple[int, int]]:
    """Some single frames, and all of them."""
    steps = [step for step in STEPS if 5 <= step < horizon] + [horizon]
    return [*((step, step) for step in steps), (1, horizon)]


def put_together(results: Sequence[Result], horizon: int) -> AblationsStudy:
    """Compare what has been measured.

    Raises:
        ValueError: if the results are not of one protocol (but for the frames given).
    """
    named = {result.name: result for result in results}
    base, used = named[BASE], spans(horizon)
    for result in results:
        apart = [
            line
            for line in differences(base.card, result.card)
            if line.partition(":")[0] not in ("context", "horizon")
        ]
        if apart:
            raise ValueError(
                f"{result.name} was measured otherwise than {BASE}: {'; '.join(apart)}"
            )
    numbers = {
        name: {what: list(_numbers(result, named, what, used)) for what in _shared(result, base)}
        for name, result in named.items()
    }
    return AblationsStudy(results=named, horizon=horizon, spans=used, numbers=numbers)


def _shared(one: Result, other: Result) -> list[str]:
    there = quantities(other.evaluation)
    return [name for name in quantities(one.evaluation) if name in there]


def _numbers(
    result: Result, named: Mapping[str, Result], what: str, used: Sequence[tuple[int, int]]
) -> Iterator[Number | None]:
    """A quantity of a result over each span, and its difference from what it is compared with."""
    against = result.ablation.against if result.ablation.against in named else BASE
    other, name = named[against], key("model", what)
    skipped = max(result.later, other.later)
    both = Tally.joined(
        {"this": result.evaluation.tally, "that": other.evaluation.tally},
        [name],
        result.evaluation.horizon + result.later - skipped,
    )
    for first, last in used:
        if last <= skipped:
            yield None
            continue
        start = max(first, skipped + 1)
        part = start - skipped, last - skipped
        mean = both.over(f"this:{name}", *part)
        if result.name == BASE:
            yield Number(first=start, last=last, mean=mean)
            continue
        apart = both.over(f"this:{name}", *part, minus=f"that:{name}")
        yield Number(first=start, last=last, mean=mean, difference=apart, against=against)


def to_json(study: AblationsStudy) -> dict[str, Any]:
    """The study as JSON holds it."""
    base = study.results[BASE].ablation.config
    return {
        "horizon": study.horizon,
        "ablations": [
            {
                "name": name,
                "summary": result.ablation.summary,
                "run": str(result.run),
                "changes": base.changes(result.ablation.config),
                "starts_from": result.ablation.start,
                "parameters": result.parameters,
                "card": result.card,
                "world": {n: value.to_json() for n, value in result.world.items()},
                "fvd": {n: list(pieces) for n, pieces in result.evaluation.fvd.items()},
                "numbers": {
                    what: [number.to_json() for number in row if number]
                    for what, row in study.numbers[name].items()
                },
                "meanings": {what: QUANTITIES[what].meaning for what in study.numbers[name]},
            }
            for name, result in study.results.items()
        ],
    }
