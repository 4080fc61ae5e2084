"""Pictures of ``farframe study persons``: Figure 4, and strips of frames with what was found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from farframe.evaluation.colours import SUBJECTS
from farframe.evaluation.detector import Person, PersonDetector
from farframe.evaluation.evaluate import Evaluation, resting
from farframe.evaluation.quantities import key
from farframe.evaluation.setting import Setting
from farframe.studies.chart import Line, Panel, charts
from farframe.studies.persons import COMPARED, SCORE, SEEN, frames_of
from farframe.studies.persons_options import PersonOptions
from farframe.video import enlarge, pictures, strip

COLUMNS = 9
"""Frames of a strip: the last given one and others spread evenly over the horizon."""
BANDS = ("truth", "model")
"""Whose intervals the chart shows: more bands would hide each other."""
_CELL = 160
_BOX, _TAG, _MISSED = (255, 221, 51), (20, 20, 20), (170, 170, 170)


def chart(
    title: str, found: Evaluation, options: PersonOptions, fps: float
) -> UInt8[np.ndarray, "h w 3"]:
    """Figure 4: mean score, and the share of clips with a person, each with 95 % intervals."""
    names = {
        SCORE: "score of the best person, mean over clips",
        SEEN: f"share of clips with a score of {options.threshold:g} or more",
    }
    panels = [
        Panel(
            text,
            options.times,
            [
                Line(name, SUBJECTS[who], found.tally.curve(key(who, what)), band=who in BANDS)
                for who, name in COMPARED.items()
            ],
            mark=options.threshold if what == SCORE else None,
        )
        for what, text in names.items()
    ]
    axis = f"frame after {found.context} given ones ({fps:g} frames/s); bands: 95 %"
    return charts(title, panels, axis)


def strips(
    at: Setting, options: PersonOptions, detector: PersonDetector, found: Evaluation
) -> dict[str, UInt8[np.ndarray, "h w 3"]]:
    """Strips of the chosen clips by names of files."""
    return {
        f"strip-{name}.png": _strip(at, options, detector, number)
        for name, number in chosen(found).items()
    }


def chosen(found: Evaluation) -> dict[str, int]:
    """Numbers of the best, the median and the worst clip by the model's mean score."""
    order = np.argsort(-found.scores, kind="stable")
    ranks = {"best": 0, "median": len(order) // 2, "worst": len(order) - 1}
    return {name: int(order[rank]) for name, rank in ranks.items()}


def _strip(
    at: Setting, options: PersonOptions, detector: PersonDetector, number: int
) -> UInt8[np.ndarray, "h w 3"]:
    """A row for everyone compared, with the boxes of people and the best score of each frame."""
    times = np.unique(np.linspace(0, options.horizon, COLUMNS).round().astype(int)).tolist()
    size = options.batch_size if at.model.config.stochastic else 1  # as it was measured
    start = number - number % size
    clips = [at.windows[i] for i in at.indices[start : start + size]]
    given = clips[number - start].frames[at.context - 1 : at.context]
    rows: dict[str, Sequence[UInt8[np.ndarray, "h w 3"]]] = {}
    with resting(at.model):
        for name, frames in frames_of(at, clips, start).items():
            later = frames[number - start, [t - 1 for t in times[1:]]].float()
            shown = np.concatenate((pictures(given), pictures(later.cpu().numpy())))
            first = later.new_tensor(given.astype(np.float32) / 255)
            seen = [p for part in (first, later) for p in detector.people(part, least=0.001)]
            rows[COMPARED[name]] = [
                marked(picture, people, options.threshold)
                for picture, people in zip(enlarge(shown, _CELL), seen, strict=True)
            ]
    return strip(rows, times, least=_CELL)


def marked(
    picture: UInt8[np.ndarray, "h w 3"], people: Sequence[Person], threshold: float
) -> UInt8[np.ndarray, "h w 3"]:
    """A picture with boxes around the people who are seen, and the best score in a corner."""
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    high, wide = picture.shape[:2]
    for person in people:
        if person.score >= threshold:
            left, top, right, bottom = (
                v * s for v, s in zip(person.box, (wide, high) * 2, strict=True)
            )
            corners = (max(left, 0), max(top, 0), min(right, wide - 1), min(bottom, high - 1))
            pen.rectangle(corners, outline=_BOX, width=2)
    best = max((person.score for person in people), default=0.0)
    font = ImageFont.load_default(16)
    colour = _BOX if best >= threshold else _MISSED
    pen.rectangle((0, high - 22, 40, high), fill=_TAG)
    pen.text((20, high - 11), f"{best:.2f}", colour, font, anchor="mm")
    return np.asarray(image)
