"""TensorFlow's first checkpoint format: one file, as the original's ``vgg_16.ckpt`` is.

The file is a table (``tf_table``). Its empty key holds the names, types and shapes of all tensors
(``SavedTensorSliceMeta``); each tensor lies under a key made of its name and the slice of it that
is stored, as a ``SavedSlice``. Only whole tensors are read: the slice is all of every axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from farframe.interop.tf_bundle import DTYPES, shape_of
from farframe.interop.tf_table import CheckpointError, Table
from farframe.wire import Message, WireError, varint

_PACKED = {
    1: (5, "<f4"),
    2: (6, "<f8"),
}  # type -> field of TensorProto with the numbers as they are
_VARINTS = {3: 7, 4: 7, 5: 7, 6: 7, 9: 10, 10: 11}  # type -> field with numbers of variable length


@dataclass(frozen=True)
class _Tensor:
    dtype: int
    shape: tuple[int, ...]
    whole: bool


class Slices(Mapping[str, np.ndarray]):
    """The tensors of a checkpoint by name; each is read, and checked, when it is asked for."""

    def __init__(self, table: Table, tensors: Mapping[str, _Tensor]) -> None:
        self._table, self._tensors = table, tensors

    @staticmethod
    def open(path: Path) -> Slices:
        """Read what the file says of its tensors.

        Raises:
            CheckpointError: if it can't be read, or is no such file.
        """
        table = Table.open(path)
        try:
            meta = Message(Message(table.get(b"") or b"").data(1))
            tensors = dict(_described(Message(part)) for part in meta.parts(1))
        except WireError as error:
            raise CheckpointError(f"{path} is damaged: {error}") from None
        if not tensors:
            raise CheckpointError(f"{path} lists no tensors: not a TensorFlow checkpoint")
        return Slices(table, tensors)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __getitem__(self, name: str) -> Shaped[np.ndarray, ...]:
        """Read a tensor.

        Raises:
            CheckpointError: if the file is damaged, or the tensor of a type that is not read.
        """
        tensor, path = self._tensors[name], self._table.path
        if tensor.dtype not in DTYPES or not tensor.whole:
            what = "is stored in slices" if not tensor.whole else f"has type {tensor.dtype}"
            raise CheckpointError(f"{path}: {name} {what}, which farframe does not read")
        value = self._table.get(_key(name, len(tensor.shape)))
        if value is None:
            raise CheckpointError(f"{path} is damaged: {name} is listed but not there")
        try:
            saved = Message(Message(value).data(2))
            if saved.text(1) != name:
                raise WireError(f"{name} is stored under the key of {saved.text(1)!r:.60}")
            numbers = _numbers(Message(saved.data(3)), tensor.dtype)
        except WireError as error:
            raise CheckpointError(f"{path} is damaged: {error}") from None
        if numbers.size != math.prod(tensor.shape):
            raise CheckpointError(
                f"{path} is damaged: {name} has {numbers.size} numbers for shape {tensor.shape}"
            )
        return numbers.reshape(tensor.shape).copy()


def _described(message: Message) -> tuple[str, _Tensor]:
    """A SavedSliceMeta: name, type, shape, and whether its only slice is the whole."""
    slices = [[Message(e) for e in Message(s).parts(1)] for s in message.parts(4)]
    whole = len(slices) == 1 and not any(e.number(1) or 2 in e for e in slices[0])
    return message.text(1), _Tensor(message.number(3), shape_of(Message(message.data(2))), whole)


def _numbers(tensor: Message, dtype: int) -> Shaped[np.ndarray, " n"]:
    """The numbers of a TensorProto, in the field of their type."""
    if dtype in _PACKED:
        number, kind = _PACKED[dtype]
        data = b"".join(tensor.parts(number))
        if len(data) % np.dtype(kind).itemsize:
            raise WireError("a list of numbers that is cut off")
        return np.frombuffer(data, kind)
    if dtype not in _VARINTS:
        raise WireError(f"type number {dtype} is not read from this format")
    data, at = b"".join(tensor.parts(_VARINTS[dtype])), 0
    values: list[int] = []
    while at < len(data):
        value, at = varint(data, at, len(data))
        values.append(value)
    signed = np.array(values, np.uint64).view(np.int64)
    return signed.astype(DTYPES[dtype])


def _key(name: str, rank: int) -> bytes:
    """The key of a whole tensor: 0, its name, its rank, and (0, -1) for each axis.

    Numbers and text are written so that keys sort as what they mean
    (tensorflow/core/lib/strings/ordered_code.h).
    """
    text = name.encode().replace(b"\0", b"\0\xff")
    count = bytes((1, rank)) if rank else b"\0"
    return b"\0" + text + b"\0\1" + count + b"\x80\x7f" * rank
