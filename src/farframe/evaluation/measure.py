"""One batch of clips predicted and measured: curves by name, for the tally to take in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from farframe.data.reader import collate
from farframe.evaluation.finder import Finder
from farframe.evaluation.found import JUDGED, Sought
from farframe.evaluation.fvd import FVD
from farframe.evaluation.metrics import METRICS
from farframe.evaluation.quantities import QUANTITIES, key
from farframe.evaluation.subjects import BASELINES, Scene, hierarchical, labels
from farframe.models.video_model import Predicted, VideoModel
from farframe.types import Clip

Metric = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """What is measured, and against what.

    ``metrics`` compare frames; ``baselines`` are of those that ``subjects.baselines_of`` names for
    the model; ``samples`` futures of each clip are drawn with noise that depends on ``seed``, the
    batch and the number of the sample; ``replicates`` is for the intervals. With ``fvd_context``
    FVD compares the given frames too. ``finder`` looks for what it knows in the frames of the
    model, of some baselines and of the truth.
    """

    metrics: Mapping[str, Metric] = field(default_factory=lambda: dict[str, Metric](METRICS))
    baselines: Sequence[str] = ("copy_last",)
    samples: int = 1
    seed: int = 0
    replicates: int = 0
    encodings: bool = False
    fvd: FVD | None = None
    fvd_context: bool = False
    finder: Finder | None = None


@dataclass(frozen=True)
class Measured:
    """The curves of a batch, and the first sample's prediction."""

    curves: dict[str, np.ndarray]
    prediction: Predicted


def predict_clips(
    model: VideoModel, clips: Sequence[Clip], context: int, horizon: int
) -> Predicted:
    """Predict from the first ``context`` frames of clips of equal length, with their actions."""
    batch = collate(clips)
    actions = batch.actions[:, : context + horizon - 1] if model.config.action_dim else None
    return model.predict(batch.frames[:, :context], actions, horizon=horizon)


def seed_noise(seed: int, first: int, sample: int) -> None:
    """Torch's random state for a sample of the batch whose first clip is number ``first``."""
    state = np.random.SeedSequence([seed, first, sample]).generate_state(1, np.uint32)
    torch.manual_seed(int(state[0]))


def measure_batch(
    model: VideoModel,
    clips: Sequence[Clip],
    context: int,
    horizon: int,
    what: Measuring,
    first: int,
) -> Measured:
    """Predict and measure clips, the first being number ``first``; the model is in eval mode."""
    at = Scene.of(model, clips, context, horizon)
    curves: dict[str, Tensor] = {}
    samples: list[dict[str, Tensor]] = []
    spread = _Spread(what.metrics.get("lpips"))
    chosen: Predicted | None = None
    sought = Sought.of(what.finder, clips, context, at.truth) if what.finder else None
    for number in range(what.samples):
        seed_noise(what.seed, first, number)
        prediction = predict_clips(model, clips, context, horizon)
        samples.append(_of_frames(prediction.frames, at, what.metrics))
        samples[-1] |= _of_masks(prediction, clips, at)
        if sought:
            samples[-1] |= sought.measured(prediction.frames)
        if what.encodings and prediction.enc_pred is not None:
            samples[-1]["enc_mse"] = _enc_mse(prediction.enc_pred, at)
        if what.samples > 1:
            spread.add(prediction.frames)
        chosen = chosen or prediction
    assert chosen is not None
    curves |= _folded(samples)
    if what.samples > 1:
        curves |= {key("model", name): value for name, value in spread.curves().items()}
    _add_fvd(what, "truth", at.truth, at)
    _add_fvd(what, "model", chosen.frames, at)
    for name in what.baselines:
        shown = BASELINES[name](at)
        values = _of_frames(shown.frames, at, what.metrics)
        if what.encodings and shown.enc is not None:
            values["enc_mse"] = _enc_mse(shown.enc(), at)
        if sought and name in JUDGED:
            values |= sought.measured(shown.frames)
        curves |= {key(name, quantity): value for quantity, value in values.items()}
        _add_fvd(what, name, shown.frames, at)
    if sought:
        found = sought.measured(at.truth)
        curves |= {key("truth", quantity): value for quantity, value in found.items()}
    found = {name: value.double().cpu().numpy() for name, value in curves.items()}
    return Measured(found, chosen)


def _of_frames(
    frames: Float[Tensor, "b t c h w"], at: Scene, metrics: Mapping[str, Metric]
) -> dict[str, Float[Tensor, "b t"]]:
    return {name: metric(frames, at.truth) for name, metric in metrics.items()}


def _enc_mse(enc: Float[Tensor, "b t e"], at: Scene) -> Float[Tensor, "b t"]:
    return (enc - at.enc[:, at.context :]).square().mean(2)


def _of_masks(
    prediction: Predicted, clips: Sequence[Clip], at: Scene
) -> dict[str, Float[Tensor, "b t"]]:
    """Overlap of the decoder's masks with the labels', where there are any of both."""
    found = labels(clips, "mask")
    if found is None or prediction.masks is None:
        return {}
    masks = prediction.masks[:, :, 0] > 0.5
    truth = torch.from_numpy(found[:, : at.frames.shape[1]] > 127).to(masks.device)
    if truth.shape[2:] != masks.shape[2:]:
        return {}
    model = hierarchical(at.model)
    anchor = model.anchor_index(at.context) if model else 0
    now, before = truth[:, at.context :], truth[:, anchor : anchor + 1]
    return {"mask_iou": _iou(masks, now), "redrawn_iou": _iou(masks, now | before)}


def _iou(a: Bool[Tensor, "b t h w"], b: Bool[Tensor, "b t h w"]) -> Float[Tensor, "b t"]:
    both, either = ((a & b).sum((2, 3)), (a | b).sum((2, 3)))
    return torch.where(either > 0, both / either.clamp_min(1), torch.ones_like(both).float())


def _folded(samples: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Means over samples; with several, also each clip's best and worst by its mean over time."""
    curves: dict[str, Tensor] = {}
    for name in samples[0]:
        values = torch.stack([sample[name] for sample in samples])
        curves[key("model", name)] = values.mean(0)
        sign = QUANTITIES[name].sign if name in QUANTITIES else 0
        if len(samples) == 1 or not sign:
            continue
        ranks = values.nanmean(2).nan_to_num() * sign  # NaN where the truth says nothing
        clips = torch.arange(values.shape[1], device=values.device)
        curves[key("model_best", name)] = values[ranks.argmax(0), clips]
        curves[key("model_worst", name)] = values[ranks.argmin(0), clips]
    return curves


class _Spread:
    """How much samples of one clip differ, without keeping them (Welford's sums)."""

    def __init__(self, lpips: Metric | None) -> None:
        self.count, self.lpips = 0, lpips
        self.mean = self.scatter = self.last = torch.zeros(())
        self.apart: list[Tensor] = []

    def add(self, frames: Float[Tensor, "b t c h w"]) -> None:
        if self.count and self.lpips:
            self.apart.append(self.lpips(frames, self.last))
        self.count += 1
        away = frames - self.mean.to(frames.device)
        self.mean = self.mean.to(frames.device) + away / self.count
        self.scatter = self.scatter.to(frames.device) + away * (frames - self.mean)
        self.last = frames

    def curves(self) -> dict[str, Float[Tensor, "b t"]]:
        """Mean squared difference of two samples: twice their variance."""
        found = {"diversity": (2 * self.scatter / (self.count - 1)).mean((2, 3, 4))}
        if self.apart:
            found["diversity_lpips"] = torch.stack(self.apart).mean(0)
        return found


def _add_fvd(what: Measuring, name: str, frames: Tensor, at: Scene) -> None:
    if what.fvd is None:
        return
    given = at.frames[:, : at.context]
    what.fvd.add(name, torch.cat((given, frames), 1) if what.fvd_context else frames)
