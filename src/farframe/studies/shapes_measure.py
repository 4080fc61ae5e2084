"""Predictions of the shapes world, looked at frame by frame: the clips come and go in batches.

Of each clip the given frames and those to be judged are drawn by the world, and no others; the
model rolls out to the last of them and draws these alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int8, UInt8

from farframe.evaluation.evaluate import resting
from farframe.evaluation.measure import seed_noise
from farframe.evaluation.setting import Setting
from farframe.evaluation.subjects import BASELINES, Scene
from farframe.types import Clip
from farframe.video import to_uint8
from farframe.worlds.judge import Seen, in_place, look, verdict

VERDICTS = ("right", "wrong_shape", "wrong_colour", "vanished", "in_place")
"""What a frame can be; ``in_place`` is right, and where it should be."""
BESIDE = ("copy_last", "linear", "oracle")
"""The baselines that are judged too."""
SUBJECTS = ("model", *BESIDE)


@dataclass(frozen=True)
class Judged:
    """What was seen of a subject: of each clip (axis 0) at each frame (axis 1).

    ``codes`` are indices into ``VERDICTS``; errors are in pixels, and infinite where no shape is.
    ``position`` is the distance of centres, ``size`` that of the radii of circles of equal area.
    """

    codes: Int8[np.ndarray, "clips n"]
    position: Float[np.ndarray, "clips n"]
    size: Float[np.ndarray, "clips n"]


@dataclass(frozen=True)
class Measured:
    """What was seen, by subject; ``frames`` are counted from 1, ``ids`` is a digest of names."""

    frames: tuple[int, ...]
    subjects: Mapping[str, Judged]
    ids: str


def measure(
    at: Setting, frames: Sequence[int], batch_size: int, advance: Callable[[int], object]
) -> Measured:
    """Predict all clips of a setting and judge ``frames`` of them, counted from 1.

    Raises:
        ValueError: if a prediction is not finite.
    """
    seen: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in SUBJECTS}
    ids = hashlib.sha256()
    with resting(at.model):
        for start in range(0, len(at.indices), batch_size):
            clips = [read(at, i, frames) for i in at.indices[start : start + batch_size]]
            for name, pictures in drawn(at, clips, frames, start).items():
                seen[name] += [
                    _judged(p, c, at.context) for p, c in zip(pictures, clips, strict=True)
                ]
            ids.update("".join(f"{clip.id}\n" for clip in clips).encode())
            advance(len(clips))
    return Measured(
        frames=tuple(frames),
        subjects={
            name: Judged(*(np.stack(part) for part in zip(*rows, strict=True)))
            for name, rows in seen.items()
        },
        ids=ids.hexdigest(),
    )


def read(at: Setting, index: int, frames: Sequence[int]) -> Clip:
    """The given frames of a window, and then those of ``frames``, with their labels."""
    recording, span = at.windows.locate(index)
    parts = [span[: at.context], *(span[n - 1 : n] for n in frames)]
    clips = [at.source.read(recording, part) for part in parts]
    return replace(
        clips[0],
        frames=np.concatenate([clip.frames for clip in clips]),
        actions=np.concatenate([clip.actions for clip in clips]),
        poses=np.concatenate([clip.poses for clip in clips]),
        labels={n: np.concatenate([clip.labels[n] for clip in clips]) for n in clips[0].labels},
        id=at.windows.clip_id(index),
    )


def drawn(
    at: Setting, clips: Sequence[Clip], frames: Sequence[int], first: int
) -> dict[str, UInt8[np.ndarray, "b n c h w"]]:
    """What each subject shows at ``frames`` of clips, the first of which is number ``first``."""
    times = tuple(n - at.context for n in frames)
    given = np.stack([clip.frames[: at.context] for clip in clips])
    seed_noise(at.options.seed, first, 0)
    predicted = at.model.predict(given, horizon=times[-1], at=times)
    whole = torch.from_numpy(np.stack([clip.frames for clip in clips])).to(at.model.device)
    scene = Scene(at.model, whole.float() / 255, at.context, times)
    shown = {"model": predicted.frames} | {n: BASELINES[n](scene).frames for n in BESIDE}
    return {name: to_uint8(x.float().cpu().numpy()) for name, x in shown.items()}


def _judged(
    pictures: UInt8[np.ndarray, "n c h w"], clip: Clip, context: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Verdict, error of position and of size of each picture."""
    codes: list[int] = []
    away: list[float] = []
    larger: list[float] = []
    side, last, seen = pictures.shape[-1], None, None
    for n, picture in enumerate(pictures):
        truth = {name: values[context + n] for name, values in clip.labels.items()}
        if seen is None or last is None or not np.array_equal(picture, last):
            last, seen = picture, look(picture)
        codes.append(VERDICTS.index("in_place" if in_place(seen, truth) else verdict(seen, truth)))
        distances = _errors(seen, truth)
        away.append(side * distances[0])
        larger.append(side * distances[1])
    return np.array(codes, np.int8), np.array(away), np.array(larger)


def _errors(seen: Seen, truth: Mapping[str, Any]) -> tuple[float, float]:
    """Distance from the true place and size, in sides of the frame; infinite if nothing is seen."""
    if seen.colour < 0:
        return np.inf, np.inf
    away = np.linalg.norm(np.array(seen.position) - truth["position"])
    return float(away), abs(seen.size - float(truth["size"]))
