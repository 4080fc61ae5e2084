"""FVD, the Frechet video distance: how unlike true clips a set of predicted ones looks.

This is the FVD of Unterthiner et al. 2018, as their code computes it: frames rounded to 8 bits,
resized to 224x224 by TensorFlow 1's bilinear ``resize_bilinear`` and scaled to [-1, 1]; the
time-averaged 400 logits of DeepMind's I3D, trained on Kinetics-400; covariances with n - 1. The
predicted frames alone are compared, without the context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from farframe.evaluation.frechet import Moments, frechet_distance
from farframe.evaluation.frozen import exact
from farframe.evaluation.i3d import I3D, LEAST_FRAMES, SIZE

LEAST_CLIPS = 64
MOST_FRAMES = 128  # of a piece: about 8 GB of activations


def pieces(horizon: int, frames: int) -> tuple[range, ...]:
    """The predicted frames, counted from 0, that each FVD compares: ``frames`` at a time.

    ``frames`` = 0 is the whole horizon in one. What is left over at the end is not compared.

    Raises:
        ValueError: if a piece is too short for I3D, or too long for memory.
    """
    size = frames or horizon
    if size > horizon or size < LEAST_FRAMES:
        raise ValueError(
            f"FVD of {size} frames with a horizon of {horizon}: I3D needs {LEAST_FRAMES} frames or "
            f"more, and no more than the horizon has; set --horizon or --fvd-frames"
        )
    if size > MOST_FRAMES:
        raise ValueError(
            f"FVD of {size} frames at once: give --fvd-frames 16 (at most {MOST_FRAMES}), and the "
            "horizon is compared in pieces of that length"
        )
    return tuple(range(k, k + size) for k in range(0, horizon - size + 1, size))


def check_clips(count: int) -> None:
    """Refuse a number of clips from which no FVD should be quoted.

    Raises:
        ValueError: below ``LEAST_CLIPS``.
    """
    if count < LEAST_CLIPS:
        raise ValueError(
            f"FVD of {count} clips would be a number about the sample, not about the model: give "
            f"--clips {LEAST_CLIPS} or more (256 is usual), or leave out fvd"
        )


@dataclass
class FVD:
    """Features of true clips and of several ways of predicting them, as they come in."""

    network: I3D
    pieces: Sequence[range]
    batch_size: int = 4
    seen: dict[tuple[str, int], Moments] = field(default_factory=dict[tuple[str, int], Moments])

    def add(self, name: str, frames: Float[Tensor, "b t c h w"]) -> None:
        """Take in the predicted frames of some clips; ``truth`` is the name of the true ones."""
        for number, piece in enumerate(self.pieces):
            part = frames[:, piece.start : piece.stop]
            features = [self.network(prepared(p)).cpu() for p in part.split(self.batch_size)]
            new = Moments.of(torch.cat(features))
            old = self.seen.get((name, number))
            self.seen[name, number] = new if old is None else old.merged(new)

    def distances(self, name: str) -> list[float]:
        """FVD of each piece.

        Raises:
            ValueError: if too few clips were seen.
        """
        check_clips(self.seen["truth", 0].count)
        return [
            frechet_distance(self.seen["truth", n], self.seen[name, n])
            for n in range(len(self.pieces))
        ]


def prepared(frames: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b c t s s"]:
    """Frames in [0, 1] as I3D wants them."""
    with exact(frames.device):
        levels = (frames.float().clamp(0, 1) * 255).round()
        rows, columns = (_bilinear(n, SIZE).to(frames.device) for n in frames.shape[-2:])
        large = rows @ levels @ columns.T
        return (2 * large / 255 - 1).transpose(1, 2)


@lru_cache(maxsize=4)
def _bilinear(n: int, size: int) -> Float[Tensor, "s n"]:
    """TensorFlow 1's bilinear resize as a matrix: pixel k of ``size`` is read at k n / size."""
    place = torch.arange(size, dtype=torch.float64) * (n / size)
    low = place.floor().long()
    high = (low + 1).clamp_max(n - 1)
    share = place - low
    matrix = torch.zeros(size, n, dtype=torch.float64)
    at = torch.arange(size)
    matrix[at, low] += 1 - share
    matrix[at, high] += share
    return matrix.float()
