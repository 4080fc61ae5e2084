"""How well a model predicts: curves over the horizon, against repeating the last given frame.

The training loop calls this on validation clips; ``report.py`` calls it for a whole run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from farframe.config import check
from farframe.data.clips import ClipWindows
from farframe.data.reader import collate
from farframe.evaluation.metrics import METRICS
from farframe.models.hierarchical import HierarchicalModel
from farframe.types import Clip, Prediction
from farframe.video import comparison, to_uint8

Judge = Callable[
    [UInt8[np.ndarray, "n c h w"], Mapping[str, Shaped[np.ndarray, "n ..."]]], Mapping[str, float]
]
"""Compares pictures with the ground truth of the same frames; shares from 0 to 1 by name."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What ``evaluate_model`` measured.

    ``model`` and ``copy_last`` hold a curve for each name of ``METRICS``: the mean over clips of
    per-frame values, entry k for frame k + 1 after the context. ``clip_psnr`` and
    ``clip_psnr_copy_last`` are each clip's means over the horizon, in the order of ``ids``.
    ``world`` is what the source's judge says about the last predicted frames.
    """

    context: int
    ids: tuple[str, ...]
    model: Mapping[str, Float[np.ndarray, " t"]]
    copy_last: Mapping[str, Float[np.ndarray, " t"]]
    clip_psnr: Float[np.ndarray, " clips"]
    clip_psnr_copy_last: Float[np.ndarray, " clips"]
    world: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def clips(self) -> int:
        """Number of clips measured."""
        return len(self.ids)

    @property
    def horizon(self) -> int:
        """Number of frames predicted."""
        return len(self.psnr)

    @property
    def psnr(self) -> Float[np.ndarray, " t"]:
        """PSNR of the model's frames in dB."""
        return self.model["psnr"]

    @property
    def ssim(self) -> Float[np.ndarray, " t"]:
        """SSIM of the model's frames."""
        return self.model["ssim"]

    @property
    def psnr_copy_last(self) -> Float[np.ndarray, " t"]:
        """PSNR in dB of the last given frame, shown again and again."""
        return self.copy_last["psnr"]

    @property
    def ssim_copy_last(self) -> Float[np.ndarray, " t"]:
        """SSIM of the last given frame, shown again and again."""
        return self.copy_last["ssim"]


def evaluate_model(
    model: HierarchicalModel,
    windows: ClipWindows,
    *,
    indices: Sequence[int],
    context: int,
    horizon: int,
    batch_size: int = 8,
    judge: Judge | None = None,
) -> Evaluation:
    """Predict ``horizon`` frames after the first ``context`` of each window and compare.

    Clips are read and forgotten a batch at a time. The model is put back into the mode (training
    or not) that it was in.

    Raises:
        ValueError: if windows are shorter than ``context + horizon``, there are no ``indices``, or
            a prediction is not finite.
    """
    needed = context + horizon
    if windows.sequence_length < needed:
        raise ValueError(
            f"evaluation needs clips of {needed} frames (context {context} + horizon {horizon}), "
            f"but these windows have {windows.sequence_length}"
        )
    check(len(indices) >= 1, "evaluation clips", len(indices), "must be >= 1")
    check(batch_size >= 1, "batch_size", batch_size, "must be >= 1")
    parts: list[dict[str, Tensor]] = []
    ids: list[str] = []
    pictures: list[np.ndarray] = []
    labels: list[Mapping[str, np.ndarray]] = []
    for start in range(0, len(indices), batch_size):
        clips = [windows[i] for i in indices[start : start + batch_size]]
        prediction = predict_clips(model, clips, context, horizon)
        parts.append(_compared(prediction, clips, context))
        ids += [clip.id for clip in clips]
        if judge is not None:
            pictures.append(to_uint8(prediction.frames[:, -1].cpu().numpy()))
            labels += [{k: v[needed - 1] for k, v in clip.labels.items()} for clip in clips]
    whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    for name, values in whole.items():
        _check_finite(name, values, ids)
    curves = {name: values.mean(0).numpy() for name, values in whole.items()}
    world: Mapping[str, float] = {}
    if judge is not None:
        truth = {name: np.stack([label[name] for label in labels]) for name in labels[0]}
        world = judge(np.concatenate(pictures), truth)
    return Evaluation(
        context=context,
        ids=tuple(ids),
        model={name: curves[name] for name in METRICS},
        copy_last={name: curves[f"{name}_copy_last"] for name in METRICS},
        clip_psnr=whole["psnr"].mean(1).numpy(),
        clip_psnr_copy_last=whole["psnr_copy_last"].mean(1).numpy(),
        world=dict(world),
    )


def predict_clips(
    model: HierarchicalModel, clips: Sequence[Clip], context: int, horizon: int
) -> Prediction:
    """Predict from the first ``context`` frames of clips of equal length, with their actions."""
    batch = collate(clips)
    actions = batch.actions[:, : context + horizon - 1] if model.config.action_dim else None
    return model.predict(batch.frames[:, :context], actions, horizon=horizon)


def film(
    model: HierarchicalModel, windows: ClipWindows, index: int, context: int, horizon: int
) -> tuple[UInt8[np.ndarray, "t h2 w2 3"], float]:
    """One window as truth | prediction | mask | error, and its frames per second."""
    clip = windows[index]
    drawn = predict_clips(model, [clip], context, horizon)
    frames, masks = (x[0].float().cpu().numpy() for x in (drawn.frames, drawn.masks))
    return comparison(clip.frames, frames, masks, context), clip.fps / windows.stride


def _compared(
    prediction: Prediction, clips: Sequence[Clip], context: int
) -> dict[str, Float[Tensor, "b t"]]:
    """Every metric of the prediction and of the last given frame, on the CPU as float64."""
    horizon = prediction.frames.shape[1]
    frames = collate(clips).to(prediction.frames.device).images()[:, : context + horizon]
    truth = frames[:, context:]
    last = frames[:, context - 1 : context].expand_as(truth)
    values: dict[str, Tensor] = {}
    for name, metric in METRICS.items():
        values[name] = metric(prediction.frames, truth)
        values[f"{name}_copy_last"] = metric(last, truth)
    return {name: value.double().cpu() for name, value in values.items()}


def _check_finite(name: str, values: Float[Tensor, "clips t"], ids: Sequence[str]) -> None:
    bad = (~values.isfinite()).nonzero()
    if len(bad):
        clip, frame = bad[0].tolist()
        raise ValueError(
            f"{name} of predicted frame {frame + 1} of clip {ids[clip]} is not finite: the model's "
            "weights or predictions have blown up; evaluate an earlier checkpoint"
        )
