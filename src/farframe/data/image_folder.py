"""A folder of images as one clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from farframe.data.files import IMAGE_SUFFIXES
from farframe.data.image_files import pictures_in, pixels_of
from farframe.data.part import check_part, clip_of, crop_of, part_of
from farframe.data.source import DataError
from farframe.data.square import View
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
    files = [path / entry.name for entry in pictures_in(path)]
    if not files:
        raise DataError(f"{path} holds no images: looked for {' '.join(sorted(IMAGE_SUFFIXES))}")
    view, frames, size = View(shape, frame_size), list[UInt8[np.ndarray, "3 s s"]](), (0, 0)
    chosen = part_of(f"{path}", len(files), start, count, "", partial)
    for number in chosen:
        pixels = pixels_of(files[number])
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
