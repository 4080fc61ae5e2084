"""Small videos made on the spot, whose pictures tell which frame they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

BITS = 8


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to encode; ``name`` gives the container by its suffix."""

    name: str
    codec: str
    pix_fmt: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    seeks: bool = True  # whether jumping to a keyframe is expected to work


RECIPES = (
    Recipe(name="b-frames.mp4", codec="libx264", options={"bf": "3", "g": "12"}),
    Recipe(
        name="open-gop.mp4",
        codec="libx264",
        options={"x264-params": "open-gop=1:bframes=3:keyint=12:scenecut=0"},
    ),
    Recipe(
        name="refresh.mkv",
        codec="libx264",
        options={"x264-params": "intra-refresh=1:keyint=12"},
    ),
    Recipe(name="divx.avi", codec="mpeg4", options={"g": "10"}),
    Recipe(name="motion.avi", codec="mjpeg", pix_fmt="yuvj420p"),
    # AVI stores no presentation times: with reordered frames nothing can be looked up by time.
    Recipe(name="h264.avi", codec="libx264", options={"bf": "2", "g": "12"}, seeks=False),
    Recipe(name="lossless.mkv", codec="ffv1", options={"g": "12"}),
    Recipe(name="ten-bit.mkv", codec="libx264", pix_fmt="yuv420p10le", options={"g": "12"}),
    Recipe(name="grey.mkv", codec="ffv1", pix_fmt="gray", options={"g": "12"}),
    Recipe(
        name="hidden.webm",  # VP8's alternate references are packets without a picture
        codec="libvpx",
        options={"g": "12", "auto-alt-ref": "1", "lag-in-frames": "8", "cpu-used": "8"},
    ),
    Recipe(name="nine.webm", codec="libvpx-vp9", options={"g": "12", "cpu-used": "8"}),
    Recipe(name="moving.gif", codec="gif", pix_fmt="rgb8", seeks=False),
    Recipe(name="see-through.mov", codec="png", pix_fmt="rgba"),
    Recipe(name="two.mpg", codec="mpeg2video", options={"bf": "2", "g": "12"}),
    Recipe(name="broadcast.ts", codec="libx264", options={"g": "12"}),
    Recipe(name="windows.wmv", codec="wmv2", options={"g": "12"}),
    Recipe(name="flash.flv", codec="flv", options={"g": "12"}),
    Recipe(name="raw.h264", codec="libx264", options={"g": "12"}, seeks=False),
)
MP4 = RECIPES[0]
AVI = RECIPES[4]
MKV = RECIPES[6]


def code(number: int, width: int, height: int) -> np.ndarray:
    """A picture h w 3: bright and dark blocks in its largest central square spell ``number``."""
    pixels = np.full((height, width, 3), 90, np.uint8)
    side = min(width, height)
    top, left = (height - side) // 2, (width - side) // 2
    edges = np.linspace(0, side, 4).astype(int)
    for bit in range(BITS + 1):  # the ninth block is always bright: red, so that colour is seen
        row, column = divmod(bit, 3)
        bright = (220, 30, 30) if bit == BITS else (220,) * 3 if number >> bit & 1 else (20,) * 3
        block = np.s_[
            top + edges[row] : top + edges[row + 1], left + edges[column] : left + edges[column + 1]
        ]
        pixels[block] = bright
    return pixels


def decode(frames: np.ndarray) -> list[int]:
    """The numbers of square frames ``t c h w``."""
    side = frames.shape[-1]
    middles = ((np.arange(3) + 0.5) * side / 3).astype(int)
    patches = [
        frames[:, 1, y - 1 : y + 2, x - 1 : x + 2].mean((1, 2)) for y in middles for x in middles
    ]
    return [sum(int(patch[t] > 110) << b for b, patch in enumerate(patches[:BITS])) for t in
            range(len(frames))]  # fmt: skip


def make_video(
    path: Path,
    recipe: Recipe = MP4,
    *,
    count: int = 40,
    size: tuple[int, int] = (64, 48),
    rate: Fraction | int = 25,
    times: Sequence[int] | None = None,
    rotation: float | None = None,
    mirrored: bool = False,
    aspect: Fraction | None = None,
    pictures: Sequence[np.ndarray] | None = None,
    colorspace: int | None = None,
) -> Path:
    """Encode ``count`` frames; ``times`` in milliseconds instead of a constant ``rate``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(recipe.codec, rate=rate, options=recipe.options)
        stream.width, stream.height = size
        stream.pix_fmt = recipe.pix_fmt
        stream.thread_count = 1
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if colorspace is not None:
            stream.codec_context.colorspace = colorspace
        if rotation is not None:
            stream.set_display_rotation(rotation, hflip=mirrored)
        for number in range(count if pictures is None else len(pictures)):
            pixels = code(number, *size) if pictures is None else pictures[number]
            layout = "rgba" if pixels.shape[2] == 4 else "rgb24"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=layout)
            frame = frame.reformat(format=recipe.pix_fmt, dst_colorspace=colorspace)
            frame.pts = number if times is None else times[number]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def make_sound(path: Path, cover: bool = False) -> Path:
    """A file with sound and no picture, or only the picture of its cover."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        if cover:
            picture = container.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuvj420p"
            picture.disposition = Disposition.attached_pic
        for number in range(8):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 16000, number * 1024
            container.mux(stream.encode(frame))
        if cover:
            image = av.VideoFrame.from_ndarray(code(1, 64, 48), format="rgb24")
            image.pts = 0
            container.mux(picture.encode(image.reformat(format="yuvj420p")))
        container.mux(stream.encode())
    return path
