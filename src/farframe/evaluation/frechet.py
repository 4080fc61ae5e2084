"""The Frechet distance of two sets of features: how far apart their Gaussians lie."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Mean and scatter of features seen so far, in float64 on the CPU; nothing else is kept."""

    count: int
    mean: Float64[Tensor, " f"]
    scatter: Float64[Tensor, "f f"]
    """Sum of the outer products of deviations from the mean."""

    @staticmethod
    def of(features: Float[Tensor, "n f"]) -> Moments:
        """Of these features."""
        x = features.double().cpu()
        mean = x.mean(0)
        away = x - mean
        return Moments(len(x), mean, away.T @ away)

    def merged(self, other: Moments) -> Moments:
        """Of both sets (Chan et al.: no difference of large sums is ever taken)."""
        count = self.count + other.count
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.count / count)
        between = torch.outer(apart, apart) * (self.count * other.count / count)
        return Moments(count, mean, self.scatter + other.scatter + between)

    @property
    def covariance(self) -> Float64[Tensor, "f f"]:
        """With n - 1 below, as in the published computations."""
        return self.scatter / (self.count - 1)


def frechet_distance(a: Moments, b: Moments) -> float:
    """``|m - m'|^2 + tr(S + S' - 2 (S S')^(1/2))``.

    The trace of the root is taken from the eigenvalues of the symmetric ``S^(1/2) S' S^(1/2)``,
    which are those of ``S S'``: no complex numbers, and singular covariances do no harm.
    """
    first, second = a.covariance, b.covariance
    values, vectors = torch.linalg.eigh(first)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    product = root @ second @ root
    shared = torch.linalg.eigvalsh((product + product.T) / 2).clamp_min(0).sqrt().sum()
    apart = (a.mean - b.mean).square().sum()
    return max(0.0, float(apart + first.trace() + second.trace() - 2 * shared))
