"""Turning the colours of clips: the original's ``color_data_augment``.

A hue is turned as TensorFlow's ``random_hue`` does it: in the hexcone of HSV, value and saturation
kept. Each clip of a batch is turned by its own angle, all of its frames alike.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

import torch
from jaxtyping import Float
from torch import Tensor

from farframe.types import Batch


def recoloured(batch: Batch, jitter: float, *, seed: int, first: int) -> Batch:
    """The batch with each clip turned by its own share of the colour circle, up to ``jitter``.

    ``first`` is the number of the batch's first clip in the whole training, counted over all
    processes: clip k is turned by an angle that depends on ``seed`` and k alone, so that a resumed
    training, or one on more processes, shows the same colours.
    """
    if jitter == 0:
        return batch
    shares = [_share(seed, first + i) * 2 - 1 for i in range(len(batch.ids))]
    turns = torch.tensor(shares, device=batch.frames.device) * jitter
    return replace(batch, frames=turned(batch.images(), turns))


def turned(
    frames: Float[Tensor, "b t c h w"], turns: Float[Tensor, " b"]
) -> Float[Tensor, "b t c h w"]:
    """Frames in [0, 1] whose hues are moved by ``turns`` of the colour circle (1: once around).

    A colour without hue (grey) stays what it is.
    """
    red, green, blue = frames.unbind(2)
    high, low = frames.amax(2), frames.amin(2)
    chroma = high - low
    safe = chroma.where(chroma > 0, 1)
    # Sixths of the circle, from red over green to blue: TensorFlow's order of asking where two tie.
    hue = torch.where(
        high == red,
        (green - blue) / safe,
        torch.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = (hue + 6 * turns[:, None, None, None]).remainder(6)
    ramps = ((hue - 3).abs() - 1, 2 - (hue - 2).abs(), 2 - (hue - 4).abs())
    return torch.stack([low + chroma * ramp.clamp(0, 1) for ramp in ramps], 2)


def _share(seed: int, number: int) -> float:
    """A uniform number in [0, 1) for clip ``number`` of the training."""
    digest = blake2b(f"hue/{seed}/{number}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53
