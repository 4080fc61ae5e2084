"""``farframe evaluate``: a trained run on a split of its data, as a table, JSON and videos."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float

import farframe
from farframe.atomic import replacing, sweep
from farframe.config import DataConfig, check
from farframe.data.clips import ClipWindows
from farframe.data.source import ClipSource, DataError, open_source
from farframe.data.splits import Segment, Split, segments
from farframe.evaluation.evaluate import Evaluation, evaluate_model, film
from farframe.evaluation.table import Row, table
from farframe.models.hierarchical import HierarchicalModel
from farframe.prediction_files import check_writable
from farframe.run import load, load_config, locate
from farframe.training.checkpoint import latest, verify
from farframe.video import write_video


@dataclass(frozen=True, kw_only=True)
class Report:
    """What ``evaluate_run`` found and the files it wrote."""

    title: str
    evaluation: Evaluation
    rows: tuple[Row, ...]
    written: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What to measure on."""

    data: str = ""
    """Path of the data (empty: what the run was trained on)."""
    split: Split | Literal["all"] = "test"
    """Part of the data; all for data that was no part of the training."""
    horizon: int = 20
    """Frames to predict after the context."""
    clips: int = 64
    """Clips to measure, spread evenly over the split."""
    videos: int = 0
    """Videos to write, of the first clips: truth, prediction, mask and error side by side."""
    batch_size: int = 8
    """Clips predicted at once."""

    def __post_init__(self) -> None:
        for name, least in {"horizon": 1, "clips": 1, "videos": 0, "batch_size": 1}.items():
            value, flag = getattr(self, name), name.replace("_", "-")
            check(value >= least, f"--{flag}", value, f"must be at least {least}")


def evaluate_run(
    run: Path, options: EvaluateOptions, *, out: Path | None = None, device: str = "auto"
) -> Report:
    """Measure a trained run and write ``evaluation.json`` and the videos.

    Args:
        run: the run's folder (its newest checkpoint is taken), or one checkpoint's folder.
        options: what to measure on.
        out: folder to write into, or the JSON file if it ends in ``.json`` (None:
            ``<run>/evaluation``).
        device: where to compute, as in ``train.device``.

    Raises:
        ValueError: if ``out`` can't be written.
        DataError: if the data can't be read, or its clips are too short for the horizon.
    """
    folder, checkpoint = locate(run)
    checkpoint = checkpoint or latest(folder).path
    file = _target(folder / "evaluation" if out is None else out)
    config = load_config(folder)
    other = {"path": options.data, "kind": "auto"} if options.data else {}
    data = replace(config.data, **other)
    if not data.path:
        raise ValueError(f"{folder} has no data of its own: name data to evaluate on with --data")
    model = load(checkpoint, device=device)
    source = open_source(data, model.config.frame_size, cache_dir=folder / "cache")
    _check_actions(source, model, data)
    windows = _windows(source, data, options, model.config.context_frames)
    indices = windows.spread(options.clips)
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        torch.manual_seed(config.train.seed)  # the same noise every time
        evaluation = evaluate_model(
            model,
            windows,
            indices=indices,
            context=model.config.context_frames,
            horizon=options.horizon,
            batch_size=options.batch_size,
            judge=getattr(source, "judge", None),
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        sweep(file.parent)
        films = tuple(_videos(model, windows, indices[: options.videos], evaluation, file.parent))
    facts = {
        "run": str(run),
        "step": verify(checkpoint),
        "data": {**asdict(data), "fingerprint": source.fingerprint()},
        "split": options.split,
    }
    write_json(file, facts | _numbers(evaluation))
    what = f"{evaluation.clips} clips of {data.path}, split {options.split}"
    return Report(
        title=f"{run} at step {facts['step']}: {what}",
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
    check_writable(file.parent)
    return file


def _check_actions(source: ClipSource, model: HierarchicalModel, data: DataConfig) -> None:
    if model.config.action_dim not in (0, source.action_dim):
        raise DataError(
            f"{data.path}: its actions have {source.action_dim} numbers, but the model was trained "
            f"with actions of {model.config.action_dim}: evaluate it on data with the same actions"
        )


def _windows(
    source: ClipSource, data: DataConfig, options: EvaluateOptions, context: int
) -> ClipWindows:
    """All windows of ``context + horizon`` frames of a split; one clear error if there is none."""
    split, needed = options.split, context + options.horizon
    if split == "all":
        parts = [Segment(i, 0, r.length) for i, r in enumerate(source.recordings)]
    else:
        parts = segments(source, data, split)
    available = (max(part.stop - part.start for part in parts) - 1) // data.stride + 1
    if available < needed:
        way_out = (
            f"lower --horizon to {available - context} or less"
            if available > context
            else "give longer recordings"
        )
        raise DataError(
            f"{data.path}: the longest clip (split: {split}) has {available} frames, but context "
            f"{context} + horizon {options.horizon} needs {needed}: {way_out}"
        )
    return ClipWindows(source, parts, needed, data.stride)


def _videos(
    model: HierarchicalModel,
    windows: ClipWindows,
    indices: Sequence[int],
    evaluation: Evaluation,
    folder: Path,
) -> Iterator[Path]:
    """Write truth, prediction, mask and error of single clips side by side."""
    context, horizon = evaluation.context, evaluation.horizon
    for number, index in enumerate(indices):
        path = folder / f"comparison-{number:02d}.mp4"
        write_video(path, *film(model, windows, index, context, horizon))
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
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")
