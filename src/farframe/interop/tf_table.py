"""The sorted table that both of TensorFlow's checkpoint formats are built on, without TensorFlow.

It is LevelDB's (leveldb/doc/table_format.md): blocks of sorted keys that share prefixes, an index
block that says where each of them ends, and a footer of 48 bytes that says where the index is.
Every block carries a masked CRC-32C, which is checked whenever the block is read.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from farframe.data.tfrecord_file import masked_crc
from farframe.interop.snappy import decompress
from farframe.wire import WireError, varint

MAGIC = 0xDB4775248B80FB57
_FOOTER, _TRAILER = 48, 5  # bytes of the footer; of a block's compression and checksum
_WORD = struct.Struct("<I")


class CheckpointError(ValueError):
    """A TensorFlow checkpoint that can't be read: the message names file and damage."""


@dataclass(frozen=True)
class Table:
    """A table whose index has been read; ``blocks`` are (last key or beyond, offset, size)."""

    path: Path
    size: int
    blocks: tuple[tuple[bytes, int, int], ...]

    @staticmethod
    def open(path: Path) -> Table:
        """Read footer and index.

        Raises:
            CheckpointError: if the file can't be read, is no table, or is damaged.
        """
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                file.seek(max(0, size - _FOOTER))
                footer = file.read(_FOOTER)
        except OSError as error:
            raise CheckpointError(f"{path} can't be read: {error.strerror}") from None
        if len(footer) < _FOOTER or int.from_bytes(footer[-8:], "little") != MAGIC:
            raise CheckpointError(
                f"{path} is no TensorFlow checkpoint, or is cut off: its last 8 bytes are not "
                "those of a table"
            )
        table = Table(path, size, ())
        try:
            handle = _handle(footer, _handle(footer, 0)[2])  # the first is the meta index's
        except WireError as error:
            raise CheckpointError(f"{path} is damaged in its footer: {error}") from None
        try:
            entries = [(key, *_handle(value, 0)[:2]) for key, value in table.block(*handle[:2])]
        except WireError as error:
            raise CheckpointError(f"{path} is damaged in its index: {error}") from None
        return Table(path, size, tuple(entries))

    def items(self) -> list[tuple[bytes, bytes]]:
        """Every key and value, in the order of the keys.

        Raises:
            CheckpointError: as ``open``.
        """
        items = [item for _, offset, size in self.blocks for item in self.block(offset, size)]
        if any(a[0] >= b[0] for a, b in pairwise(items)):
            raise CheckpointError(f"{self.path} is damaged: its keys are not in order")
        return items

    def get(self, key: bytes) -> bytes | None:
        """The value of one key (None if there is no such key); only its block is read.

        Raises:
            CheckpointError: as ``open``.
        """
        at = bisect_left(self.blocks, key, key=lambda block: block[0])
        if at == len(self.blocks):
            return None
        return dict(self.block(*self.blocks[at][1:])).get(key)

    def block(self, offset: int, size: int) -> list[tuple[bytes, bytes]]:
        """Keys and values of one block, after its checksum has been checked.

        Raises:
            CheckpointError: if the file is damaged or cut off there.
        """
        where = f"{self.path} is damaged in the block at byte {offset}"
        if offset + size + _TRAILER > self.size:
            raise CheckpointError(
                f"{where}: it should have {size} bytes, but the file ends after {self.size}"
            )
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                data = file.read(size + _TRAILER)
        except OSError as error:
            raise CheckpointError(f"{self.path} can't be read: {error.strerror}") from None
        if len(data) != size + _TRAILER:
            raise CheckpointError(f"{where}: the file shrank while it was read")
        if masked_crc(data[:-4]) != _WORD.unpack(data[-4:])[0]:
            raise CheckpointError(f"{where}: it fails its CRC32C check")
        kind, content = data[size], data[:size]
        if kind not in (0, 1):
            raise CheckpointError(f"{where}: unknown compression {kind}")
        try:
            return _entries(decompress(content) if kind else content)
        except WireError as error:
            raise CheckpointError(f"{where}: {error}") from None


def _handle(data: bytes, at: int) -> tuple[int, int, int]:
    """Offset and size of a block, and where their encoding ends."""
    offset, at = varint(data, at, len(data))
    size, at = varint(data, at, len(data))
    return offset, size, at


def _entries(data: bytes) -> list[tuple[bytes, bytes]]:
    """Keys, each given by what it shares with the one before, and values."""
    if len(data) < 4:
        raise WireError("it is too short")
    end = len(data) - 4 - 4 * _WORD.unpack(data[-4:])[0]  # restart points, and how many
    if end < 0:
        raise WireError("its restart points lie outside of it")
    out: list[tuple[bytes, bytes]] = []
    key, at = b"", 0
    while at < end:
        shared, at = varint(data, at, end)
        fresh, at = varint(data, at, end)
        length, at = varint(data, at, end)
        if shared > len(key) or at + fresh + length > end:
            raise WireError(f"the entry at byte {at} runs over its end")
        key = key[:shared] + data[at : at + fresh]
        at += fresh + length
        out.append((key, data[at - length : at]))
    return out
