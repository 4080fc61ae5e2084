"""Evaluation on validation clips in the middle of a training, without a trace in the training."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8

from farframe.data.clips import ClipWindows
from farframe.data.source import ClipSource, DataError
from farframe.data.splits import segments
from farframe.evaluation.evaluate import Evaluation, evaluate_model, film
from farframe.models.video_model import VideoModel
from farframe.run import RunConfig

CURVES = ("psnr", "ssim", "psnr_copy_last", "ssim_copy_last")


@dataclass(frozen=True)
class Validation:
    """A run's validation clips: always the same ones, spread over all that there are."""

    windows: ClipWindows
    indices: list[int]
    context: int
    horizon: int
    seed: int

    @staticmethod
    def open(source: ClipSource, config: RunConfig) -> Validation | None:
        """Choose the clips; None if the run doesn't evaluate.

        Raises:
            DataError: if there is no validation data of the length that is needed.
        """
        train, context = config.train, config.model.context_frames
        if train.evaluate_every == 0:
            return None
        length = context + train.evaluate_horizon
        try:
            parts = segments(source, config.data, "validation")
            windows = ClipWindows(source, parts, length, config.data.stride)
        except DataError as error:
            raise DataError(
                f"no clips to evaluate on: {error}; --train.evaluate-every 0 trains without "
                f"evaluation, --data.split time cuts every recording in time, and "
                f"--train.evaluate-horizon (now {train.evaluate_horizon}) sets the clips' length"
            ) from None
        indices = windows.spread(train.evaluate_clips)
        return Validation(windows, indices, context, train.evaluate_horizon, train.seed)

    def measure(self, model: VideoModel) -> Evaluation:
        """Curves over the horizon; always the same noise, and torch's random state untouched."""
        with self._apart(model):
            return evaluate_model(
                model,
                self.windows,
                indices=self.indices,
                context=self.context,
                horizon=self.horizon,
            )

    def film(self, model: VideoModel) -> tuple[UInt8[np.ndarray, "t h w 3"], float]:
        """The first clip as truth | prediction | mask | error, and its frames per second."""
        with self._apart(model):
            return film(model, self.windows, self.indices[0], self.context, self.horizon)

    @contextmanager
    def _apart(self, model: VideoModel) -> Generator[None, None, None]:
        """Draw from a random stream of its own, and compile nothing for shapes seen only here."""
        devices = [model.device] if model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.compiler.set_stance("force_eager"):
            torch.manual_seed(self.seed)
            yield


def scalars(evaluation: Evaluation) -> dict[str, float]:
    """Means over the horizon by the names that logs give them."""
    return {f"val/{name}": float(getattr(evaluation, name).mean()) for name in CURVES}


def curves(evaluation: Evaluation) -> dict[str, list[float]]:
    """Curves over the horizon, rounded for ``metrics.jsonl``."""
    return {
        f"curve/{name}": [round(float(v), 4) for v in getattr(evaluation, name)] for name in CURVES
    }
