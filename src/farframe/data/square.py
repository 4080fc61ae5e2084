"""Pictures of any shape to the squares the networks see, the same for videos and image files.

Upright first (rotation metadata), then square pixels, then the crop, then one resize: Pillow's
BICUBIC, which widens its filter when it shrinks and so is antialiased; of Pillow's filters it
kept thin limbs of far people best without LANCZOS's halos. Shrinking by more than four is done in
two steps, box averages to between two and four times ``frame_size`` and BICUBIC from there, which
differs from one step by less than a grey level on average and is several times faster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Crop:
    """Which part of an upright picture with square pixels becomes the square.

    ``kind`` is ``center`` (the largest square in the middle), ``stretch`` (all of it, squeezed)
    or ``box`` (``side`` pixels squared whose left upper corner is at ``x``, ``y``). ``srvp`` is the
    box of Franceschi et al. (2020), cut out first and then resized by LANCZOS in one step.
    """

    kind: str
    x: int = 0
    y: int = 0
    side: int = 0

    @staticmethod
    def parse(text: str) -> Crop:
        """Read ``center``, ``stretch``, ``X,Y,SIDE`` or ``srvp``.

        Raises:
            ValueError: for anything else.
        """
        if text in ("center", "stretch"):
            return Crop(text)
        if text == "srvp":
            return Crop(text, 100, 100, 800)
        numbers = [part.strip() for part in text.split(",")]
        if len(numbers) == 3 and all(n.isascii() and n.isdigit() for n in numbers):
            x, y, side = (int(n) for n in numbers)
            if side > 0:
                return Crop("box", x, y, side)
        raise ValueError(
            f"data.crop is {text!r}: must be center, stretch or X,Y,SIDE in whole pixels, "
            "for example 96,0,576 (Human3.6M has person and srvp, too)"
        )


@dataclass(frozen=True)
class Turn:
    """How stored pixels become upright: transpose (swap rows and columns), then flip."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @staticmethod
    def from_matrix(matrix: list[int]) -> Turn:
        """From FFmpeg's display matrix (9 numbers), rounded to quarter turns and mirrorings."""
        a, b, _, c, d = matrix[:5]
        if abs(b) + abs(c) > abs(a) + abs(d):
            return Turn(True, c < 0, b < 0)
        return Turn(False, a < 0, d < 0)


@dataclass(frozen=True)
class View:
    """How the pictures of one file become squares of ``frame_size``.

    ``aspect`` is a stored pixel's width divided by its height.
    """

    crop: Crop
    frame_size: int
    aspect: float = 1.0
    turn: Turn = Turn()

    def upright(self, width: int, height: int) -> tuple[int, int]:
        """Width and height as a player shows a picture stored as ``width`` x ``height``."""
        width = round(width * self.aspect)
        return (height, width) if self.turn.transpose else (width, height)

    def complaint(self, width: int, height: int) -> str:
        """Why the crop does not fit a stored picture of this size, or "" if it does."""
        crop, (w, h) = self.crop, self.upright(width, height)
        if not crop.side or (crop.x + crop.side <= w and crop.y + crop.side <= h):
            return ""
        return (
            f"crop {crop.x},{crop.y},{crop.side} reaches to {crop.x + crop.side}x"
            f"{crop.y + crop.side}, the picture is {w}x{h}"
        )

    def box(self, width: int, height: int) -> Box:
        """The part of a stored picture that becomes the square, in stored pixels."""
        turn, crop = self.turn, self.crop
        w, h = width * self.aspect, float(height)
        if turn.transpose:
            w, h = h, w
        if crop.side:
            x0, y0, side = float(crop.x), float(crop.y), float(crop.side)
        elif crop.kind == "center":
            side = min(w, h)
            x0, y0 = (w - side) // 2, (h - side) // 2  # whole pixels blur least
        else:
            return 0.0, 0.0, float(width), float(height)
        x1, y1 = x0 + side, y0 + side
        if turn.flip_x:
            x0, x1 = w - x1, w - x0
        if turn.flip_y:
            y0, y1 = h - y1, h - y0
        if turn.transpose:
            x0, y0, x1, y1 = y0, x0, y1, x1
        x0, x1 = x0 / self.aspect, x1 / self.aspect
        return max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))

    def shrink(self, width: int, height: int) -> int:
        """By how much the stored picture may be averaged down before ``square``."""
        if self.crop.kind == "srvp":
            return 1
        x0, y0, x1, y1 = self.box(width, height)
        return max(1, int(min(x1 - x0, y1 - y0) / (2 * self.frame_size)))

    def square(
        self, pixels: UInt8[np.ndarray, "h w 3"], width: int, height: int
    ) -> UInt8[np.ndarray, "3 s s"]:
        """Crop, resize and turn upright.

        ``pixels`` may have been averaged down from the stored ``width`` x ``height``.
        """
        x0, y0, x1, y1 = self.box(width, height)
        sx, sy = pixels.shape[1] / width, pixels.shape[0] / height
        # Only what the filter can reach is handed to Pillow: it copies what it is given.
        cut, method = 3, Image.Resampling.BICUBIC
        if self.crop.kind == "srvp":
            cut, method = 0, Image.Resampling.LANCZOS
        reach_x = cut * max(1.0, (x1 - x0) * sx / self.frame_size)
        reach_y = cut * max(1.0, (y1 - y0) * sy / self.frame_size)
        left, top = max(0, int(x0 * sx - reach_x)), max(0, int(y0 * sy - reach_y))
        right, bottom = math.ceil(x1 * sx + reach_x), math.ceil(y1 * sy + reach_y)
        part = np.ascontiguousarray(pixels[top:bottom, left:right])
        box = (
            x0 * sx - left,
            y0 * sy - top,
            min(x1 * sx - left, part.shape[1]),
            min(y1 * sy - top, part.shape[0]),
        )
        size = (self.frame_size, self.frame_size)
        small = np.asarray(Image.fromarray(part).resize(size, method, box=box))
        if self.turn.transpose:
            small = small.swapaxes(0, 1)
        if self.turn.flip_x:
            small = small[:, ::-1]
        if self.turn.flip_y:
            small = small[::-1]
        return np.ascontiguousarray(small.transpose(2, 0, 1))


def over_white(rgba: UInt8[np.ndarray, "h w 4"]) -> UInt8[np.ndarray, "h w 3"]:
    """Lay a picture with transparency over white, as a browser's page would show it."""
    alpha = rgba[..., 3:].astype(np.uint16)
    mixed = (rgba[..., :3].astype(np.uint16) * alpha + 255 * (255 - alpha) + 127) // 255
    return mixed.astype(np.uint8)
