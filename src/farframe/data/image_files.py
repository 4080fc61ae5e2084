"""Pictures in files: which of a folder, in which order, how large, and their pixels."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from farframe.data.files import is_image, natural
from farframe.data.source import DataError
from farframe.data.square import over_white
from farframe.data.video_reader import MAX_PIXELS

_TURNED = (5, 6, 7, 8)  # values of EXIF's orientation that swap width and height
_ORIENTATION = 0x0112


def pictures_in(folder: Path) -> list[os.DirEntry[str]]:
    """The pictures of a folder itself in natural order, hidden ones left out.

    Raises:
        DataError: if it can't be listed.
    """
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if _is_picture(entry)]
    except OSError as error:
        raise DataError(f"{folder} can't be listed: {error.strerror}") from error
    return sorted(found, key=lambda entry: natural(entry.name))


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of a picture that stands upright; only its header is read.

    Raises:
        DataError: if it has none, or it is larger than what is decoded.
    """
    with _opened(path) as image:
        turned = image.getexif().get(_ORIENTATION) in _TURNED
        return (image.height, image.width) if turned else image.size


def pixels_of(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """A picture, upright, transparency over white, 16 bits of grey cut to 8.

    Raises:
        DataError: if it can't be decoded.
    """
    with _opened(path) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith(("I", "F")):  # 16 bits; Pillow would cut, not scale
            grey = np.asarray(upright).astype(np.float64) / 257
            upright = Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8))
        if "A" in upright.getbands() or "transparency" in upright.info:
            return over_white(np.asarray(upright.convert("RGBA")))
        return np.asarray(upright.convert("RGB"))


@contextmanager
def _opened(path: Path) -> Generator[Image.Image]:
    try:
        with warnings.catch_warnings():
            # Pillow warns of huge pictures; ours are refused by the rule below.
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(f"{path} is too large: {image.width}x{image.height}")
                yield image
    except DataError:
        raise
    except (
        OSError,
        ValueError,
        SyntaxError,
        RuntimeError,
        ArithmeticError,
        LookupError,
        TypeError,
        MemoryError,
        Image.DecompressionBombError,
    ) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} can't be decoded ({text}): remove it or make it anew") from error


def _is_picture(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and is_image(Path(entry.name)) and entry.is_file()
