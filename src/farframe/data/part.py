"""The part of a video or of a folder of images that a user asks for, checked."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from farframe.data.source import DataError
from farframe.data.square import Crop
from farframe.types import Clip


def crop_of(text: str) -> Crop:
    """``Crop.parse``, with a DataError for mistakes."""
    try:
        return Crop.parse(text)
    except ValueError as error:
        raise DataError(str(error)) from error


def check_part(fps: float, start: int, count: int | None) -> None:
    """Refuse what no video could fulfil with a DataError."""
    if not 0 <= fps < float("inf"):
        raise DataError(f"fps is {fps}: must be 0 (the file's own rate) or above")
    if start < 0:
        raise DataError(f"start is {start}: must be 0 (the first frame) or above")
    if count is not None and count < 1:
        raise DataError(f"count is {count}: must be 1 or above, or None for all")


def part_of(
    name: str, length: int, start: int, count: int | None, rate: str, partial: bool
) -> range:
    """The frames ``start`` to ``start + count`` (None: to the end) of ``length``.

    Raises:
        DataError: if they aren't all there (with ``partial``: if none is).
    """
    stop = length if count is None else start + count
    if start >= length or (stop > length and not partial):
        wanted = f"from frame {start}" if count is None else f"frames {start} to {stop - 1}"
        raise DataError(f"{name} has {length} frames{rate}, numbered from 0: {wanted} can't be had")
    return range(start, min(stop, length))


def clip_of(frames: list[UInt8[np.ndarray, "3 s s"]], fps: float, name: str) -> Clip:
    """Frames as a clip without actions and poses."""
    none = np.zeros((len(frames), 0), np.float32)
    return Clip(frames=np.stack(frames), actions=none, poses=none, fps=fps, id=name)
