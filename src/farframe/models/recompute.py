"""Activation checkpointing over time: training holds few frames' activations, and computes again.

Gradients need what every layer has read, of all frames at once. Here a network takes some frames
at a time and forgets what is in between; when gradients are taken, those frames are computed once
more. It costs a second forward pass. (Chen et al., "Training Deep Nets with Sublinear Memory
Cost", 2016.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from farframe.models.decoder import Decoder, joined
from farframe.types import Anchor, Decoded


def in_chunks(
    function: Callable[[Tensor], Tensor], frames: Float[Tensor, "n ..."], size: int
) -> Float[Tensor, "n ..."]:
    """``function`` of ``frames``, ``size`` of them held at a time (0: all).

    It must treat every frame by itself, and draw no random numbers.
    """
    if not 0 < size < len(frames) or not torch.is_grad_enabled():
        return function(frames)
    return torch.cat([_again(function, part) for part in frames.split(size)])


def decode_in_chunks(
    decoder: Decoder, anchor: Anchor, enc: Float[Tensor, "b n e"], size: int
) -> Decoded:
    """Draw ``n`` encodings of each clip, ``size`` of them held at a time (0: all).

    Dropout is that of drawing all of them at once.
    """
    b, n = enc.shape[:2]
    if not 0 < size < n or not torch.is_grad_enabled():
        return decoder(anchor, enc)
    kept = [x.unflatten(0, (b, n)) for x in decoder.drawer.draw_kept(b * n, enc.device)]
    drawn: list[Decoded] = [
        _again(decoder, anchor, part, [x[:, i * size :][:, :size] for x in kept])
        for i, part in enumerate(enc.split(size, 1))
    ]
    return joined(drawn)


def _again(function: Callable[..., Any], *given: object) -> Any:
    """``function`` of what is given, to be computed again when gradients are taken.

    It draws no noise (dropout's is among what is given), and so no random state is kept.
    """
    return checkpoint(function, *given, use_reentrant=False, preserve_rng_state=False)
