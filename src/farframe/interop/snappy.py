"""Snappy's decompression: TensorFlow's first checkpoint format may compress its blocks with it."""

from __future__ import annotations

from farframe.wire import WireError, varint

MAX_BLOCK = 1 << 30
"""Longest block that is unpacked, in bytes: no length field makes us allocate more."""


def decompress(data: bytes) -> bytes:
    """Unpack a raw Snappy block (format_description.txt of google/snappy).

    Raises:
        WireError: if it is damaged.
    """
    length, at = varint(data, 0, len(data))
    if length > MAX_BLOCK:
        raise WireError(f"a compressed block of {length} bytes")
    out = bytearray()
    while at < len(data) and len(out) <= length:
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            size, at = _literal(data, tag, at)
            out += data[at : at + size]
            at += size
        else:
            size, offset, at = _copy(data, tag, at)
            if not 0 < offset <= len(out):
                raise WireError(f"a compressed block refers to byte -{offset} of {len(out)}")
            start = len(out) - offset
            if offset >= size:
                out += out[start : start + size]
            else:  # overlapping: what is copied repeats with the offset as its period
                out += (out[start:] * (size // offset + 1))[:size]
    if at != len(data) or len(out) != length:
        raise WireError("a compressed block of the wrong length")
    return bytes(out)


def _literal(data: bytes, tag: int, at: int) -> tuple[int, int]:
    """Length of a literal and where it starts."""
    size = tag >> 2
    if size >= 60:
        count = size - 59
        size = int.from_bytes(data[at : at + count], "little")
        at += count
    if at + size + 1 > len(data):
        raise WireError("a compressed block ends within a literal")
    return size + 1, at


def _copy(data: bytes, tag: int, at: int) -> tuple[int, int, int]:
    """Length and distance of a copy, and where the next element starts."""
    kind = tag & 3
    count = (0, 1, 2, 4)[kind]
    if at + count > len(data):
        raise WireError("a compressed block ends within a copy")
    offset = int.from_bytes(data[at : at + count], "little")
    if kind == 1:
        return (tag >> 2 & 7) + 4, (tag >> 5) << 8 | offset, at + count
    return (tag >> 2) + 1, offset, at + count
