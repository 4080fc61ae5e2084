"""``farframe study persons``: what it writes and what it shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from farframe.atomic import sweep
from farframe.evaluation.detector import PersonDetector
from farframe.evaluation.evaluate import Evaluation
from farframe.evaluation.quantities import key
from farframe.evaluation.report import place_for_results
from farframe.evaluation.setting import Setting
from farframe.evaluation.stored_json import write_json
from farframe.evaluation.table import between, cuts
from farframe.evaluation.tally import Estimate
from farframe.prediction_files import check_writable
from farframe.studies.persons import COMPARED, SCORE, SEEN, card, measured
from farframe.studies.persons_options import PersonOptions
from farframe.studies.persons_pictures import chart, chosen, strips
from farframe.video import write_png

TITLES: Mapping[str, str] = {
    SCORE: "score of a person",
    SEEN: "share of clips with a person",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quantity at a frame after the context, or its mean over a range of frames.

    ``lost`` is by how much the model is below the truth, a paired difference.
    """

    quantity: str
    frames: str
    values: Mapping[str, Estimate]
    lost: Estimate

    def to_json(self) -> dict[str, Any]:
        """As a mapping of JSON's types."""
        values = {subject: value.to_json() for subject, value in self.values.items()}
        head = {"quantity": self.quantity, "frames": self.frames}
        return {**head, **values, "lost": self.lost.to_json()}


@dataclass(frozen=True, kw_only=True)
class PersonStudy:
    """What ``study_persons`` found and the files it wrote."""

    title: str
    rows: tuple[Row, ...]
    written: tuple[Path, ...]


def study_persons(
    run: Path, options: PersonOptions, *, out: Path | None = None, device: str = "auto"
) -> PersonStudy:
    """Look for people in a run's predictions; write numbers, the chart and strips with boxes.

    Args:
        run: the run's folder (its newest checkpoint is taken), or one checkpoint's folder.
        options: on what clips, and how.
        out: folder to write into (None: ``<run>/persons``).
        device: where to compute, as in ``train.device``.

    Raises:
        ValueError: if ``out`` can't be written, or the detector's weights are missing.
        DataError: if the data can't be read, or its clips are too short for the horizon.
    """
    folder = place_for_results(run, out, "persons")
    check_writable(folder)
    at = Setting.of(run, options.evaluation, "", device)
    detector = PersonDetector.load(at.model.device, options.side)
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    file = folder / "persons.json"
    found = measured(at, options, detector)
    file.unlink(missing_ok=True)  # it stands only beside pictures of its own, and so comes last
    title = f"{run} at step {at.found.step}: people in {found.clips} clips of {at.data.path}"
    title += f", split {options.split}"
    pictures = {"persons.png": chart(title, found, options, at.fps)}
    pictures |= strips(at, options, detector, found)
    for name, picture in pictures.items():
        write_png(folder / name, picture)
    rows = table(found, options)
    shown = {name: at.windows.clip_id(at.indices[n]) for name, n in chosen(found).items()}
    head = {"card": card(at, options, detector, found), "strips": shown}
    write_json(file, head | _numbers(found, options, rows))
    written = (file, *(folder / name for name in pictures))
    return PersonStudy(title=title, rows=rows, written=written)


def table(found: Evaluation, options: PersonOptions) -> tuple[Row, ...]:
    """Single frames, then means over ranges of frames: of the frames that were looked at."""
    rows: list[Row] = []
    for quantity in TITLES:
        for first, last in cuts(options.horizon):
            places = [k for k, t in enumerate(options.times, 1) if first <= t <= last]
            if not places or (first < last and len(places) == 1):
                continue
            part = places[0], places[-1]
            model, truth = (key(name, quantity) for name in ("model", "truth"))
            rows.append(
                Row(
                    quantity=quantity,
                    frames=str(first) if first == last else f"mean {first}-{last}",
                    values={n: found.tally.over(key(n, quantity), *part) for n in COMPARED},
                    lost=found.tally.over(truth, *part, minus=model),
                )
            )
    return tuple(rows)


def drawn(study: PersonStudy) -> Iterator[Table | str]:
    """The study as the command line shows it."""
    yield study.title
    short = {"truth": "truth", "model": "model", "oracle": "oracle"}
    short |= {"copy_last": "copy", "linear": "linear"}
    for quantity, title in TITLES.items():
        sheet = Table(title, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        heads = [*short.values(), "lost", "95 %"]
        heads.insert(2, "95 %")
        for head in heads:
            sheet.add_column(head, justify="right", no_wrap=True)
        for row in (row for row in study.rows if row.quantity == quantity):
            cells = [f"{row.values[name].mean:.3f}" for name in short]
            cells.insert(2, between(row.values["model"], 3))
            sheet.add_row(row.frames, *cells, f"{row.lost.mean:+.3f}", between(row.lost, 3, "+"))
        yield sheet
    yield (
        "95 %: of the mean over clips; lost: by the model against the truth; oracle: drawn from "
        "true encodings; copy: the last given frame again and again; linear: no predictor"
    )
    yield from (f"wrote {path}" for path in study.written)


def _numbers(found: Evaluation, options: PersonOptions, rows: Sequence[Row]) -> dict[str, Any]:
    """The measured values as JSON holds them."""
    return {
        "frames": list(options.times),
        "threshold": options.threshold,
        "table": [row.to_json() for row in rows],
        "curves": {
            quantity: {n: found.tally.curve(key(n, quantity)).to_json() for n in COMPARED}
            for quantity in TITLES
        },
    }
