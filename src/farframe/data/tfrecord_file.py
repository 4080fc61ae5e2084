"""TFRecord files: how they are recognised, framed and checked.

A record is its length (uint64), the masked CRC-32C of these 8 bytes, the payload, and the masked
CRC-32C of the payload; numbers are little-endian. Compressed files are not read.
"""

from __future__ import annotations

import mimetypes
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from farframe.data.files import is_regular
from farframe.data.tfrecord_features import RecordError

HEADER, FOOTER = struct.Struct("<QI"), struct.Struct("<I")
MAX_RECORD = 1 << 30
"""Longest record that is read, in bytes: no length field makes us allocate more."""

NAMES = "*.tfrecord, *.tfrecords, NAME-00000-of-00001"
"""What a file is called that needs no look inside (for messages)."""

_NAME = re.compile(r".*\.tfrecords?(-\d+-of-\d+)?|[^.]+-\d{5}-of-\d{5}", re.IGNORECASE)


@dataclass(frozen=True)
class Framed:
    """A record as found in a file: its payload, or what is wrong with it."""

    number: int
    offset: int
    crc: int
    payload: bytes
    problem: str = ""


def masked_crc(data: bytes) -> int:
    """CRC-32C rotated and shifted as TensorFlow stores it."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def is_tfrecord(path: Path) -> bool:
    """Whether a file is named like TFRecords or, where its name tells nothing, starts like them."""
    if not is_regular(path):
        return False
    if _NAME.fullmatch(path.name):
        return True
    if mimetypes.guess_type(path.name)[0] not in (None, "application/octet-stream"):
        return False  # named as something else: folders of a million pictures are not opened
    try:
        with path.open("rb") as file:
            head = file.read(HEADER.size)
    except OSError:
        return False
    return len(head) == HEADER.size and HEADER.unpack(head)[1] == masked_crc(head[:8])


def scan(file: BinaryIO, size: int) -> Iterator[Framed]:
    """All records of a file of ``size`` bytes, bad ones with their problem.

    A payload that fails its checksum costs one record. A bad length or a cut-off record costs
    the rest of the file, for nothing tells where the next record begins.
    """
    at = number = 0
    if not size:
        yield Framed(0, 0, 0, b"", "the file is empty (0 bytes)")
    while at < size:
        head = file.read(HEADER.size)
        offset, left = at + HEADER.size, size - at - HEADER.size - FOOTER.size
        problem, length = "", 0
        if len(head) < HEADER.size or left < 0:
            problem = f"the file is cut off after {size - at} bytes of it"
        else:
            length, crc = HEADER.unpack(head)
            if crc != masked_crc(head[:8]):
                problem = "its length fails its CRC32C check, so the rest of the file is lost"
                if number == 0 and head[:2] == b"\x1f\x8b":
                    problem = "the file is gzip-compressed: decompress it with gunzip first"
            elif length > left:
                problem = f"it should have {length} bytes but the file is cut off after {left}"
        if problem:
            yield Framed(number, offset, 0, b"", problem)
            return
        if length > MAX_RECORD:
            file.seek(length + FOOTER.size, os.SEEK_CUR)
            yield Framed(
                number, offset, 0, b"", f"{length} bytes are more than the {MAX_RECORD} allowed"
            )
        else:
            yield _payload(file, number, offset, length)
        at = offset + length + FOOTER.size
        number += 1


def _payload(file: BinaryIO, number: int, offset: int, length: int) -> Framed:
    data = file.read(length + FOOTER.size)
    if len(data) < length + FOOTER.size:
        return Framed(number, offset, 0, b"", "the file shrank while it was read")
    payload, (crc,) = data[:length], FOOTER.unpack_from(data, length)
    if crc != masked_crc(payload):
        return Framed(number, offset, crc, b"", "its data fails its CRC32C check")
    return Framed(number, offset, crc, payload)


def read_record(path: Path, offset: int, length: int, crc: int) -> bytes:
    """One payload by its place, both checksums verified again.

    Raises:
        RecordError: if what lies there is not the record that was indexed.
        OSError: if the file can't be read.
    """
    with path.open("rb", buffering=0) as file:
        file.seek(offset - HEADER.size)
        data = file.read(HEADER.size + length + FOOTER.size)
    if len(data) < HEADER.size + length + FOOTER.size:
        raise RecordError("the file is shorter than when it was indexed")
    found, head_crc = HEADER.unpack_from(data)
    payload = data[HEADER.size : -FOOTER.size]
    if found != length or head_crc != masked_crc(data[:8]):
        raise RecordError("its length is not what was indexed, or fails its CRC32C check")
    if FOOTER.unpack_from(data, HEADER.size + length)[0] != crc or crc != masked_crc(payload):
        raise RecordError("its data fails its CRC32C check")
    return payload
