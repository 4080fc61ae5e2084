"""One clip from one place that a user names: part of a video, or a folder of images."""

from __future__ import annotations

import re
import warnings
from contextlib import closing
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from farframe.data.files import is_regular
from farframe.data.source import DataError
from farframe.data.square import Crop, View, over_white
from farframe.data.video_reader import MAX_PIXELS, packet_rate, scan
from farframe.data.video_seek import FrameReader
from farframe.data.video_track import VideoError
from farframe.types import Clip

IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm"))


def read_video(
    path: Path,
    *,
    frame_size: int,
    fps: float = 0.0,
    crop: str = "center",
    start: int = 0,
    count: int | None = None,
    partial: bool = False,
) -> Clip:
    """Frames ``start`` to ``start + count`` (None: to the end) of one video, of any suffix.

    A video that ends before that is refused, or with ``partial`` gives what it has.

    The same frames that ``VideoFolder`` gives for the same ``fps`` (0: the file's average rate)
    and ``crop``. Only as much of the file is decoded as is asked for.

    Raises:
        DataError: one line for whatever is wrong with the file or the wish.
    """
    shape = _crop(crop)
    _check_part(fps, start, count)
    if not is_regular(path):
        raise DataError(f"{path} is a folder: name a video" if path.is_dir() else _missing(path))
    try:
        rate = fps or (packet_rate(path) if count else 0.0)
        until = (start + count + 1) / rate if count and rate else float("inf")
        track = scan(path, until)
        rate, length = track.resampled(rate)
        wanted = _part(f"{path}", length, start, count, f" at {rate:g} frames a second", partial)
        view = View(shape, frame_size, track.aspect, track.turn)
        numbers = track.nearest(wanted, rate).tolist()
        with closing(FrameReader(path, track)) as reader:
            frames = list(reader.squares(numbers, view))
    except VideoError as error:
        raise DataError(f"{path}: {error}") from error
    return _clip(frames, rate, path.name)


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

    Raises:
        DataError: one line for whatever is wrong with the folder or the wish.
    """
    shape = _crop(crop)
    _check_part(fps, start, count)
    if not path.is_dir():
        raise DataError(
            f"{path} is no folder: name one with images" if path.exists() else _missing(path)
        )
    files = sorted((f for f in path.iterdir() if _is_image(f)), key=lambda f: natural(f.name))
    if not files:
        raise DataError(f"{path} holds no images: looked for {' '.join(sorted(IMAGE_SUFFIXES))}")
    view, frames, size = View(shape, frame_size), list[UInt8[np.ndarray, "3 s s"]](), (0, 0)
    chosen = _part(f"{path}", len(files), start, count, "", partial)
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
    return _clip(frames, fps, path.name)


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sorting key by which img2 comes before img10."""
    parts = re.split(r"([0-9]+)", name.lower())
    return [(0, int(p), "") if p.isdigit() and p.isascii() else (1, 0, p) for p in parts], name


def _is_image(path: Path) -> bool:
    named = path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    return named and is_regular(path)


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


def _crop(text: str) -> Crop:
    try:
        return Crop.parse(text)
    except ValueError as error:
        raise DataError(str(error)) from error


def _check_part(fps: float, start: int, count: int | None) -> None:
    if not 0 <= fps < float("inf"):
        raise DataError(f"fps is {fps}: must be 0 (the file's own rate) or above")
    if start < 0:
        raise DataError(f"start is {start}: must be 0 (the first frame) or above")
    if count is not None and count < 1:
        raise DataError(f"count is {count}: must be 1 or above, or None for all")


def _part(name: str, length: int, start: int, count: int | None, rate: str, partial: bool) -> range:
    stop = length if count is None else start + count
    if start >= length or (stop > length and not partial):
        wanted = f"from frame {start}" if count is None else f"frames {start} to {stop - 1}"
        raise DataError(f"{name} has {length} frames{rate}, numbered from 0: {wanted} can't be had")
    return range(start, min(stop, length))


def _missing(path: Path) -> str:
    return f"{path} does not exist"


def _clip(frames: list[UInt8[np.ndarray, "3 s s"]], fps: float, name: str) -> Clip:
    none = np.zeros((len(frames), 0), np.float32)
    return Clip(frames=np.stack(frames), actions=none, poses=none, fps=fps, id=name)
