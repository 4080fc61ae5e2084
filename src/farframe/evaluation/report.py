"""``farframe evaluate``: a trained run on a split of its data, as a table, JSON and videos."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float

import farframe
from farframe.config import DataConfig, check
from farframe.data.clips import ClipWindows
from farframe.data.source import ClipSource, DataError, open_source
from farframe.data.splits import Segment, Split, segments
from farframe.evaluation.evaluate import Evaluation, evaluate_model, predict_clips
from farframe.models.hierarchical import HierarchicalModel
from farframe.run import load, load_config, locate
from farframe.training.checkpoint import latest, verify
from farframe.video import comparison, write_video

STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Frames after the context that a table shows."""
RANGES = ((1, 5), (6, 20), (1, 20), (21, 100), (101, 1000))
"""First and last frames of the ranges over which it shows means."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table: a frame after the context, or the mean over a range of frames."""

    frames: str
    psnr: float
    psnr_copy_last: float
    ssim: float
    ssim_copy_last: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """What ``evaluate_run`` found and the files it wrote."""

    title: str
    evaluation: Evaluation
    rows: tuple[Row, ...]
    written: tuple[Path, ...]


def table(evaluation: Evaluation) -> tuple[Row, ...]:
    """Single frames first, then means over ranges, then the mean over the whole horizon."""
    horizon = evaluation.horizon
    steps = [step for step in STEPS if step < horizon] + [horizon]
    spans = [(first, min(last, horizon)) for first, last in (*RANGES, (1, horizon))]
    cuts = [(k, k) for k in steps] + [(first, last) for first, last in spans if first < last]
    return tuple(_row(evaluation, first, last) for first, last in dict.fromkeys(cuts))


def _row(evaluation: Evaluation, first: int, last: int) -> Row:
    chosen = slice(first - 1, last)
    return Row(
        frames=str(first) if first == last else f"mean {first}-{last}",
        psnr=float(evaluation.psnr[chosen].mean()),
        psnr_copy_last=float(evaluation.psnr_copy_last[chosen].mean()),
        ssim=float(evaluation.ssim[chosen].mean()),
        ssim_copy_last=float(evaluation.ssim_copy_last[chosen].mean()),
    )


def evaluate_run(
    run: Path,
    *,
    data: str | None = None,
    split: Split | Literal["all"] = "test",
    horizon: int = 20,
    clips: int = 64,
    videos: int = 0,
    out: Path | None = None,
    device: str = "auto",
    batch_size: int = 8,
) -> Report:
    """Measure a trained run on ``clips`` clips of a split, spread evenly over it.

    Args:
        run: the run's folder (its newest checkpoint is taken), or one checkpoint's folder.
        data: path of the data (None: what the run was trained on).
        split: train, validation, test, or all for data that was no part of the training.
        horizon: frames to predict after the model's context.
        clips: clips to measure (fewer if the split has fewer windows).
        videos: comparison videos to write, of the first of these clips.
        out: where to write ``evaluation.json`` and the videos; a name that ends in ``.json`` is
            the file itself (None: ``<run>/evaluation``).
        device: where to compute, as in ``train.device``.
        batch_size: clips predicted at once.

    Raises:
        ValueError: if an argument is out of range, or recordings are too short for the horizon.
        DataError: if the run or its data can't be read.
    """
    for name, value, least in (("horizon", horizon, 1), ("clips", clips, 1), ("videos", videos, 0)):
        check(value >= least, f"--{name}", value, f"must be at least {least}")
    folder, checkpoint = locate(run)
    checkpoint = checkpoint or latest(folder).path
    file = _target(folder / "evaluation" if out is None else out)
    config = load_config(folder)
    chosen = config.data if data is None else replace(config.data, path=data, kind="auto")
    model = load(checkpoint, device=device)
    source = open_source(chosen, model.config.frame_size, cache_dir=folder / "cache")
    _check_actions(source, model, chosen)
    context = model.config.context_frames
    windows = _windows(source, chosen, split, context, horizon)
    indices = windows.spread(clips)
    with torch.random.fork_rng():
        torch.manual_seed(config.train.seed)  # the same noise every time
        evaluation = evaluate_model(
            model,
            windows,
            indices=indices,
            context=context,
            horizon=horizon,
            batch_size=batch_size,
            judge=getattr(source, "judge", None),
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        films = tuple(_videos(model, windows, indices[:videos], context, horizon, file.parent))
    facts = {
        "run": str(run),
        "step": verify(checkpoint),
        "data": {**asdict(chosen), "fingerprint": source.fingerprint()},
        "split": split,
    }
    write_json(file, facts | _numbers(evaluation))
    return Report(
        title=f"{run} at step {facts['step']}: {evaluation.clips} clips of {chosen.path}, {split}",
        evaluation=evaluation,
        rows=table(evaluation),
        written=(file, *films),
    )


def _target(out: Path) -> Path:
    """The JSON file that ``out`` means; complains before hours of work if it can't be written."""
    file = out if out.suffix == ".json" else out / "evaluation.json"
    for path in file.parents:
        if path.exists() and not path.is_dir():
            raise ValueError(f"--out {out}: {path} is a file; name a folder, or a file.json")
    if file.is_dir():
        raise ValueError(f"--out {out}: {file} is a folder; name another")
    return file


def _check_actions(source: ClipSource, model: HierarchicalModel, data: DataConfig) -> None:
    if model.config.action_dim not in (0, source.action_dim):
        raise DataError(
            f"{data.path}: its actions have {source.action_dim} numbers, but the model was trained "
            f"with actions of {model.config.action_dim}: evaluate it on data with the same actions"
        )


def _windows(
    source: ClipSource,
    data: DataConfig,
    split: Split | Literal["all"],
    context: int,
    horizon: int,
) -> ClipWindows:
    """All windows of ``context + horizon`` frames of a split; one clear error if there is none."""
    if split == "all":
        parts = [Segment(i, 0, r.length) for i, r in enumerate(source.recordings)]
    else:
        parts = segments(source, data, split)
    needed, longest = context + horizon, max(part.stop - part.start for part in parts)
    available = (longest - 1) // data.stride + 1
    if available < needed:
        way_out = (
            f"lower --horizon to {available - context} or less"
            if available > context
            else "give longer recordings"
        )
        raise DataError(
            f"{data.path}: the longest clip (split: {split}) has {available} frames, but "
            f"context {context} + horizon {horizon} needs {needed}: {way_out}"
        )
    return ClipWindows(source, parts, needed, data.stride)


def _videos(
    model: HierarchicalModel,
    windows: ClipWindows,
    indices: Sequence[int],
    context: int,
    horizon: int,
    folder: Path,
) -> Iterator[Path]:
    """Write truth, prediction, mask and error of single clips side by side."""
    for number, index in enumerate(indices):
        clip = windows[index]
        drawn = predict_clips(model, [clip], context, horizon)
        frames, masks = (x[0].float().cpu().numpy() for x in (drawn.frames, drawn.masks))
        path = folder / f"comparison-{number:02d}.mp4"
        write_video(
            path, comparison(clip.frames, frames, masks, context), clip.fps / windows.stride
        )
        yield path


def _numbers(evaluation: Evaluation) -> dict[str, Any]:
    """The measured values as JSON holds them; ranges and steps are the table's."""
    clips = zip(evaluation.ids, evaluation.clip_psnr, evaluation.clip_psnr_copy_last, strict=True)
    return {
        "context": evaluation.context,
        "horizon": evaluation.horizon,
        "clips": evaluation.clips,
        "versions": {
            "farframe": farframe.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "table": [asdict(row) for row in table(evaluation)],
        "world": dict(evaluation.world),
        "model": {name: _rounded(curve) for name, curve in evaluation.model.items()},
        "copy_last": {name: _rounded(curve) for name, curve in evaluation.copy_last.items()},
        "per_clip": [
            {"id": name, "psnr": round(float(psnr), 4), "psnr_copy_last": round(float(copy), 4)}
            for name, psnr, copy in clips
        ],
    }


def _rounded(curve: Float[np.ndarray, " t"]) -> list[float]:
    return [float(f"{value:.6g}") for value in curve]


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all; values that are not finite are an error."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
