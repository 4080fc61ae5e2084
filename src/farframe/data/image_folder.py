"""A folder of images as one clip."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from farframe.data.files import IMAGE_SUFFIXES, is_image, is_regular
from farframe.data.part import check_part, clip_of, crop_of, part_of
from farframe.data.source import DataError
from farframe.data.square import View, over_white
from farframe.data.video_reader import MAX_PIXELS
from farframe.types import Clip


def read_frames_folder(
    path: Path,
    *,
    frame_size: int,
    fps: float = 0.0,
    crop: str = "center",
    start: int = 0,
    count: int | None = None,
    partial: bool = False,
) -> Clip:
    """The images of a folder in natural order (img2 before img10), one a frame, all of one size.

    Cropped and resized as videos are; transparency is laid over white, EXIF orientation is
    honoured. Images hold no rate: ``fps`` is what the clip is said to have (0: unknown).
    ``start``, ``count`` and ``partial`` are as for ``read_video``.

    Raises:
        DataError: one line for whatever is wrong with the folder or the wish.
    """
    shape = crop_of(crop)
    check_part(fps, start, count)
    if not path.is_dir():
        raise DataError(
            f"{path} is no folder: name one with images"
            if path.exists()
            else f"{path} does not exist"
        )
    files = _images(path)
    if not files:
        raise DataError(f"{path} holds no images: looked for {' '.join(sorted(IMAGE_SUFFIXES))}")
    view, frames, size = View(shape, frame_size), list[UInt8[np.ndarray, "3 s s"]](), (0, 0)
    chosen = part_of(f"{path}", len(files), start, count, "", partial)
    for number in chosen:
        pixels = _pixels(files[number])
        height, width = pixels.shape[:2]
        if not frames:
            size = width, height
            if complaint := view.complaint(width, height):
                raise DataError(f"{files[number]}: {complaint}")
        elif (width, height) != size:
            raise DataError(
                f"{files[number]} is {width}x{height}, {files[start].name} is {size[0]}x{size[1]}: "
                "all images of a folder must have one size"
            )
        frames.append(view.square(pixels, width, height))
    return clip_of(frames, fps, path.name)


def _images(path: Path) -> list[Path]:
    try:
        found = [file for file in path.iterdir() if _is_image(file)]
    except OSError as error:
        raise DataError(f"{path} can't be listed: {error.strerror}") from error
    return sorted(found, key=lambda file: natural(file.name))


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sorting key by which img2 comes before img10."""
    parts = re.split(r"([0-9]+)", name.lower())
    return [(0, int(p), "") if p.isdigit() and p.isascii() else (1, 0, p) for p in parts], name


def _is_image(path: Path) -> bool:
    return is_image(path) and not path.name.startswith(".") and is_regular(path)


def _pixels(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    try:
        with warnings.catch_warnings():
            # Pillow warns of huge pictures; ours are refused by the rule below.
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(f"{path} is too large: {image.width}x{image.height}")
                upright = ImageOps.exif_transpose(image)
                if upright.mode.startswith(("I", "F")):  # 16 bits; Pillow would cut, not scale
                    grey = np.asarray(upright).astype(np.float64) / 257
                    upright = Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8))
                if "A" in upright.getbands() or "transparency" in upright.info:
                    return over_white(np.asarray(upright.convert("RGBA")))
                return np.asarray(upright.convert("RGB"))
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
