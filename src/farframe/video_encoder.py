"""Pictures to an mp4 file: how colours, keyframes and times are stored, in one place."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from jaxtyping import UInt8

_MATRICES = {"BT.709": (1, Colorspace.ITU709), "BT.601": (6, Colorspace.ITU601)}
# The numbers are ITU-T H.273's, the same for colour space, primaries and transfer.
_SMALL = 320 * 240  # pixels up to which threads cost more than they give


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How pictures become H.264.

    ``colours`` is how they are stored: ``yuv420p`` (a quarter of the colour, but every player and
    browser shows it), ``yuv444p``, or ``rgb`` (exact with qp 0); FFmpeg reads all three.
    ``quality`` is x264's: ("crf", n) looks equally good at any rate, ("qp", n) is equally near to
    the truth. ``matrix`` is between RGB and YUV: BT.709, or BT.601, which programs that don't look
    take for granted in small pictures. ``keys`` is the number of frames from one keyframe to the
    next (0: x264's choice), ``reorder`` lets frames be stored in another order than shown, which
    saves bytes.
    """

    colours: Literal["yuv420p", "yuv444p", "rgb"]
    quality: tuple[Literal["crf", "qp"], int]
    matrix: Literal["BT.601", "BT.709"] = "BT.709"
    preset: str = "veryfast"
    keys: int = 0
    reorder: bool = True


PLAYABLE = Encoding(colours="yuv420p", quality=("crf", 17))
"""For people to look at."""

HIGH = Encoding(
    colours="yuv444p", quality=("qp", 13), matrix="BT.601", preset="medium", keys=8, reorder=False
)
"""For programs to learn from: 40 dB and more, also of pictures so small that each colour counts.

Real robot clips of 64 x 64 come back with 41 to 43 dB, at a fifth of their size; with ``yuv420p``
31 dB are the most that any quality reaches.
"""

LOSSLESS = Encoding(colours="rgb", quality=("qp", 0), preset="medium", keys=8, reorder=False)
"""Every bit of every pixel."""


def frame_rate(fps: float) -> Fraction:
    """Frames per second as a fraction that containers can hold.

    Raises:
        ValueError: if it isn't positive.
    """
    rate = Fraction(fps).limit_denominator(100_000) if math.isfinite(fps) else Fraction(0)
    if rate <= 0:
        raise ValueError(f"fps is {fps}: must be a positive number of frames per second")
    return rate


def encode(
    path: Path, pictures: Iterable[UInt8[np.ndarray, "h w 3"]], fps: float, encoding: Encoding
) -> int:
    """Write an mp4 with its index at the front of the file; returns the number of frames.

    All pictures must have one size; for ``yuv420p`` even. With no picture no file is written.

    Raises:
        ValueError: if ``fps`` isn't positive.
    """
    rate, count, stream = frame_rate(fps), 0, None
    with ExitStack() as stack:
        container: Any = None  # PyAV types its methods only in part
        for picture in pictures:
            if stream is None:
                container = stack.enter_context(
                    av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
                )
                stream = _stream(container, picture.shape[0], picture.shape[1], rate, encoding)
            assert picture.shape[:2] == (stream.height, stream.width), f"another size: {path}"
            frame = _frame(picture, encoding)
            frame.pts, frame.time_base = count, 1 / rate
            container.mux(stream.encode(frame))
            count += 1
        if stream is not None:
            container.mux(stream.encode())
    return count


def _stream(container: Any, height: int, width: int, rate: Fraction, encoding: Encoding) -> Any:
    options = {encoding.quality[0]: str(encoding.quality[1]), "preset": encoding.preset}
    if encoding.keys:
        options["g"] = str(encoding.keys)
    if not encoding.reorder:
        options["bf"] = "0"
    rgb = encoding.colours == "rgb"
    stream = container.add_stream("libx264rgb" if rgb else "libx264", rate=rate, options=options)
    stream.height, stream.width = height, width
    stream.pix_fmt = "rgb24" if rgb else encoding.colours
    codec = stream.codec_context
    if height * width <= _SMALL:
        codec.thread_count = 1
    if not rgb:
        code = _MATRICES[encoding.matrix][0]
        codec.colorspace = codec.color_primaries = codec.color_trc = code
        codec.color_range = ColorRange.MPEG
    return stream


def _frame(picture: UInt8[np.ndarray, "h w 3"], encoding: Encoding) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    if encoding.colours == "rgb":
        return frame
    return frame.reformat(
        format=encoding.colours,
        dst_colorspace=_MATRICES[encoding.matrix][1],
        dst_color_range=ColorRange.MPEG,
    )
