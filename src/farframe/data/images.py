"""JPEG and PNG bytes to RGB pixels, to the bit as TensorFlow's ``decode_image`` makes them.

TensorFlow decodes JPEG with libjpeg's fast integer transform and its smooth ("fancy") chroma
upsampling. Pillow offers the two only in the other combinations; its default is off by 1.2 levels
on average. So Pillow does the fast transform here and leaves chroma plain (its draft mode), and
the upsampling and libjpeg's integer colour conversion follow in NumPy, for all frames at once.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Int, Int16, UInt8
from PIL import Image

MAX_PIXELS = 1 << 23
"""Largest image that is decoded, about 4K. A few hostile bytes can claim gigapixels."""

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
"""What the bytes of the two formats start with."""

_TOGETHER = 1 << 22  # numbers in a batch of images; bounds memory when they are large
_SMOOTH = ((2, 2), (2, 1), (1, 2))  # luma per chroma sample, across and down, that libjpeg smooths


class ImageError(ValueError):
    """One of several images can't be decoded; ``position`` tells which."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position


def decode_images(
    encoded: Iterable[bytes | memoryview],
) -> Iterator[UInt8[np.ndarray, "_ _ 3"]]:
    """Decode images of any sizes, in order. Grey is repeated to RGB, an alpha channel is dropped.

    Raises:
        ImageError: if one is broken, neither JPEG nor PNG, or larger than ``MAX_PIXELS``.
    """
    batch: list[tuple[UInt8[np.ndarray, "_ _ 3"], tuple[int, int]]] = []
    waiting = 0
    for i, data in enumerate(encoded):
        try:
            batch.append(_decode(data))
        # Pillow's decoders meet hostile bytes with a dozen kinds of exceptions.
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ImageError(i, reason[:200]) from error
        waiting += batch[-1][0].size
        if waiting > _TOGETHER:
            yield from _smoothed(batch)
            batch, waiting = [], 0
    yield from _smoothed(batch)


def _decode(data: bytes | memoryview) -> tuple[UInt8[np.ndarray, "h w 3"], tuple[int, int]]:
    """Pixels and chroma sampling: RGB and (1, 1), or raw YCbCr whose chroma must be smoothed."""
    image: Any = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(
            f"{image.width}x{image.height} pixels are more than the {MAX_PIXELS} allowed"
        )
    sampling = (1, 1)
    if image.format == "JPEG":
        sampling = _sampling(image)
        if sampling in _SMOOTH:
            image.draft("YCbCr", image.size)
        image.decoderconfig = (1, 1)  # scale 1, draft: fast transform, chroma repeated
    if image.mode.startswith("I"):  # 16-bit grey: the upper byte, as TensorFlow
        pixels = (np.asarray(image).astype(np.int64) >> 8).astype(np.uint8)[..., None].repeat(3, 2)
    elif image.mode in ("P", "PA"):  # by way of RGBA: Pillow complains about transparency otherwise
        pixels = np.asarray(image.convert("RGBA"))[..., :3]
    elif sampling in _SMOOTH:
        pixels = np.asarray(image)
    elif image.mode in ("RGBA", "LA"):
        pixels = np.asarray(image.convert("RGBA"))[..., :3]
    else:
        pixels = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    return pixels, sampling


def _sampling(image: Any) -> tuple[int, int]:
    """How many luma samples there are per chroma sample (across, down) of a YCbCr JPEG, else 1, 1.

    libjpeg's rule: three components are YCbCr unless an Adobe marker or their names say RGB.
    """
    layers: list[tuple[int, int, int, int]] = image.layer
    if len(layers) != 3 or layers[1][1:3] != (1, 1) or layers[2][1:3] != (1, 1):
        return 1, 1
    names = bytes(layer[0] for layer in layers)
    if "jfif" not in image.info:
        rgb = image.info.get("adobe_transform") == 0 if "adobe" in image.info else names == b"RGB"
        if rgb:
            return 1, 1
    across, down = layers[0][1:3]
    # libjpeg repeats chroma of the narrowest images instead of smoothing it.
    return (across, down) if across == 1 or image.width > 4 else (1, 1)


def _smoothed(
    batch: Sequence[tuple[UInt8[np.ndarray, "_ _ 3"], tuple[int, int]]],
) -> list[UInt8[np.ndarray, "_ _ 3"]]:
    """RGB of a batch: images of one size and one sampling are finished in one go."""
    groups: defaultdict[tuple[tuple[int, ...], tuple[int, int]], list[int]] = defaultdict(list)
    for i, (pixels, sampling) in enumerate(batch):
        if sampling in _SMOOTH:
            groups[pixels.shape, sampling].append(i)
    out = [pixels for pixels, _ in batch]
    for (_, sampling), members in groups.items():
        for i, pixels in zip(members, _finish([out[i] for i in members], *sampling), strict=True):
            out[i] = pixels
    return out


def _finish(
    frames: Sequence[UInt8[np.ndarray, "h w 3"]], across: int, down: int
) -> UInt8[np.ndarray, "t h w 3"]:
    """Raw YCbCr frames with repeated chroma -> RGB with smoothed chroma."""
    stack = np.stack(frames)
    height, width = stack.shape[1:3]
    chroma = np.stack([stack[:, ::down, ::across, c] for c in (1, 2)]).astype(np.int16)
    if across == 2 and down == 2:
        chroma = _double(_double(chroma, 2, 0, 0, 0), 3, 8, 7, 4)
    elif across == 2:
        chroma = _double(chroma, 3, 1, 2, 2)
    else:
        chroma = _double(chroma, 2, 1, 2, 2)
    cb, cr = chroma[:, :, :height, :width]
    red, green_b, green_r, blue = _colour_tables()
    # JFIF's YCbCr to RGB in libjpeg's 16-bit fixed point.
    green = (green_b.take(cb) + green_r.take(cr)) >> 16
    colours = (red.take(cr), green.astype(np.int16), blue.take(cb))
    luma = stack[..., 0].astype(np.int16)
    out = np.empty_like(stack)
    for channel, colour in enumerate(colours):
        out[..., channel] = np.clip(luma + colour, 0, 255)
    return out


def _double(
    x: Int16[np.ndarray, "2 t h w"], axis: int, add_even: int, add_odd: int, shift: int
) -> Int16[np.ndarray, "2 t h2 w2"]:
    """Libjpeg's triangle filter: each sample becomes two, 3 parts itself and 1 part a neighbour."""
    shape = list(x.shape)
    shape[axis] *= 2
    out = np.empty(shape, np.int16)
    # Views with the axis first; memory keeps its order.
    old, new = np.moveaxis(x, axis, 0), np.moveaxis(out, axis, 0)
    before, after = np.concatenate((old[:1], old[:-1])), np.concatenate((old[1:], old[-1:]))
    three = 3 * old
    np.right_shift(three + before + np.int16(add_even), shift, out=new[0::2])
    np.right_shift(three + after + np.int16(add_odd), shift, out=new[1::2])
    return out


@lru_cache(maxsize=1)
def _colour_tables() -> tuple[Int[np.ndarray, " n"], ...]:
    """What 256 values of Cr add to red, of Cb and Cr to green, of Cb to blue (jdcolor.c)."""
    x, half = np.arange(256, dtype=np.int32) - 128, 1 << 15
    red, blue = ((factor * x + half) >> 16 for factor in (91881, 116130))  # 1.402, 1.772
    # Green's two parts are added before they are shifted: 0.34414 and 0.71414.
    return red.astype(np.int16), -22554 * x, -46802 * x + half, blue.astype(np.int16)
