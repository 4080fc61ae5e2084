"""TensorFlow 1's bicubic resize, bit for bit what the original fed its networks.

``tf.image.resize_images(..., method=BICUBIC)`` of TensorFlow 1: no half-pixel centres
(``align_corners=False``), no antialiasing, Keys' cubic with A = -0.75, weights looked up in a
table of 1024 steps, indices clamped at the edges. Pillow and torch differ in all four.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float32, Int64, Shaped, UInt8

_A = -0.75
_STEPS = 1024  # kTableSize of TensorFlow's resize_bicubic_op


def resize_bicubic(image: UInt8[np.ndarray, "h w c"], size: int) -> Float32[np.ndarray, "s s c"]:
    """``image`` squeezed to a square of ``size`` pixels; the cubic may leave [0, 255]."""
    tall = _blend(image, size)  # TensorFlow's order: rows first, then columns
    return _blend(tall.transpose(1, 0, 2), size).transpose(1, 0, 2)


def resized(image: UInt8[np.ndarray, "h w c"], size: int) -> UInt8[np.ndarray, "s s c"]:
    """``resize_bicubic`` clipped to [0, 255] and rounded; images of that size come back as is."""
    if image.shape[:2] == (size, size):
        return image
    return np.rint(np.clip(resize_bicubic(image, size), 0, 255)).astype(np.uint8)


def _blend(image: Shaped[np.ndarray, "h w c"], size: int) -> Float32[np.ndarray, "s w c"]:
    """Blend four rows of ``image`` for each of ``size`` new ones."""
    rows, weights = _taps(image.shape[0], size)
    four = image.reshape(len(image), -1)[rows].astype(np.float32)  # s 4 (w c)
    return (weights[:, None] @ four).reshape(size, *image.shape[1:])


@lru_cache(maxsize=64)
def _taps(given: int, wanted: int) -> tuple[Int64[np.ndarray, "s 4"], Float32[np.ndarray, "s 4"]]:
    """Indices and weights of the four pixels that each output pixel blends along one axis."""
    place = np.float32(given) / np.float32(wanted) * np.arange(wanted, dtype=np.float32)
    first = np.floor(place).astype(np.int64)
    step = np.rint((place - first.astype(np.float32)) * np.float32(_STEPS)).astype(np.int64)
    near, far = _table()
    weights = np.stack((far[step], near[step], near[_STEPS - step], far[_STEPS - step]), 1)
    indices = np.clip(first[:, None] + np.arange(-1, 3), 0, given - 1)
    return indices, weights


@lru_cache(maxsize=1)
def _table() -> tuple[Float32[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
    """Keys' cubic at distances 0..1 and 1..2, ``_STEPS + 1`` values each."""
    x = np.arange(_STEPS + 1, dtype=np.float64) / _STEPS
    near = ((_A + 2) * x - (_A + 3)) * x * x + 1
    x += 1
    far = ((_A * x - 5 * _A) * x + 8 * _A) * x - 4 * _A
    return near.astype(np.float32), far.astype(np.float32)
