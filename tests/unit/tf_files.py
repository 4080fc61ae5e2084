"""TensorFlow's checkpoint files written from the format's description, to break and to vary them.

That the reader reads TensorFlow's own files is tested with files that TensorFlow wrote; these are
for what no such file has: many blocks, compressed ones, other networks, damage.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import google_crc32c
import numpy as np

TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "bool": 10}


def number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def field(key: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return number(key << 3) + number(value & (1 << 64) - 1)
    return number(key << 3 | 2) + number(len(value)) + value


def crc(data: bytes) -> bytes:
    value = google_crc32c.value(data)
    return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def block(items: list[tuple[bytes, bytes]]) -> bytes:
    """A block with shared prefixes and a single restart point."""
    out, last = b"", b""
    for key, value in items:
        shared = next((i for i, (a, b) in enumerate(zip(key, last, strict=False)) if a != b), 0)
        out += number(shared) + number(len(key) - shared) + number(len(value))
        out += key[shared:] + value
        last = key
    return out + struct.pack("<II", 0, 1)


def write_table(
    path: Path,
    items: Mapping[bytes, bytes],
    per_block: int = 5,
    compress: Callable[[bytes], bytes] | None = None,
) -> None:
    data = b""

    def add(content: bytes) -> bytes:
        nonlocal data
        kind = b"\0"
        if compress is not None:
            content, kind = compress(content), b"\1"
        handle = number(len(data)) + number(len(content))
        data += content + kind + crc(content + kind)
        return handle

    ordered = sorted(items.items())
    parts = [ordered[i : i + per_block] for i in range(0, len(ordered), per_block)]
    index = [(part[-1][0] + b"\1", add(block(part))) for part in parts]
    handles = add(block([])) + add(block(index))
    path.write_bytes(data + handles.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57))


def shape(array: np.ndarray) -> bytes:
    return b"".join(field(2, field(1, size)) for size in array.shape)


def write_bundle(prefix: Path, arrays: Mapping[str, np.ndarray], per_block: int = 7) -> None:
    """A checkpoint in two data files."""
    items = {b"": field(1, 2) + field(3, field(1, 1))}
    data = [b"", b""]
    for i, (name, array) in enumerate(sorted(arrays.items())):
        raw = array.tobytes()
        entry = field(1, TYPES[array.dtype.name]) + field(2, shape(array)) + field(3, i % 2)
        entry += field(4, len(data[i % 2])) + field(5, len(raw)) + b"\x35" + crc(raw)
        items[name.encode()] = entry
        data[i % 2] += raw
    for i, raw in enumerate(data):
        prefix.with_name(f"{prefix.name}.data-0000{i}-of-00002").write_bytes(raw)
    write_table(prefix.with_name(f"{prefix.name}.index"), items, per_block)


def literals(content: bytes) -> bytes:
    """Snappy's format without any compression."""
    out = number(len(content))
    for i in range(0, len(content), 60):
        part = content[i : i + 60]
        out += bytes((len(part) - 1 << 2,)) + part
    return out
