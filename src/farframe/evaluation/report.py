"""``farframe evaluate``: a trained run on a split of its data, as tables, JSON, CSV and a page."""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from farframe.atomic import replacing, sweep
from farframe.data.progress import progress
from farframe.evaluation import card as cards
from farframe.evaluation.evaluate import Evaluation, OnBatch, compared, evaluate_model, redraw
from farframe.evaluation.examples import gallery
from farframe.evaluation.options import EvaluateOptions
from farframe.evaluation.page import write_page
from farframe.evaluation.quantities import key
from farframe.evaluation.setting import Setting
from farframe.evaluation.stored_json import write_json
from farframe.evaluation.table import Row, confidence, quantities, subjects, table
from farframe.evaluation.tally import significant
from farframe.prediction_files import check_writable
from farframe.pretrained.folder import is_exported
from farframe.run import locate
from farframe.video import write_video


@dataclass(frozen=True, kw_only=True)
class Report:
    """What ``evaluate_run`` found and the files it wrote."""

    title: str
    evaluation: Evaluation
    card: Mapping[str, Any]
    rows: tuple[Row, ...]
    written: tuple[Path, ...]


def place_for_results(run: Path, out: Path | None, name: str) -> Path:
    """``out``, or the folder ``name`` in the run's.

    Raises:
        ValueError: if ``run`` is none, or is an exported model and ``out`` is not given.
    """
    folder, _ = locate(run)
    if out is None and is_exported(folder):
        raise ValueError(f"{run} is an exported model and left as it is: name a folder with --out")
    return out or folder / name


def evaluate_run(
    run: Path,
    options: EvaluateOptions,
    *,
    protocol: str = "",
    out: Path | None = None,
    device: str = "auto",
) -> Report:
    """Measure a trained run and write ``evaluation.json``, ``clips.csv``, the page and videos.

    Args:
        run: what ``farframe.load`` takes.
        options: what to measure, and on what.
        protocol: the standard protocol that the options are of; how they differ is noted.
        out: folder to write into, or the JSON file if it ends in ``.json``, which is then written
            alone (None: ``<run>/evaluation``; an exported model is left as it is and needs one).
        device: where to compute, as in ``train.device``.

    Raises:
        ValueError: if ``out`` can't be written or is missing, or weights that a metric needs are.
        DataError: if the data can't be read, or its clips are too short for the horizon.
    """
    file = _target(place_for_results(run, out, "evaluation"))
    alone = out is not None and out.suffix == ".json"
    cache = file.parent / "cache" if is_exported(locate(run)[0]) else None
    at = Setting.of(run, options, protocol, device, cache)
    file.parent.mkdir(parents=True, exist_ok=True)
    sweep(file.parent)
    written = [file]
    if not alone:
        written.append(file.parent / "clips.csv")
    evaluation = _measured(at, None if alone else written[1])
    card = cards.card(at, evaluation)
    rows = table(evaluation)
    file.unlink(missing_ok=True)  # it stands only beside files of its own, and so comes last
    written += _videos(at, evaluation, file.parent)
    title = f"{at.found.name} at step {at.found.step}: {evaluation.clips} clips of {at.data.path}"
    title += f", split {options.split}"
    if not alone:
        pictures = gallery(
            at.model,
            at.windows,
            at.indices,
            evaluation,
            batch_size=options.batch_size,
            samples=at.what.samples,
        )
        written.append(file.parent / "report.html")
        write_page(written[-1], title, evaluation, card, rows, pictures)
    write_json(file, {"card": card} | _numbers(evaluation, rows))
    return Report(title=title, evaluation=evaluation, card=card, rows=rows, written=tuple(written))


def _measured(at: Setting, table_file: Path | None) -> Evaluation:
    """Measure, writing each clip's means into ``table_file`` as they come."""
    options = at.options
    with (
        _clips_written(table_file) as write,
        progress("measuring", len(at.indices), "clips") as advance,
    ):

        def on_batch(ids: Sequence[str], curves: Mapping[str, np.ndarray]) -> None:
            write(ids, curves)
            advance(len(ids))

        return evaluate_model(
            at.model,
            at.windows,
            indices=at.indices,
            context=at.context,
            horizon=options.horizon,
            batch_size=options.batch_size,
            judge=getattr(at.source, "judge", None),
            what=at.what,
            on_batch=on_batch,
        )


def _target(out: Path) -> Path:
    """The JSON file that ``out`` means; complains before hours of work if it can't be written."""
    file = out if out.suffix == ".json" else out / "evaluation.json"
    for path in file.parents:
        if path.exists() and not path.is_dir():
            raise ValueError(f"--out {out}: {path} is a file; name a folder, or a file.json")
    if file.is_dir():
        raise ValueError(f"--out {out}: {file} is a folder; name another")
    check_writable(file.parent)
    return file


def _videos(at: Setting, evaluation: Evaluation, folder: Path) -> Iterator[Path]:
    """Write truth, prediction, mask and error of the first clips side by side."""
    for number in range(min(at.options.videos, len(at.indices))):
        path = folder / f"comparison-{number:02d}.mp4"
        size = at.options.batch_size
        clip, drawn = redraw(at.model, at.windows, at.indices, number, evaluation, batch_size=size)
        film = compared(clip, drawn, evaluation.context)
        write_video(path, film, clip.fps / at.windows.stride)
        yield path


def _numbers(evaluation: Evaluation, rows: Sequence[Row]) -> dict[str, Any]:
    """The measured values as JSON holds them."""
    fvd = {name: [significant(d) for d in pieces] for name, pieces in evaluation.fvd.items()}
    return {
        "confidence_horizon": {n: f.to_json() for n, f in confidence(evaluation).items()},
        "fvd": fvd,
        "world": {name: significant(share) for name, share in evaluation.world.items()},
        "table": [row.to_json() for row in rows],
        "curves": {
            quantity: {
                subject: evaluation.tally.curve(key(subject, quantity)).to_json()
                for subject in subjects(evaluation, quantity)
            }
            for quantity in quantities(evaluation)
        },
    }


@contextmanager
def _clips_written(path: Path | None) -> Generator[OnBatch, None, None]:
    """A function that appends each clip's means over the horizon to a CSV file."""
    if path is None:
        yield lambda ids, curves: None
        return
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        begun = False

        def write(ids: Sequence[str], curves: Mapping[str, np.ndarray]) -> None:
            nonlocal begun
            if not begun:
                writer.writerow(["clip", *curves])
                begun = True
            means = np.stack([_mean_over_time(curve) for curve in curves.values()], 1)
            for name, row in zip(ids, means, strict=True):
                writer.writerow([name, *("" if np.isnan(v) else significant(v) for v in row)])

        yield write


def _mean_over_time(curve: Float[np.ndarray, "b t"]) -> Float[np.ndarray, " b"]:
    """The mean over frames at which a clip counts; NaN for a clip that counts at none."""
    there = ~np.isnan(curve)
    sums, counts = np.where(there, curve, 0.0).sum(1), there.sum(1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
