"""How well a model predicts: curves over the horizon, against baselines, a batch at a time.

The training loop calls this on validation clips; ``report.py`` calls it for a whole run.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8

from farframe.config import check
from farframe.data.clips import ClipWindows
from farframe.evaluation.measure import Measuring, measure_batch, predict_clips, seed_noise
from farframe.evaluation.pictures import arrays
from farframe.evaluation.quantities import QUANTITIES, key
from farframe.evaluation.tally import Tally
from farframe.models.video_model import Predicted, VideoModel
from farframe.types import Clip
from farframe.video import comparison, to_uint8

Judge = Callable[
    [UInt8[np.ndarray, "n c h w"], Mapping[str, Shaped[np.ndarray, "n ..."]]], Mapping[str, float]
]
"""Compares pictures with the ground truth of the same frames; shares from 0 to 1 by name."""
OnBatch = Callable[[Sequence[str], Mapping[str, Float[np.ndarray, "b t"]]], None]
"""Is told each batch's ids and curves."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What ``evaluate_model`` measured.

    ``tally`` has the curves by name (``model/psnr``, ``copy_last/ssim``, ...), entry k for frame
    k + 1 after the context. ``scores`` is each clip's mean PSNR over the horizon, in their order;
    ``ids`` a digest of the clips' names; ``world`` what the source's judge says about the last
    predicted frames; ``fvd`` has each subject's distances, one for each piece of the horizon.
    """

    context: int
    horizon: int
    tally: Tally
    scores: Float[np.ndarray, " clips"]
    ids: str = ""
    world: Mapping[str, float] = field(default_factory=dict[str, float])
    fvd: Mapping[str, Sequence[float]] = field(default_factory=dict[str, Sequence[float]])

    @property
    def clips(self) -> int:
        """Number of clips measured."""
        return self.tally.clips

    @property
    def psnr(self) -> Float[np.ndarray, " t"]:
        """PSNR of the model's frames in dB."""
        return self.tally.mean("model/psnr")

    @property
    def ssim(self) -> Float[np.ndarray, " t"]:
        """SSIM of the model's frames."""
        return self.tally.mean("model/ssim")

    @property
    def psnr_copy_last(self) -> Float[np.ndarray, " t"]:
        """PSNR in dB of the last given frame, shown again and again."""
        return self.tally.mean("copy_last/psnr")

    @property
    def ssim_copy_last(self) -> Float[np.ndarray, " t"]:
        """SSIM of the last given frame, shown again and again."""
        return self.tally.mean("copy_last/ssim")


def evaluate_model(
    model: VideoModel,
    windows: ClipWindows,
    *,
    indices: Sequence[int],
    context: int,
    horizon: int,
    batch_size: int = 8,
    judge: Judge | None = None,
    what: Measuring | None = None,
    on_batch: OnBatch | None = None,
) -> Evaluation:
    """Predict ``horizon`` frames after the first ``context`` of each window and compare.

    Clips are read and forgotten a batch at a time: memory does not grow with their number, but for
    eight bytes a clip. The model is put back into the mode (training or not) that it was in, and
    torch's random state stays as it was.

    Raises:
        ValueError: if windows are shorter than ``context + horizon``, there are no ``indices``, or
            a prediction is not finite.
    """
    needed, what = context + horizon, what or Measuring()
    if windows.sequence_length < needed:
        raise ValueError(
            f"evaluation needs clips of {needed} frames (context {context} + horizon {horizon}), "
            f"but these windows have {windows.sequence_length}"
        )
    check(len(indices) >= 1, "evaluation clips", len(indices), "must be >= 1")
    check(batch_size >= 1, "batch_size", batch_size, "must be >= 1")
    tally = Tally(what.seed, what.replicates)
    scores, ids, world = array("d"), hashlib.sha256(), dict[str, float]()
    with resting(model):
        for start in range(0, len(indices), batch_size):
            clips = [windows[i] for i in indices[start : start + batch_size]]
            measured = measure_batch(model, clips, context, horizon, what, start)
            names = [clip.id for clip in clips]
            for name, values in measured.curves.items():
                check_finite(name, values, names)
            tally.add(measured.curves)
            scores.extend(measured.curves[key("model", "psnr")].mean(1).tolist())
            ids.update("".join(f"{name}\n" for name in names).encode())
            if judge is not None:
                _judged(world, judge, clips, measured.prediction, needed)
            if on_batch is not None:
                on_batch(names, measured.curves)
    fvd = what.fvd
    return Evaluation(
        context=context,
        horizon=horizon,
        tally=tally,
        scores=np.array(scores),
        ids=ids.hexdigest(),
        world={name: share / len(indices) for name, share in world.items()},
        fvd={n: fvd.distances(n) for n in ("model", *what.baselines)} if fvd else {},
    )


def redraw(
    model: VideoModel,
    windows: ClipWindows,
    indices: Sequence[int],
    number: int,
    evaluation: Evaluation,
    *,
    batch_size: int,
    sample: int = 0,
) -> tuple[Clip, Predicted]:
    """Clip ``number`` of an evaluation and its prediction, again: in its batch, with its noise."""
    context, horizon = evaluation.context, evaluation.horizon
    batch_size = batch_size if model.config.stochastic else 1  # without noise a clip stands alone
    start = number - number % batch_size
    clips = [windows[i] for i in indices[start : start + batch_size]]
    with resting(model):
        seed_noise(evaluation.tally.seed, start, sample)
        drawn = predict_clips(model, clips, context, horizon)
    return clips[number - start], drawn.clip(number - start)


def film(
    model: VideoModel, windows: ClipWindows, index: int, context: int, horizon: int
) -> tuple[UInt8[np.ndarray, "t h2 w2 3"], float]:
    """One window as truth | prediction | mask | error, and its frames per second."""
    clip = windows[index]
    drawn = predict_clips(model, [clip], context, horizon)
    return compared(clip, drawn, context), clip.fps / windows.stride


def compared(clip: Clip, drawn: Predicted, context: int) -> UInt8[np.ndarray, "t h2 w2 3"]:
    """A clip as truth | prediction | mask | error; without the mask where the model has none."""
    return comparison(clip.frames, *arrays(drawn), context)


def _judged(
    world: dict[str, float],
    judge: Judge,
    clips: Sequence[Clip],
    prediction: Predicted,
    frames: int,
) -> None:
    """Add to ``world`` what the judge says about the last predicted frames, times their number."""
    last = to_uint8(prediction.frames[:, -1].float().cpu().numpy())
    found = [{k: v[frames - 1] for k, v in clip.labels.items()} for clip in clips]
    truth = {name: np.stack([label[name] for label in found]) for name in found[0]}
    for name, share in judge(last, truth).items():
        world[name] = world.get(name, 0.0) + share * len(clips)


@contextmanager
def resting(model: VideoModel) -> Generator[None, None, None]:
    """The model in eval mode, and torch's random state restored afterwards."""
    devices = [model.device] if model.device.type == "cuda" else []
    training = model.training
    model.eval()
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        model.train(training)


def check_finite(name: str, values: Float[np.ndarray, "b t"], ids: Sequence[str]) -> None:
    """Raise a ValueError that names the first number of a curve that is not finite.

    NaN is allowed in what is of some clips alone.
    """
    what = QUANTITIES.get(name.rpartition("/")[2])
    bad = np.argwhere(np.isinf(values) if what and what.partial else ~np.isfinite(values))
    if len(bad):
        clip, frame = bad[0]
        raise ValueError(
            f"{name} of predicted frame {frame + 1} of clip {ids[clip]} is not finite: the model's "
            "weights or predictions have blown up; evaluate an earlier checkpoint"
        )
