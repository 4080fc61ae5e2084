"""``tf.train.Example`` on the wire: keys -> bytes, floats or integers, read by hand.

Three nested messages: Example is {1: Features}; Features {1: repeated {1: key, 2: Feature}};
Feature one of {1: BytesList, 2: FloatList, 3: Int64List}; a list {1: repeated value}. Values stay
views into the record, and every length is checked against the bytes that are there.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32

from farframe.wire import WireError, spans, varint

Features = dict[str, tuple[int, int]]
"""Key -> where its Feature starts and ends in the record."""

PREFIX = "label_"
"""How the keys of labels begin."""

_NAMES = {1: "bytes", 2: "floats", 3: "integers"}


class RecordError(ValueError):
    """What is wrong with a record; whoever knows file and record number adds them."""


def features_of(payload: bytes) -> Features:
    """Find the features of a serialized Example; of equal keys the last counts.

    Raises:
        RecordError: if it is none.
    """
    out: Features = {}
    for number, first, last in _spans(payload, 0, len(payload)):
        if number != 1:
            continue
        for entry, start, end in _spans(payload, first, last):
            if entry != 1:
                continue
            key, value = "", (end, end)
            for part, a, b in _spans(payload, start, end):
                if part == 1:
                    key = payload[a:b].decode("utf-8", "backslashreplace")
                elif part == 2:
                    value = (a, b)
            out[key] = value
    return out


def one_value(payload: bytes, features: Features, key: str) -> tuple[int, int]:
    """Where the only value of a list of bytes lies.

    Raises:
        RecordError: if there are none or several, or no bytes.
    """
    found = list(_values(payload, *features[key], 1, key))
    if len(found) != 1:
        raise RecordError(f"{key} holds {len(found)} values instead of one image")
    return found[0]


def floats(payload: bytes, features: Features, key: str) -> bytes:
    """The numbers of a list of floats as little-endian float32.

    Raises:
        RecordError: if these are no floats.
    """
    # Packed lists and single floats are the same bytes once their headers are gone.
    return b"".join(payload[a:b] for a, b in _values(payload, *features[key], 2, key))


def integers(payload: bytes, features: Features, key: str) -> list[int]:
    """The numbers of a list of integers (two's complement of 64 bits).

    Raises:
        RecordError: if these are no integers.
    """
    out: list[int] = []
    for at, end in _values(payload, *features[key], 3, key):
        while at < end:
            try:
                value, at = varint(payload, at, end)
            except WireError as error:
                raise RecordError(f"{key}: {error}") from None
            value &= (1 << 64) - 1
            out.append(value - (value >> 63 << 64))
    return out


def kind_of(payload: bytes, features: Features, key: str) -> int:
    """1 for bytes, 2 for floats, 3 for integers, 0 for an empty feature."""
    return next((number for number, _, _ in _spans(payload, *features[key])), 0)


def float_rows(
    payload: bytes, features: Features, keys: list[str], most: int
) -> Float32[np.ndarray, "t n"]:
    """Lists of floats, all as long as the first, as rows.

    Raises:
        RecordError: if one is missing, of another length, empty, longer than ``most`` or not
            finite.
    """
    missing = next((key for key in keys if key not in features), None)
    if missing is not None:
        raise RecordError(f"{missing} is missing though other frames have one")
    first = floats(payload, features, keys[0])
    size = len(first)
    if size % 4 or not 4 <= size <= 4 * most:
        raise RecordError(f"{keys[0]} holds {size / 4:g} numbers: 1 to {most} are read")
    raw, usual = [first], bytes((0x12, size + 2, 0x0A, size)) if size < 126 else b"\0"
    for key in keys[1:]:
        start, end = features[key]
        if end - start == size + 4 and payload.startswith(usual, start):
            raw.append(payload[start + 4 : end])  # the headers that TensorFlow writes
            continue
        numbers = floats(payload, features, key)
        if len(numbers) != size:
            raise RecordError(f"{key} holds {len(numbers) / 4:g} numbers instead of {size // 4}")
        raw.append(numbers)
    out = np.frombuffer(b"".join(raw), "<f4").reshape(len(keys), -1).astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(out).all(1))
    if wrong.size:
        raise RecordError(f"{keys[wrong[0]]} holds numbers that are not finite")
    return out


def _values(payload: bytes, start: int, end: int, kind: int, key: str) -> Iterator[tuple[int, int]]:
    """Where each value of a feature's list of the given kind lies."""
    for found, first, last in _spans(payload, start, end):
        if found != kind:
            raise RecordError(f"{key} holds no {_NAMES[kind]}")
        for number, a, b in _spans(payload, first, last):
            if number == 1:
                yield a, b


def _spans(payload: bytes, at: int, end: int) -> list[tuple[int, int, int]]:
    try:
        return spans(payload, at, end)
    except WireError as error:
        raise RecordError(f"no tf.train.Example: {error}") from None
