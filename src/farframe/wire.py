"""Protocol buffers on the wire: where the fields of a message lie, every length checked.

Messages are read by hand: those that farframe meets (``tf.train.Example``, TensorFlow's
checkpoints) are a few nested ones, and their large values stay views into what was read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_FIXED32 = struct.Struct("<I")


class WireError(ValueError):
    """Bytes that are no protocol buffer."""


def spans(payload: bytes, at: int, end: int) -> list[tuple[int, int, int]]:
    """Fields of a message: number, where the value starts, where it ends (numbers: their bytes).

    Raises:
        WireError: if what lies there is no message.
    """
    out: list[tuple[int, int, int]] = []
    while at < end:
        tag = payload[at]
        if tag < 128:  # as good as always: not worth a call
            at += 1
        else:
            tag, at = varint(payload, at, end)
        wire = tag & 7
        if wire == 2:
            if at < end and payload[at] < 128:
                length, at = payload[at], at + 1
            else:
                length, at = varint(payload, at, end)
            stop = at + length
        elif wire == 0:
            stop = varint(payload, at, end)[1]
        elif wire == 5:
            stop = at + 4
        elif wire == 1:
            stop = at + 8
        else:
            raise WireError(f"wire type {wire} at byte {at}")
        if stop > end:
            raise WireError(f"a value at byte {at} runs over its end")
        out.append((tag >> 3, at, stop))
        at = stop
    return out


def varint(payload: bytes, at: int, end: int) -> tuple[int, int]:
    """The number of variable length at ``at``, and where it ends.

    Raises:
        WireError: if it does not end.
    """
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = payload[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise WireError(f"a number at byte {at} does not end")


def field(number: int, value: bytes) -> bytes:
    """A field of bytes, with its header."""
    length, head = len(value), bytearray((number << 3 | 2,))
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    head.append(length)
    return bytes(head) + value


class Message:
    """The fields of a small message, by number; all of them must be of the kinds asked for."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._spans: dict[int, list[tuple[int, int]]] = {}
        for number, start, stop in spans(payload, 0, len(payload)):
            self._spans.setdefault(number, []).append((start, stop))

    def __contains__(self, number: int) -> bool:
        return number in self._spans

    def parts(self, number: int) -> Iterator[bytes]:
        """All values of a field, as bytes."""
        for start, stop in self._spans.get(number, ()):
            yield self._payload[start:stop]

    def data(self, number: int) -> bytes:
        """The last value of a field, as bytes (empty if it is not there)."""
        *_, last = (b"", *self.parts(number))
        return last

    def text(self, number: int) -> str:
        """The last value of a field, as text.

        Raises:
            WireError: if it is not UTF-8.
        """
        try:
            return self.data(number).decode("utf-8")
        except UnicodeDecodeError:
            raise WireError(f"field {number} is no text") from None

    def number(self, number: int) -> int:
        """The last value of a field, as a signed number of up to 64 bits (0 if it is not there).

        Raises:
            WireError: if it is none.
        """
        value = self.data(number)
        if not value:
            return 0
        decoded, stop = varint(value, 0, len(value))
        if stop != len(value) or decoded >= 1 << 64:
            raise WireError(f"field {number} is no number")
        return decoded - (1 << 64) if decoded >= 1 << 63 else decoded

    def fixed32(self, number: int) -> int:
        """The last value of a field, as a number of exactly 32 bits (0 if it is not there).

        Raises:
            WireError: if it is none.
        """
        value = self.data(number)
        if len(value) not in (0, 4):
            raise WireError(f"field {number} is no number of 32 bits")
        return _FIXED32.unpack(value)[0] if value else 0
