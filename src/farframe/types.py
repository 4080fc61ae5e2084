"""The records that travel through farframe, each named once.

Axis letters, used in every annotation and docstring of the package:

====== ==========================================================
``b``  clips of a batch
``t``  frames of a clip (``n``: any number of frames, in any order)
``c``  colour channels (3, RGB)
``h``  height in pixels, ``w`` width in pixels (always square here)
``e``  numbers of an encoding
``a``  numbers of an action
``p``  numbers of a pose
====== ==========================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Shaped, UInt8

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Some consecutive frames of one recording, decoded and resized, on the CPU.

    ``actions`` and ``poses`` have width 0 where the data has none. ``labels`` holds ground truth
    that only generated worlds know: arrays whose first axis is ``t``.
    """

    frames: UInt8[np.ndarray, "t c h w"]
    actions: Float[np.ndarray, "t a"]
    poses: Float[np.ndarray, "t p"]
    fps: float
    id: str
    labels: Mapping[str, Shaped[np.ndarray, "t ..."]] = field(default_factory=dict[str, np.ndarray])

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Clips of equal length, stacked. ``frames`` stay uint8 until they are on the device."""

    frames: Shaped[Tensor, "b t c h w"]
    actions: Float[Tensor, "b t a"]
    poses: Float[Tensor, "b t p"]
    ids: tuple[str, ...]

    def images(self) -> Float[Tensor, "b t c h w"]:
        """Frames as float32 in [0, 1] (float frames are passed through untouched)."""
        if self.frames.is_floating_point():
            return self.frames
        return self.frames.float().div_(255.0)

    def to(self, device: torch.device) -> Batch:
        """The same batch on ``device``; the copy overlaps with compute where memory is pinned."""
        moved: dict[str, Any] = {
            name: getattr(self, name).to(device, non_blocking=True) for name in _TENSORS
        }
        return replace(self, **moved)

    def parts(self, size: int) -> list[Batch]:
        """This batch as batches of at most ``size`` clips, as equal as can be."""
        clips, count = len(self.ids), -(-len(self.ids) // size)
        parts: list[Batch] = []
        for first, last in pairwise(clips * i // count for i in range(count + 1)):
            some: dict[str, Any] = {n: getattr(self, n)[first:last] for n in _TENSORS}
            parts.append(replace(self, ids=self.ids[first:last], **some))
        return parts

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory, so that copies to a GPU are asynchronous."""
        return replace(self, **{name: getattr(self, name).pin_memory() for name in _TENSORS})


_TENSORS = tuple(f.name for f in fields(Batch) if f.name != "ids")


@dataclass(frozen=True)
class PredictorState:
    """Recurrent state of the predictor as a value: feed it back in to go on.

    ``memory[n]`` and ``output[n]`` are cell n's (the paper's c and m); ``back`` is what cell 0
    reads of the step before (a learned vector before the first step); ``last`` is the newest
    predicted encoding, which the next step reads when no true encoding is given, and ``read`` the
    one that the newest step read (both None before the first step).
    """

    memory: Float[Tensor, "n b u"]
    output: Float[Tensor, "n b u"]
    back: Float[Tensor, "b v"]
    last: Float[Tensor, "b e"] | None = None
    read: Float[Tensor, "b e"] | None = None


@dataclass(frozen=True)
class Rollout:
    """Predicted encodings; ``enc_pred[:, t]`` predicts frame ``t + 1``."""

    enc_pred: Float[Tensor, "b t e"]
    state: PredictorState


@dataclass(frozen=True)
class Anchor:
    """All that decoding needs of a given frame, in the paper the first, computed once a clip.

    ``frame`` is that frame itself, ``analogy`` the share of the analogy network's joint
    convolution that ``f_img(frame) - f_enc(enc)`` contributes; h8 is an eighth of h. ``places`` is
    where the decoder's k parts are in it (None without parts).
    """

    frame: Float[Tensor, "b c h w"]
    analogy: Float[Tensor, "b f h8 w8"]
    places: Float[Tensor, "b k 3"] | None = None

    def repeat(self, times: int) -> Anchor:
        """Each clip's anchor ``times`` times in a row, for as many futures of each."""
        return Anchor(
            frame=self.frame.repeat_interleave(times, 0),
            analogy=self.analogy.repeat_interleave(times, 0),
            places=None if self.places is None else self.places.repeat_interleave(times, 0),
        )


@dataclass(frozen=True)
class Decoded:
    """Drawn frames (not clamped), their blending masks in [0, 1], and the decoder's features.

    ``features`` is ``(L2, L4)``, the two maps of ``f_enc`` that the discriminator sees.
    """

    frames: Float[Tensor, "b n c h w"]
    masks: Float[Tensor, "b n 1 h w"]
    features: tuple[Float[Tensor, "b n f2 h8 w8"], Float[Tensor, "b n f4 h8 w8"]]


@dataclass(frozen=True)
class Prediction:
    """What ``HierarchicalModel.predict`` returns, on the model's device.

    ``times[i]`` is the number of frame ``i`` after the context, counted from 1: 1 is the first
    predicted frame. ``frames`` are clamped to [0, 1]. ``enc_pred`` has every step of the horizon,
    decoded or not. With several samples the batch axis is ``(clip, sample)`` flattened.
    """

    frames: Float[Tensor, "b n c h w"]
    masks: Float[Tensor, "b n 1 h w"]
    enc_pred: Float[Tensor, "b t e"]
    times: tuple[int, ...]

    def clip(self, number: int) -> Prediction:
        """The part of one clip (of one sample), as a batch of one."""
        row = slice(number, number + 1)
        return Prediction(self.frames[row], self.masks[row], self.enc_pred[row], self.times)
