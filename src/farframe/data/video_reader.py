"""PyAV (FFmpeg) behind walls: a stranger's file is opened, and gives frames or a VideoError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from farframe.data.video_times import VideoError, trusted_times

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
            kinds = {stream.type for stream in container.streams}
            found = sorted("a cover picture" if kind == "video" else kind for kind in kinds)
            raise VideoError(f"no video in it, only {' and '.join(found) or 'nothing'}")
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
