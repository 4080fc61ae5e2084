"""TensorFlow's checkpoints as named arrays, without TensorFlow: the format of 2016 and later.

``PREFIX.index`` is a table (``tf_table``) of tensor name -> ``BundleEntryProto``: type, shape and
where the bytes lie in ``PREFIX.data-00000-of-00001``, ... with their masked CRC-32C. The empty key
holds the header. What the older format of a single file looks like is in ``tf_slices``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from farframe.data.tfrecord_file import masked_crc
from farframe.interop.tf_table import CheckpointError, Table
from farframe.wire import Message, WireError

DTYPES: Mapping[int, str] = {
    **{1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?"},
    **{17: "<u2", 19: "<f2", 22: "<u4", 23: "<u8"},
}
"""TensorFlow's numbers of types that numpy has too (tensorflow/core/framework/types.proto)."""


@dataclass(frozen=True)
class Entry:
    """One tensor of a checkpoint: what it is and where it lies."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int
    whole: bool = True


class Bundle(Mapping[str, np.ndarray]):
    """The tensors of a checkpoint by name; each is read, and checked, when it is asked for."""

    def __init__(self, prefix: Path, shards: int, entries: Mapping[str, Entry]) -> None:
        self._prefix, self._shards, self._entries = prefix, shards, entries

    @staticmethod
    def open(prefix: Path) -> Bundle:
        """Read the index of ``prefix`` (the checkpoint's name without .index).

        Raises:
            CheckpointError: if it can't be read, is damaged, or of a kind that can't be used.
        """
        table = Table.open(prefix.with_name(f"{prefix.name}.index"))
        items = dict(table.items())
        try:
            header = Message(items.pop(b"", b""))
            shards = header.number(1)
            if header.number(2) != 0 or not 0 < shards < 100_000:
                raise WireError("not a header of a little-endian checkpoint")
            entries = {key.decode("utf-8"): _entry(value) for key, value in items.items()}
        except (WireError, UnicodeDecodeError) as error:
            raise CheckpointError(f"{table.path} is damaged: {error}") from None
        return Bundle(prefix, shards, entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, name: str) -> Shaped[np.ndarray, ...]:
        """Read a tensor.

        Raises:
            CheckpointError: if its file is missing, cut off or damaged, or its type is unknown.
        """
        entry = self._entries[name]
        name_of_shard = f"{self._prefix.name}.data-{entry.shard:05d}-of-{self._shards:05d}"
        path = self._prefix.with_name(name_of_shard)
        if entry.dtype not in DTYPES or not entry.whole:
            what = "is stored in slices" if not entry.whole else f"has type number {entry.dtype}"
            raise CheckpointError(f"{path}: {name} {what}, which farframe does not read")
        dtype = np.dtype(DTYPES[entry.dtype])
        if entry.size != math.prod(entry.shape) * dtype.itemsize:
            raise CheckpointError(
                f"{path}: {name} has {entry.size} bytes for shape {entry.shape}: the index is "
                "damaged"
            )
        try:
            if path.stat().st_size < entry.offset + entry.size:
                raise CheckpointError(f"{path} is cut off: {name} lies beyond its end")
            with path.open("rb") as file:
                file.seek(entry.offset)
                data = file.read(entry.size)
        except OSError as error:
            raise CheckpointError(f"{path} can't be read: {error.strerror}") from None
        if len(data) != entry.size or masked_crc(data) != entry.crc:
            raise CheckpointError(f"{path} is damaged: {name} fails its CRC32C check")
        return np.frombuffer(data, dtype).reshape(entry.shape).copy()


def shape_of(message: Message) -> tuple[int, ...]:
    """A TensorShapeProto.

    Raises:
        WireError: if it is damaged or unknown.
    """
    sizes = tuple(Message(part).number(1) for part in message.parts(2))
    if message.number(3) or any(size < 0 for size in sizes) or len(sizes) > 32:
        raise WireError("a shape that is no shape")
    return sizes


def _entry(value: bytes) -> Entry:
    message = Message(value)
    entry = Entry(
        dtype=message.number(1),
        shape=shape_of(Message(message.data(2))),
        shard=message.number(3),
        offset=message.number(4),
        size=message.number(5),
        crc=message.fixed32(6),
        whole=7 not in message,
    )
    if min(entry.shard, entry.offset, entry.size) < 0:
        raise WireError("an entry with a negative place")
    return entry
