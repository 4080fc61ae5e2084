"""What predicting and evaluating ask of a model, whichever it is: the hierarchical, or a baseline.

A model of anyone's that has these can be measured by ``evaluation.evaluate.evaluate_model``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor


@runtime_checkable
class VideoConfig(Protocol):
    """What a model needs to be given."""

    @property
    def frame_size(self) -> int:
        """Height and width of frames in pixels."""
        ...

    @property
    def action_dim(self) -> int:
        """Numbers in an action (0: it reads none)."""
        ...

    @property
    def context_frames(self) -> int:
        """Frames that it needs, at least."""
        ...

    @property
    def stochastic(self) -> bool:
        """Whether two predictions of one clip differ."""
        ...


@runtime_checkable
class Predicted(Protocol):
    """A prediction; its masks and encodings are None where the model has none."""

    @property
    def frames(self) -> Float[Tensor, "b n c h w"]:
        """In [0, 1]; with several samples the batch axis is ``(clip, sample)`` flattened."""
        ...

    @property
    def masks(self) -> Float[Tensor, "b n 1 h w"] | None:
        """Where each frame is drawn anew, in [0, 1]."""
        ...

    @property
    def enc_pred(self) -> Float[Tensor, "b t e"] | None:
        """Encodings of every step of the horizon, drawn or not."""
        ...

    @property
    def times(self) -> tuple[int, ...]:
        """Numbers of the frames after the context, counted from 1."""
        ...

    def clip(self, number: int) -> Predicted:
        """The part of one clip, as a batch of one."""
        ...


@runtime_checkable
class VideoModel(Protocol):
    """A module that predicts video; ``predict`` is as ``HierarchicalModel.predict`` says."""

    training: bool

    @property
    def config(self) -> VideoConfig:
        """What it needs to be given."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        ...

    def eval(self) -> object:
        """Switch everything off that is for training only."""
        ...

    def train(self, mode: bool = True) -> object:
        """Switch it on, or off again."""
        ...

    def predict(
        self,
        frames: Shaped[np.ndarray, "*bt c h w"] | Shaped[Tensor, "*bt c h w"],
        actions: Shaped[np.ndarray, "*bs a"] | Shaped[Tensor, "*bs a"] | None = None,
        *,
        horizon: int,
        every: int = 1,
        at: Sequence[int] | None = None,
        samples: int = 1,
        int8: bool = False,
    ) -> Predicted:
        """Predict ``horizon`` frames after the given ones and return those asked for."""
        ...
