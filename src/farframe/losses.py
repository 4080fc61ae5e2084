"""Loss functions that several modes share (the original's, and what small machines need)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from farframe.models.cells import truncated_normal_

POSE_DIM = 12  # 7 joints of the arm, then its end: x, y, z, pitch, yaw
_JOINTS = 7


def mse(prediction: Float[Tensor, ...], target: Float[Tensor, ...]) -> Float[Tensor, ""]:
    """Mean squared error over all elements, in float32 also under autocast.

    Encodings and their predictions are half precision there: squares above 65504 would be infinite.
    """
    return (prediction.float() - target.float()).square().mean()


def l1(prediction: Float[Tensor, ...], target: Float[Tensor, ...]) -> Float[Tensor, ""]:
    """Mean absolute error over all elements (the original's ``enc_pred_use_l1_loss``)."""
    return (prediction.float() - target.float()).abs().mean()


def pose_error(
    predicted: Float[Tensor, "b t 12"], pose: Float[Tensor, "b t 12"]
) -> Float[Tensor, ""]:
    """Squared errors of joints and position, and how far the directions are apart.

    Directions are compared as quaternions, for which an angle of 2 pi is none: 1 - <q, q'>. In
    float32 also under autocast. (The original's pose loss.)
    """
    predicted, pose = predicted.float(), pose.float()
    end = slice(_JOINTS, _JOINTS + 3)
    turned = (_quaternion(predicted[..., -2:]) * _quaternion(pose[..., -2:])).sum(-1)
    return (
        mse(predicted[..., :_JOINTS], pose[..., :_JOINTS])
        + mse(predicted[..., end], pose[..., end])
        + (1 - turned).mean()
    )


def _quaternion(angles: Float[Tensor, "*b 2"]) -> Float[Tensor, "*b 4"]:
    """Unit quaternion of a pitch and a yaw in radians."""
    (sin_j, sin_k), (cos_j, cos_k) = (f(angles / 2).unbind(-1) for f in (torch.sin, torch.cos))
    return torch.stack((-sin_j * sin_k, sin_j * cos_k, cos_j * sin_k, cos_j * cos_k), -1)


def add_noise(x: Float[Tensor, ...], std: float) -> Float[Tensor, ...]:
    """``x`` plus truncated normal noise of ``std``; ``x`` itself for 0."""
    return x if std == 0 else x + truncated_normal_(torch.empty_like(x), 1.0) * std


def sigmoid_ramp(step: int, delay: float) -> float:
    """0 to 1 around step ``delay``, over a tenth of it (``enc_pred_loss_scale_delay``)."""
    delay = max(delay, 1.0)
    exponent = (step - delay) / (0.1 * delay)
    return 1 / (1 + math.exp(-exponent)) if exponent > -700 else 0.0


def scale_gradient(x: Float[Tensor, ...], share: float) -> Float[Tensor, ...]:
    """``x`` itself, through which only ``share`` of the gradient flows back."""
    return x * share + x.detach() * (1 - share)
