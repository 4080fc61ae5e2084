"""``farframe study rating``: a page on which people judge pairs of predictions without a name.

The paper's Table 2. The page holds the pairs in random order and knows not who made which; that is
in the key, a file beside it that stays with whoever asks. Each rater gets the pairs in an order of
their own, and their sides, too.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from farframe.atomic import replacing, sweep
from farframe.data.progress import progress
from farframe.evaluation.stored_json import write_json
from farframe.prediction_files import check_writable
from farframe.studies.rating_options import RatingOptions
from farframe.studies.rating_page import Pair, check_size, page_of, sheet
from farframe.studies.rating_sides import Side, sides
from farframe.video import pictures

FORMAT = 1
PAGE, KEY = "rating.html", "rating-key.json"


@dataclass(frozen=True, kw_only=True)
class Rating:
    """What ``make_rating`` wrote."""

    title: str
    written: tuple[Path, ...]


def make_rating(
    a: str, b: str, options: RatingOptions, *, out: Path, device: str = "auto"
) -> Rating:
    """Predict the same clips by both sides and write the page and its key.

    Args:
        a: a run's folder, a checkpoint's, an evaluation, or ``truth``.
        b: the other.
        options: which clips, and what is asked.
        out: folder to write into.
        device: where to compute, as in ``train.device``.

    Raises:
        ValueError: if a side can't be opened, ``out`` can't be written, or a prediction is not
            finite.
        DataError: if the data can't be read, or the sides don't go together.
    """
    check_writable(out)
    one, two = sides(a, b, options, device)
    check_size(len(one.shown), one.at.source.frame_size)
    out.mkdir(parents=True, exist_ok=True)
    sweep(out)
    pairs: list[Pair] = []
    known: dict[str, dict[str, str]] = {}
    flips = random.Random(f"{options.seed} {one.at.source.fingerprint()}")
    for clip, first, second in _filmed(one, two):
        swapped = flips.random() < 0.5
        picture = sheet(*((second, first) if swapped else (first, second)))
        name = hashlib.sha256(f"{len(pairs)} {picture}".encode()).hexdigest()[:16]
        pairs.append(Pair(name, picture))
        known[name] = {"clip": clip, "first": "b" if swapped else "a"}
    flips.shuffle(pairs)
    page = page_of(pairs, options.question, one.at.source.frame_size, len(one.shown), one.at.fps)
    with replacing(out / PAGE) as partial:
        partial.write_text(page.text, "utf-8")
    write_json(out / KEY, _key(page.id, one, two, options) | {"pairs": known})
    title = f"{len(pairs)} pairs of {len(one.shown)} frames: A is {one.name}, B is {two.name}"
    return Rating(title=title, written=(out / PAGE, out / KEY))


def _filmed(one: Side, two: Side) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each clip's id, and what both sides show of it "t h w 3"."""
    at = one.at
    size = at.options.batch_size
    with progress("predicting", len(at.indices), "clips") as advance:
        for start in range(0, len(at.indices), size):
            clips = [at.windows[i] for i in at.indices[start : start + size]]
            shown = [side.frames(clips, start).float().cpu().numpy() for side in (one, two)]
            for clip, *films in zip(clips, *shown, strict=True):
                first, second = map(pictures, films)
                yield clip.id, first, second
            advance(len(clips))


def _key(page: str, one: Side, two: Side, options: RatingOptions) -> dict[str, Any]:
    """Who is who: what the page doesn't tell."""
    at = one.at
    return {
        "format": FORMAT,
        "page": page,
        "question": options.question,
        "a": one.described(),
        "b": two.described(),
        "data": {
            "path": at.data.path,
            "fingerprint": at.source.fingerprint(),
            "split": at.options.split,
            "context": at.context,
            "stride": at.data.stride,
            "fps": at.fps,
        },
    }
