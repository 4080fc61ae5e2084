"""JPEG and PNG bytes to RGB pixels, to the bit as TensorFlow's ``decode_image`` makes them.

TensorFlow decodes JPEG with libjpeg's fast integer transform and its smooth ("fancy") chroma
upsampling. simplejpeg (libjpeg-turbo) offers that combination, Pillow doesn't: its default is off
by 1.2 levels on average.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import Image

MAX_PIXELS = 1 << 23
"""Largest image that is decoded, about 4K. A few hostile bytes can claim gigapixels."""

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
"""What the bytes of the two formats start with."""


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
    for i, data in enumerate(encoded):
        try:
            pixels = _jpeg(data) if data[:3] == JPEG else _png(data)
        # The decoders meet hostile bytes with a dozen kinds of exceptions.
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ImageError(i, reason[:200]) from error
        yield pixels


def _jpeg(data: bytes | memoryview) -> UInt8[np.ndarray, "h w 3"]:
    height, width = simplejpeg.decode_jpeg_header(data)[:2]
    _check_size(int(width), int(height))
    return simplejpeg.decode_jpeg(data, "RGB", fastdct=True, fastupsample=False)


def _png(data: bytes | memoryview) -> UInt8[np.ndarray, "h w 3"]:
    image: Any = Image.open(io.BytesIO(data), formats=("PNG",))
    _check_size(image.width, image.height)
    if image.mode.startswith("I"):  # 16-bit grey: the upper byte, as TensorFlow
        return (np.asarray(image).astype(np.int64) >> 8).astype(np.uint8)[..., None].repeat(3, 2)
    if image.mode in ("P", "PA", "RGBA", "LA"):  # Pillow complains about transparency otherwise
        return np.asarray(image.convert("RGBA"))[..., :3]
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width}x{height} pixels are more than the {MAX_PIXELS} allowed")
