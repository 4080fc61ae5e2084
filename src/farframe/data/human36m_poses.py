"""Human3.6M's two-dimensional joints: CDF files (NASA's format), and what follows from them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from jaxtyping import Float

from farframe.data.source import DataError
from farframe.data.square import Box, Crop

NUMBERS = 64
"""Of a frame: x and y of 32 joints, in pixels of the stored picture."""
MARGIN = 0.1
"""Of the joints' extent, added on each side of it: joints lie inside of the body."""


def can_read() -> bool:
    """Whether the package that reads CDF files is installed."""
    return importlib.util.find_spec("cdflib") is not None


def read_joints(path: Path) -> Float[np.ndarray, "n 64"]:
    """The joints of every frame of a video.

    Raises:
        DataError: if the file isn't there or isn't one, or ``cdflib`` isn't installed.
    """
    if not can_read():
        raise DataError(
            f"{path}: joints in CDF files are read by cdflib: pip install 'farframe[human36m]'"
        )
    from cdflib import CDF

    try:
        values = np.asarray(CDF(path.absolute()).varget("Pose"))
    except Exception as error:  # whatever cdflib trips over in a stranger's bytes
        why = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise DataError(
            f"{path} can't be read ({' '.join(why.split())}); unpack it again, or remove it"
        ) from error
    if values.ndim != 3 or values.shape[0] != 1 or values.shape[2] != NUMBERS or not values.size:
        raise DataError(
            f"{path}: Pose has the shape {values.shape}, must be (1, frames, {NUMBERS}): give the "
            "files of D2_Positions"
        )
    return values[0].astype(np.float32)


def around(joints: Float[np.ndarray, "n 64"], width: int, height: int, name: str) -> Crop:
    """The square around a person over a whole recording, within the picture.

    Raises:
        DataError: if no joint is anywhere.
    """
    points = joints.reshape(-1, 2)
    points = points[np.isfinite(points).all(1)]
    if not len(points):
        raise DataError(f"{name}: no joint has a place, so there is nothing to crop to")
    low, high = points.min(0), points.max(0)
    side = int(min(np.ceil((high - low).max() * (1 + 2 * MARGIN)), width, height))
    side = max(side, 1)
    corner = (low + high - side) / 2
    x, y = (int(v) for v in np.clip(corner, 0, (width - side, height - side)).round())
    return Crop("box", x, y, side)


def in_square(joints: Float[np.ndarray, "n 64"], box: Box) -> Float[np.ndarray, "n 64"]:
    """Pixels of the stored picture as fractions of the square that ``box`` of it becomes."""
    x0, y0, x1, y1 = box
    points = joints.reshape(-1, NUMBERS // 2, 2)
    scaled = (points - np.array([x0, y0])) / np.array([x1 - x0, y1 - y0])
    return scaled.reshape(-1, NUMBERS).astype(np.float32)
