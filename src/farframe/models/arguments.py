"""What ``predict`` is given, checked: the same words for every model.

Each function raises a ValueError that names the argument and what is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from farframe.models.video_model import VideoConfig


def times_asked(horizon: int, every: int, at: Sequence[int] | None) -> tuple[int, ...]:
    """Numbers of the frames to draw, counted from 1 after the context."""
    if horizon < 1:
        raise ValueError(f"horizon is {horizon}: must be >= 1")
    if every < 1 or every > horizon:
        raise ValueError(f"every is {every}: must lie in 1 to {horizon}, the horizon")
    if at is None:
        return tuple(range(every, horizon + 1, every))
    if every != 1:
        raise ValueError("every and at exclude each other: give one of them")
    wrong = [t for t in at if not 1 <= t <= horizon]
    if wrong or not at:
        raise ValueError(f"at is {list(at)}: frames must lie in 1 to {horizon}, the horizon")
    return tuple(at)


def context_given(
    frames: object, config: VideoConfig, device: torch.device
) -> Float[Tensor, "b t c h w"]:
    """Given frames on the device, float in [0, 1]; one clip becomes a batch of one."""
    context = torch.as_tensor(frames)
    size, least = config.frame_size, config.context_frames
    if context.ndim == 4:
        context = context[None]
    if context.ndim != 5 or tuple(context.shape[2:]) != (3, size, size):
        raise ValueError(
            f"frames have shape {tuple(context.shape)}: must be (t, 3, {size}, {size}) or "
            f"(b, t, 3, {size}, {size})"
        )
    if context.shape[1] < least:
        raise ValueError(
            f"{context.shape[1]} context frames given: this model needs {least} or more"
        )
    if context.dtype == torch.uint8:
        return context.to(device).float() / 255
    if not context.is_floating_point():
        raise ValueError(f"frames are {context.dtype}: must be uint8, or float in [0, 1]")
    context = context.to(device, torch.float32)
    if not bool(((context >= 0) & (context <= 1)).all()):
        raise ValueError("float frames must lie in [0, 1]: divide frames of 0 to 255 by 255")
    return context


def actions_given(
    actions: object, context: Float[Tensor, "b t c h w"], horizon: int, dim: int
) -> Float[Tensor, "b s a"]:
    """An action of ``dim`` numbers for each step, on the context's device; none of width 0."""
    batch, steps = len(context), context.shape[1] + horizon - 1
    if actions is None:
        if dim:
            raise ValueError(
                f"this model was trained with actions of {dim} numbers: pass actions of shape "
                f"({steps} or more, {dim})"
            )
        return context.new_zeros(batch, steps, 0)
    given = torch.as_tensor(actions).to(context.device, torch.float32)
    if given.ndim == 2:
        given = given[None].expand(batch, -1, -1)
    shape = tuple(given.shape)
    if len(shape) != 3 or shape[0] != batch or shape[1] < steps or shape[2] != dim:
        raise ValueError(f"actions have shape {shape}: must be ({batch}, {steps} or more, {dim})")
    if not bool(given.isfinite().all()):
        raise ValueError("actions hold NaN or infinite numbers: replace them before predicting")
    return given


def check_samples(samples: int, config: VideoConfig, fields: str) -> None:
    """Only a stochastic model draws several futures; ``fields`` make it one."""
    if samples < 1 or (samples > 1 and not config.stochastic):
        raise ValueError(
            f"samples is {samples}: must be 1 for a deterministic model, >= 1 for one with "
            f"{fields} above 0"
        )
