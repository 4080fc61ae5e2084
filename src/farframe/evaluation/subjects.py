"""Clips as evaluation sees them, and the baselines that every model is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

from farframe.data.reader import collate
from farframe.models.hierarchical import HierarchicalModel
from farframe.models.video_model import VideoModel
from farframe.types import Clip


@dataclass(frozen=True)
class Scene:
    """Some clips on the model's device, and, once they are asked for, their encodings.

    ``frames`` are ``context`` given ones and those to be predicted, or some of these: then
    ``times`` are their numbers after the context, from 1. The model is in eval mode.
    """

    model: VideoModel
    frames: Float[Tensor, "b t c h w"]
    context: int
    times: tuple[int, ...] | None = None

    @staticmethod
    def of(model: VideoModel, clips: Sequence[Clip], context: int, horizon: int) -> Scene:
        """The first ``context + horizon`` frames of clips of equal length."""
        frames = collate(clips).to(model.device).images()[:, : context + horizon]
        return Scene(model, frames, context)

    @property
    def truth(self) -> Float[Tensor, "b t2 c h w"]:
        """The frames to be predicted."""
        return self.frames[:, self.context :]

    @property
    def numbers(self) -> Int[Tensor, " t2"]:
        """Numbers of the frames to be predicted, from 1."""
        all_ = range(1, self.truth.shape[1] + 1)
        return torch.tensor(self.times or all_, device=self.frames.device)

    @property
    def drawing(self) -> HierarchicalModel:
        """The model, as one that draws encodings."""
        found = hierarchical(self.model)
        assert found is not None, "see baselines_of"
        return found

    @cached_property
    def enc(self) -> Float[Tensor, "b t e"]:
        """Encodings of all frames, given and to be predicted."""
        with torch.no_grad():
            return self.drawing.encode(self.frames)

    def draw(self, enc: Float[Tensor, "b n e"]) -> Float[Tensor, "b n c h w"]:
        """Frames in [0, 1] that the model draws of encodings."""
        given = slice(0, self.context)
        with torch.no_grad():
            anchor = self.drawing.anchor_of(self.frames[:, given], self.enc[:, given])
            return self.drawing.draw(anchor, enc)[0]


@dataclass(frozen=True)
class Shown:
    """What a baseline says of the future; ``enc`` is None if it says nothing of encodings."""

    frames: Float[Tensor, "b t c h w"]
    enc: Callable[[], Float[Tensor, "b t e"]] | None = None


def copy_last(at: Scene) -> Shown:
    """The last given frame, again and again."""
    last = slice(at.context - 1, at.context)
    return Shown(
        at.frames[:, last].expand_as(at.truth),
        lambda: at.enc[:, last].expand_as(at.enc[:, at.context :]),
    )


def context_mean(at: Scene) -> Shown:
    """The mean of the given frames."""
    return Shown(at.frames[:, : at.context].mean(1, keepdim=True).expand_as(at.truth))


def linear(at: Scene) -> Shown:
    """No predictor: the last two encodings go on in a straight line, and the model draws them."""
    last = at.enc[:, at.context - 1]
    step = last - at.enc[:, max(at.context - 2, 0)]
    enc = last[:, None] + step[:, None] * at.numbers[:, None]
    if at.drawing.config.enc_norm == "l2":
        enc = F.normalize(enc, dim=2)
    # Far outside of what it knows a decoder may come to nothing finite: that is shown as black.
    return Shown(at.draw(enc).nan_to_num(0), lambda: enc)


def oracle(at: Scene) -> Shown:
    """A perfect predictor: true encodings of the future, so that what is lost is the drawing's."""
    return Shown(at.draw(at.enc[:, at.context :]))


BASELINES: Mapping[str, Callable[[Scene], Shown]] = {
    "copy_last": copy_last,
    "context_mean": context_mean,
    "linear": linear,
    "oracle": oracle,
}
"""By name, in the order in which they are shown."""

OF_ENCODINGS = ("linear", "oracle")
"""Those that mean something only for a model that draws encodings."""


def hierarchical(measured: VideoModel) -> HierarchicalModel | None:
    """The model, if its encodings are foreseen and drawn apart from each other."""
    return measured if isinstance(measured, HierarchicalModel) else None


def baselines_of(model: VideoModel) -> tuple[str, ...]:
    """Names of the baselines that mean something for a model."""
    draws = hierarchical(model) is not None
    return tuple(name for name in BASELINES if draws or name not in OF_ENCODINGS)


def labels(clips: Sequence[Clip], name: str) -> Shaped[np.ndarray, "b t ..."] | None:
    """Ground truth that all of the clips have, or None."""
    if not all(name in clip.labels for clip in clips):
        return None
    return np.stack([clip.labels[name] for clip in clips])
