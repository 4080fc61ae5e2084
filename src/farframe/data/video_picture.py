"""Decoded frames to RGB, and to the squares the networks see.

Colours come out as 8-bit RGB by the file's own colour matrix (BT.601 where it names none, as
FFmpeg has it); 10-bit and grey pictures are converted, HDR is not tone-mapped, interlaced frames
stay as they are, transparency is laid over white.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from jaxtyping import UInt8

from farframe.data.square import View, over_white
from farframe.data.video_reader import DECODE_ERRORS, why
from farframe.data.video_times import VideoError

EXACT = Interpolation.ACCURATE_RND | Interpolation.BITEXACT  # the same on every processor


class Picture:
    """Turns decoded frames into RGB arrays; holds FFmpeg's scaler (so: one thread, no copies)."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()

    def rgb(self, frame: VideoFrame, shrink: int = 1) -> UInt8[np.ndarray, "h w 3"]:
        """All of a frame, averaged over boxes of ``shrink`` pixels squared."""
        name = frame.format
        alpha = name.has_palette or any(c.is_alpha for c in name.components)
        interpolation = EXACT | (Interpolation.AREA if shrink > 1 else Interpolation.BILINEAR)
        pixels = self._scaler.reformat(
            frame,
            # Averaging colours whose transparency differs needs weights that swscale lacks.
            width=frame.width if alpha else max(1, round(frame.width / shrink)),
            height=frame.height if alpha else max(1, round(frame.height / shrink)),
            format="rgba" if alpha else "rgb24",
            interpolation=interpolation,
            threads=1,
        ).to_ndarray()
        rgb = np.asarray(pixels, dtype=np.uint8)
        return over_white(rgb) if alpha else rgb

    def square(self, frame: VideoFrame, view: View) -> UInt8[np.ndarray, "3 s s"]:
        """The frame as the networks see it.

        Raises:
            VideoError: if the crop lies outside of it or it can't be converted.
        """
        width, height = frame.width, frame.height
        if complaint := view.complaint(width, height):
            raise VideoError(complaint)
        try:
            pixels = self.rgb(frame, view.shrink(width, height))
        except DECODE_ERRORS as error:
            raise VideoError(f"its colours can't be converted ({why(error)})") from error
        return view.square(pixels, width, height)


def imprint(frame: VideoFrame) -> int:
    """CRC-32 of every fourth row of a frame as the decoder left it: cheap, and tells frames apart.

    Of a row only pixels are read: what follows them is padding, which is random.
    """
    planes, layout, crc = frame.planes, frame.format, 0
    wide = 2 if layout.components[0].bits > 8 else 1  # bytes of a number
    size = layout.padded_bits_per_pixel // 8 if len(planes) == 1 else wide
    for plane in planes:
        if (line := plane.line_size) > 0:  # else it is stored bottom up, and the buffer is not it
            stored: Any = plane
            rows = np.frombuffer(stored, np.uint8)[: plane.height * line].reshape(-1, line)
            crc = zlib.crc32(rows[::4, : plane.width * size].tobytes(), crc)
    return crc
