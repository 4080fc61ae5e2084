"""One video file: decoded whole once to index it, then read from anywhere.

PyAV (FFmpeg) does the decoding. Colours come out as 8-bit RGB in the file's own colour matrix;
10-bit and grey pictures are converted, HDR is not tone-mapped, interlaced frames stay as they are,
transparency is laid over white.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8

from farframe.data.square import Turn, View, over_white
from farframe.data.video_track import Track, VideoError, trusted_times

# Demuxers that read one file of moving pictures. FFmpeg's full list also has playlists that open
# other files or the network, devices, and text shown as a terminal: none of a stranger's business.
FORMATS = (
    "3g2 3gp amv apng asf av1 avi bink cavsvideo cine dhav dirac dnxhd dv evc flic flv gif gxf "
    "h261 h263 h264 hevc ingenient ipu ivf jpegxl_anim kux live_flv m4v matroska mjpeg "
    "mjpeg_2000 mov mpeg mpegts mpegvideo mxf nsv nut nuv obu ogg pva rm roq smjpeg smk swf thp "
    "ty vc1 vc1test vivo vvc webm webp wtv xmv yuv4mpegpipe"
).replace(" ", ",")
MAX_PIXELS = 2**26  # of a frame; what a header declares is allocated before a byte is decoded
TIMEOUT = 60  # seconds a single packet may take to find: a guard against endless loops
MAX_EMPTY = 100_000  # empty packets in a row
KEY_DISTANCE = 8  # frames between keyframes that are noted: where all are, a few suffice
EXACT = Interpolation.ACCURATE_RND | Interpolation.BITEXACT  # the same on every processor

# All that PyAV has been seen to raise on hostile bytes (FFmpegError is no OSError by itself).
DECODE_ERRORS = (
    FFmpegError, OSError, ValueError, RuntimeError, ArithmeticError, LookupError, MemoryError,
)  # fmt: skip


def why(error: BaseException) -> str:
    """One line for an error of FFmpeg's, without its number and file name."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())


def open_container(path: Path, threads: int = 0) -> tuple[InputContainer, VideoStream]:
    """Open a file and choose its moving picture; ``threads`` for decoding, 0 lets FFmpeg choose.

    Raises:
        VideoError: if FFmpeg can't, or there is none.
    """
    limits = {"max_pixels": str(MAX_PIXELS)}
    try:
        if path.stat().st_size == 0:
            raise VideoError("it is empty")
        container = av.open(
            str(path.absolute()),
            options=limits | {"format_whitelist": FORMATS, "protocol_whitelist": "file"},
            metadata_errors="replace",
            timeout=TIMEOUT,
        )
    except VideoError:
        raise
    except DECODE_ERRORS as error:
        raise VideoError(f"FFmpeg can't open it ({why(error)})") from error
    try:
        # A cover picture in a sound file is a "video" stream to FFmpeg.
        pictures = [
            stream
            for stream in container.streams.video
            if not stream.disposition & Disposition.attached_pic
        ]
        if not pictures:
            found = sorted({stream.type for stream in container.streams}) or ["nothing"]
            raise VideoError(f"no video in it, only {' and '.join(found)}")
        known = [stream for stream in pictures if _context(stream) is not None]
        if not known:
            raise VideoError("FFmpeg has no decoder for its video")
        stream = max(known, key=lambda stream: (stream.width * stream.height, -stream.index))
        stream.codec_context.options = limits
        small = stream.width * stream.height <= 320 * 240  # threads cost more than they give
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = 1 if small else threads
    except DECODE_ERRORS as error:
        container.close()
        raise error if isinstance(error, VideoError) else VideoError(why(error)) from error
    return container, stream


def _context(stream: VideoStream) -> VideoCodecContext | None:
    return stream.codec_context  # None where FFmpeg has no decoder; the stubs don't say so


def packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Packets with something in them, from where the container stands.

    Raises:
        VideoError: if there are more than any honest file of this size holds.
    """
    empty, taken, limit = 0, 0, 64 * container.size + 2**20
    for packet in container.demux(stream):
        taken += packet.size
        empty = 0 if packet.size else empty + 1
        if empty > MAX_EMPTY or taken > limit:
            raise VideoError("it declares more than it holds")
        if packet.size:  # FFmpeg would take an empty one for the end
            yield packet


def decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Frames in the order they are shown, from where the container stands.

    What can't be decoded is passed over at the beginning (broadcasts start anywhere) and is the
    end afterwards.

    Raises:
        VideoError: where the file goes bad.
    """
    sent = shown = False
    try:
        for packet in packets(container, stream):
            try:
                frames = packet.decode()
            except DECODE_ERRORS:
                if sent:
                    raise
                continue
            sent = True
            for frame in frames:
                if not frame.is_corrupt:
                    shown = True
                    yield frame
                elif shown:
                    raise VideoError("a damaged frame")
        yield from (f for f in stream.codec_context.decode(None) if not f.is_corrupt)
    except VideoError:
        raise
    except DECODE_ERRORS as error:
        raise VideoError(why(error)) from error


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


def scan(
    path: Path,
    until: float = math.inf,
    threads: int = 0,
    stopped: Callable[[], bool] = lambda: False,
) -> Track:
    """Decode a file (to ``until`` seconds, or until ``stopped()``) and note what is in it.

    Raises:
        VideoError: if not a single frame can be decoded, or its times make no sense.
    """
    container, stream = open_container(path, threads)
    with closing(container):
        notes = _Notes(stream.time_base or Fraction(1), container.duration)
        try:
            for frame in decoded(container, stream):
                notes.add(frame)
                if notes.seconds() > until or stopped():
                    break
            else:
                notes.at_end(alone=len(container.streams) == 1)
        except DECODE_ERRORS as error:
            notes.damage = why(error)
        if notes.damage and stream.codec_context.thread_count != 1:
            return scan(path, until, 1, stopped)  # how far threads get before an error is chance
        return notes.track(stream.average_rate, float(stream.sample_aspect_ratio or 1))


class _Notes:
    """What ``scan`` gathers, frame by frame."""

    def __init__(self, tick: Fraction, duration: int | None) -> None:
        self._tick, self._declared = tick, (duration or 0) / av.time_base
        self._last = 0.0
        self._pts: list[int | None] = []
        self._keys: list[int] = []
        self._imprints: list[int] = []
        self._sizes: dict[tuple[int, int], None] = {}
        self._turn = Turn()
        self.damage = ""

    def add(self, frame: VideoFrame) -> None:
        number = len(self._pts)
        if not number:
            side_data: Any = frame.side_data
            if (matrix := side_data.get("DISPLAYMATRIX")) is not None:
                self._turn = Turn.from_matrix(np.frombuffer(matrix, dtype=np.int32).tolist())
            Picture().rgb(frame)  # a picture that can't be converted shows here
        if not number or (frame.key_frame and number - self._keys[-1] >= KEY_DISTANCE):
            self._keys.append(number)
        self._imprints.append(imprint(frame))
        self._sizes[frame.width, frame.height] = None
        self._pts.append(frame.pts)
        self._last = float((frame.duration or 0) * self._tick)

    def seconds(self) -> float:
        """From the first frame to the last so far."""
        first, last = self._pts[0], self._pts[-1]
        return 0.0 if first is None or last is None else float((last - first) * self._tick)

    def at_end(self, alone: bool) -> None:
        """Compare with the length that the file declares; ``alone``: it holds nothing else."""
        end = self.seconds() + self._last
        if alone and end and self._declared - end > max(1.0, 0.05 * self._declared):
            self.damage = f"it ends after {end:.6g} of the {self._declared:.6g} s it declares"

    def track(self, declared: Fraction | None, aspect: float) -> Track:
        """Sum up.

        Raises:
            VideoError: if there is nothing to sum up.
        """
        if not self._pts:
            raise VideoError(f"not one frame can be decoded ({self.damage or 'it holds none'})")
        pts, rate = trusted_times(self._pts, self._tick, declared)
        return Track(
            length=len(self._pts),
            pts=pts,
            tick=self._tick,
            rate=rate,
            keys=np.array(self._keys, dtype=np.int64),
            imprints=np.array(self._imprints, dtype=np.uint32),
            sizes=tuple(self._sizes),
            aspect=aspect if 0.01 <= aspect <= 100 else 1.0,
            turn=self._turn,
            damage=self.damage,
        )


def packet_rate(path: Path) -> float:
    """The average rate of a file from its packets' times, without decoding; 0.0 if they lack.

    Raises:
        VideoError: if the file can't be opened, or its times make no sense.
    """
    container, stream = open_container(path)
    with closing(container):
        try:
            pts = [p.pts for p in packets(container, stream) if not p.is_discard]
        except DECODE_ERRORS:
            return 0.0  # the scan will tell where the file goes bad
        known = sorted({p for p in pts if p is not None})
        if len(known) < len(pts) or len(known) < 2:
            return 0.0
        return trusted_times(known, stream.time_base or Fraction(1), stream.average_rate)[1]
