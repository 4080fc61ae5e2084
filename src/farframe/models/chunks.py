"""Training networks on some frames at a time: for a CPU's memory, or to hold few activations.

Tensors of more than 32 MB come from the system, which clears their pages anew each time: drawing
many frames could take up to twice as long. Where memory is short, a network may also forget
what is between; when gradients are taken, those frames are computed once more. That costs a second
forward pass. (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from farframe.config import ModelConfig
from farframe.models.decoder import Decoder, joined
from farframe.types import Anchor, Decoded

SMALL = 24 << 20  # bytes of the largest maps


class Chunks(NamedTuple):
    """How many frames go through a network at a time (0: all), and what is kept of them."""

    size: int = 0
    again: bool = False
    """Hold no activations: compute them again when gradients are taken."""


ALL = Chunks()


def small_enough(config: ModelConfig) -> int:
    """Frames whose largest maps, at full resolution, take no more than ``SMALL``."""
    channels = config.width + 4 * config.decoder_parts
    return max(1, SMALL // (4 * channels * config.frame_size**2))


def in_chunks(
    function: Callable[[Tensor], Tensor], frames: Float[Tensor, "n ..."], chunks: Chunks
) -> Float[Tensor, "n ..."]:
    """``function`` of ``frames``, some at a time.

    It must treat every frame by itself, and draw no random numbers.
    """
    if not 0 < chunks.size < len(frames):
        return function(frames)
    return torch.cat([_apply(function, chunks, part) for part in frames.split(chunks.size)])


def decode_in_chunks(
    decoder: Decoder, anchor: Anchor, enc: Float[Tensor, "b n e"], chunks: Chunks
) -> Decoded:
    """Draw ``n`` encodings of each clip, some of them at a time (``chunks.size`` of each clip).

    Dropout is that of drawing all of them at once.
    """
    b, n = enc.shape[:2]
    size = chunks.size
    if not 0 < size < n or not torch.is_grad_enabled():
        return decoder(anchor, enc)
    kept = [x.unflatten(0, (b, n)) for x in decoder.drawer.draw_kept(b * n, enc.device)]
    drawn: list[Decoded] = [
        _apply(decoder, chunks, anchor, part, [x[:, i * size :][:, :size] for x in kept])
        for i, part in enumerate(enc.split(size, 1))
    ]
    return joined(drawn)


def _apply(function: Callable[..., Any], chunks: Chunks, *given: object) -> Any:
    """``function`` of what is given.

    It draws no noise (dropout's is among what is given), and so no random state is kept.
    """
    if not chunks.again or not torch.is_grad_enabled():
        return function(*given)
    return checkpoint(function, *given, use_reentrant=False, preserve_rng_state=False)
