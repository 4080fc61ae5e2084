"""Which clips a report shows, and their pictures, drawn again as they were measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from farframe.data.clips import ClipWindows
from farframe.evaluation.evaluate import Evaluation, redraw
from farframe.evaluation.pictures import Example
from farframe.evaluation.subjects import BASELINES, Scene, baselines_of
from farframe.evaluation.table import STEPS
from farframe.models.video_model import Predicted, VideoModel
from farframe.types import Clip
from farframe.video import pictures

SAMPLES = 5  # of a stochastic model's median clip, side by side
OTHERS = 4  # clips beside the best, the median and the worst

Strip = tuple[str, tuple[int, ...], Mapping[str, Sequence[UInt8[np.ndarray, "h w 3"]]]]
"""A title, the times of its columns, and its rows by name."""


@dataclass(frozen=True)
class Gallery:
    """Players of a few clips, and strips of frames of them and of some others."""

    examples: tuple[Example, ...]
    strips: tuple[Strip, ...]


def gallery(
    model: VideoModel,
    windows: ClipWindows,
    indices: Sequence[int],
    evaluation: Evaluation,
    *,
    batch_size: int,
    samples: int,
) -> Gallery:
    """The best, the median and the worst clip, and some spread evenly over all."""
    context = evaluation.context
    times = _columns(evaluation.horizon)
    examples: list[Example] = []
    strips: list[Strip] = []
    named = _named(evaluation)
    first = f", mean of {samples} samples; the first is shown" if samples > 1 else ""
    drawn: dict[int, tuple[Clip, Predicted]] = {}
    for number in dict.fromkeys([*named, *spread(len(indices), OTHERS)]):
        clip, prediction = redraw(
            model, windows, indices, number, evaluation, batch_size=batch_size
        )
        drawn[number] = clip, prediction
        title = f"{named[number]} clip" if number in named else "Another clip"
        if number in named:
            note = f"{clip.id}, PSNR {evaluation.scores[number]:.2f} dB{first}"
            fps = clip.fps / windows.stride
            examples.append(Example.of(title, note, clip, prediction, context, fps))
        shelves = {"truth": _truth(clip, times, context), "model": _chosen(prediction, times)}
        shelves["model"] = [shelves["truth"][0], *shelves["model"]]
        if number in named and "oracle" in baselines_of(model):
            at = Scene.of(model, [clip], context, evaluation.horizon)
            perfect = BASELINES["oracle"](at).frames[:, [t - 1 for t in times[1:]]]
            frames = pictures(perfect[0].float().cpu().numpy())
            shelves["perfect predictor"] = [shelves["truth"][0], *frames]
        strips.append((f"{title}: {clip.id}", times, shelves))
    if samples > 1:
        middle = next((n for n, name in named.items() if "edian" in name), next(iter(named)))
        clip = drawn[middle][0]
        shelves = {"truth": _truth(clip, times, context)}
        for sample in range(min(samples, SAMPLES)):
            _, prediction = redraw(
                model, windows, indices, middle, evaluation, batch_size=batch_size, sample=sample
            )
            shelves[f"sample {sample + 1}"] = [shelves["truth"][0], *_chosen(prediction, times)]
        strips.insert(0, (f"Samples of one clip: {clip.id}", times, shelves))
    return Gallery(tuple(examples), tuple(strips))


def _named(evaluation: Evaluation) -> dict[int, str]:
    """Numbers of the best, the median and the worst clip; one may be several of them."""
    order = np.argsort(-evaluation.scores, kind="stable")
    found: dict[int, str] = {}
    for name, rank in {"Best": 0, "Median": len(order) // 2, "Worst": len(order) - 1}.items():
        number = int(order[rank])
        found[number] = f"{found[number]} and {name.lower()}" if number in found else name
    return found


def spread(count: int, wanted: int) -> list[int]:
    """Numbers of ``wanted`` of ``count`` clips, spread evenly: of all, if there are fewer."""
    return sorted({(2 * k + 1) * count // (2 * wanted) for k in range(wanted)})


def _columns(horizon: int) -> tuple[int, ...]:
    """The last given frame, and those that the tables show."""
    return (0, *(step for step in STEPS if step < horizon), horizon)


def _truth(clip: Clip, times: Sequence[int], context: int) -> list[UInt8[np.ndarray, "h w 3"]]:
    return list(pictures(clip.frames[[context - 1 + t for t in times]]))


def _chosen(prediction: Predicted, times: Sequence[int]) -> list[UInt8[np.ndarray, "h w 3"]]:
    """Predicted frames, at all times but the first, which is given."""
    frames = prediction.frames[0, [t - 1 for t in times[1:]]]
    return list(pictures(frames.float().cpu().numpy()))
