"""How near predicted frames are to true ones: one number for every frame.

Every metric takes frames in [0, 1] and returns its curve over time, so that means over clips,
horizons or samples are taken by whoever asks, in one place. All run on the frames' own device,
without waiting for it, in float32 whatever autocast or TF32 settings surround them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

PSNR_CAP = 100.0
"""PSNR of identical frames in dB: that of a mean squared error of 1e-10."""

_SIGMA = 1.5
_RADIUS = 5  # scikit-image's int(truncate * sigma + 0.5) with truncate = 3.5
_C1, _C2 = 0.01**2, 0.03**2  # (K1 * range)^2 and (K2 * range)^2 of Wang et al., range 1


def mse(
    pred: Float[Tensor, "b t c h w"], truth: Float[Tensor, "b t c h w"]
) -> Float[Tensor, "b t"]:
    """Mean squared error of each frame."""
    same_frames(pred, truth)
    return (pred.float() - truth.float()).square().mean((2, 3, 4))


def mae(
    pred: Float[Tensor, "b t c h w"], truth: Float[Tensor, "b t c h w"]
) -> Float[Tensor, "b t"]:
    """Mean absolute error of each frame."""
    same_frames(pred, truth)
    return (pred.float() - truth.float()).abs().mean((2, 3, 4))


def psnr(
    pred: Float[Tensor, "b t c h w"], truth: Float[Tensor, "b t c h w"]
) -> Float[Tensor, "b t"]:
    """Peak signal-to-noise ratio of each frame in dB, data range 1, at most ``PSNR_CAP``.

    The error is averaged over channels and pixels before the logarithm. The cap keeps the mean
    over frames finite when a frame is reproduced exactly.
    """
    return -10 * torch.log10(mse(pred, truth).clamp_min(10 ** (-PSNR_CAP / 10)))


def ssim(
    pred: Float[Tensor, "b t c h w"], truth: Float[Tensor, "b t c h w"]
) -> Float[Tensor, "b t"]:
    """Structural similarity of each frame in [-1, 1], averaged over channels and pixels.

    Wang et al. 2004 with the 11x11 Gaussian window of sigma 1.5; equal to scikit-image's
    ``structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    data_range=1, channel_axis=...)``, which also leaves out the 5 pixels next to the edge.

    Raises:
        ValueError: if frames are smaller than the window.
    """
    same_frames(pred, truth)
    if min(pred.shape[-2:]) <= 2 * _RADIUS:
        raise ValueError(
            f"frames are {pred.shape[-2]}x{pred.shape[-1]}: SSIM needs at least "
            f"{2 * _RADIUS + 1}x{2 * _RADIUS + 1} pixels"
        )
    x, y = pred.float(), truth.float()
    mean_x, mean_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mean_x * mean_x
    var_y = _blur(y * y) - mean_y * mean_y
    cov = _blur(x * y) - mean_x * mean_y
    top = (2 * mean_x * mean_y + _C1) * (2 * cov + _C2)
    bottom = (mean_x * mean_x + mean_y * mean_y + _C1) * (var_x + var_y + _C2)
    return (top / bottom).mean((2, 3, 4))


def sharpness(
    pred: Float[Tensor, "b t c h w"], truth: Float[Tensor, "b t c h w"]
) -> Float[Tensor, "b t"]:
    """Gradient energy of the prediction as a share of the truth's: 1 is as sharp, 0 without edges.

    The energy is the mean over RGB of the mean squared difference of neighbours, across plus down;
    1e-6 is added to both. It looks at neither place nor content: noise is sharp, too.
    """
    same_frames(pred, truth)
    return (_energy(pred) + 1e-6) / (_energy(truth) + 1e-6)


def _energy(x: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t"]:
    across, down = (x.float().diff(dim=axis).square().mean((2, 3, 4)) for axis in (4, 3))
    return across + down


def _blur(x: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t c h2 w2"]:
    """Gaussian mean around every pixel whose window lies inside of the frame.

    Sums of shifted copies instead of a convolution: cuDNN would round to TF32, and the variances
    above are small differences of large numbers (SSIM of smooth pictures was off by up to 0.1).
    """
    weights = [math.exp(-0.5 * (k / _SIGMA) ** 2) for k in range(-_RADIUS, _RADIUS + 1)]
    total = sum(weights)
    for axis in (3, 4):
        size = x.shape[axis] - 2 * _RADIUS
        out = torch.zeros_like(x.narrow(axis, 0, size))
        for k, weight in enumerate(weights):
            out.add_(x.narrow(axis, k, size), alpha=weight / total)
        x = out
    return x


def same_frames(pred: Tensor, truth: Tensor) -> None:
    """Refuse what would give a wrong number in silence: broadcasting, and frames of 0 to 255."""
    if pred.shape != truth.shape:
        raise ValueError(
            f"prediction {tuple(pred.shape)} and truth {tuple(truth.shape)} differ in shape: "
            "compare the same frames of the same clips"
        )
    if not (pred.is_floating_point() and truth.is_floating_point()):
        raise ValueError(
            f"prediction is {pred.dtype} and truth {truth.dtype}: both must be float in [0, 1]"
        )


METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "psnr": psnr,
    "ssim": ssim,
    "mse": mse,
    "mae": mae,
    "sharpness": sharpness,
}
"""Metrics by name, as ``evaluate`` reports them."""
