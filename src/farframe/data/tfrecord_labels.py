"""Ground truth of generated worlds in a record's features, and back, decoded when it is looked at.

A clip's label ``name`` is one feature a frame, ``label_name_0``, ``label_name_1``, ...:

- uint8 pictures "t h w": a PNG of 8-bit grey;
- other floats "t ...": their numbers as float32, whole numbers and booleans as 64-bit integers.
  ``label_name_shape`` has the axes after t; without it they come back as "t n".
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image

from farframe.data.images import MAX_PIXELS
from farframe.data.source import DataError
from farframe.data.tfrecord_features import (
    PREFIX,
    RecordError,
    floats,
    integers,
    kind_of,
    one_value,
)

SOFT = "mask"
"""The one picture whose levels are shares of a pixel; in all others they are names of things."""

View = bytes | memoryview
Result = TypeVar("Result")


def label_names(features: Mapping[str, View], count: int) -> list[str]:
    """The labels that ``count`` frames have, each of them for all frames.

    Raises:
        RecordError: if one is there for some frames only.
    """
    counts: dict[str, int] = {}
    for key in features:
        name, _, number = key[len(PREFIX) :].rpartition("_")
        if name and number.isascii() and number.isdigit():
            counts[name] = counts.get(name, 0) + 1
    for name, found in counts.items():
        missing = (i for i in range(count) if f"{PREFIX}{name}_{i}" not in features)
        first = next(missing, None)
        if first is not None:
            raise RecordError(
                f"{PREFIX}{name}_{first} is missing though {found} other frame(s) have one"
            )
    return sorted(counts)


class Labels(Mapping[str, np.ndarray]):
    """The labels of some frames of a record; each is decoded when it is first looked at.

    Pictures become squares of ``side`` pixels: names of things by the nearest pixel that the
    frames' own resizing takes (``resize.py``), the soft mask by area. A pickled copy is a dict.
    """

    def __init__(
        self, features: Mapping[str, View], count: int, frames: Sequence[int], side: int, where: str
    ) -> None:
        self._features, self._count = features, count
        self._frames, self._side, self._where = frames, side, where
        self._names: list[str] | None = None
        self._decoded: dict[str, Shaped[np.ndarray, "t ..."]] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def __contains__(self, name: object) -> bool:
        return name in self._known()  # Mapping's own would decode

    def __getitem__(self, name: str) -> Shaped[np.ndarray, "t ..."]:
        if name not in self._decoded:
            if name not in self:
                raise KeyError(name)
            self._decoded[name] = self._told(partial(self._decode, name))
        return self._decoded[name]

    def __repr__(self) -> str:
        return f"Labels({self._known()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)

    def _known(self) -> list[str]:
        if self._names is None:
            self._names = self._told(partial(label_names, self._features, self._count))
        return self._names

    def _told(self, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except (RecordError, ValueError) as error:
            raise DataError(f"{self._where}: {error}; mend the file and start again") from error

    def _decode(self, name: str) -> Shaped[np.ndarray, "t ..."]:
        first, kind = self._value(f"{PREFIX}{name}_0")
        if kind == 1:
            out = np.empty((len(self._frames), self._side, self._side), np.uint8)
            for row, t in zip(out, self._frames, strict=True):
                key = f"{PREFIX}{name}_{t}"
                row[:] = _square(_grey(self._value(key, 1)[0], key), self._side, name == SOFT)
            return out
        dtype = np.dtype("<f4") if kind == 2 else np.dtype(np.int64)
        rows = [self._value(f"{PREFIX}{name}_{t}", kind)[0] for t in self._frames]
        if any(len(row) != len(first) for row in rows):
            raise RecordError(f"label {name} has different counts of numbers in different frames")
        values = np.frombuffer(b"".join(rows), dtype).astype(dtype.newbyteorder("="))
        shape = [len(first) // dtype.itemsize]
        key = f"{PREFIX}{name}_shape"
        if key in self._features:
            shape = self._integers(key)
        return values.reshape(len(self._frames), *shape)

    def _value(self, key: str, kind: int = 0) -> tuple[bytes, int]:
        """The bytes of a feature of this kind, or of any (``tfrecord_features.kind_of``)."""
        data = bytes(self._features[key])
        features = {key: (0, len(data))}
        kind = kind or kind_of(data, features, key)
        if kind == 1:
            return data[slice(*one_value(data, features, key))], kind
        if kind == 3:
            return np.array(integers(data, features, key), np.int64).tobytes(), kind
        return floats(data, features, key), 2

    def _integers(self, key: str) -> list[int]:
        data = bytes(self._features[key])
        return integers(data, {key: (0, len(data))}, key)


def _grey(data: bytes, key: str) -> UInt8[np.ndarray, "h w"]:
    try:
        image = Image.open(io.BytesIO(data), formats=("PNG",))
        if image.mode != "L" or image.width * image.height > MAX_PIXELS:
            raise ValueError(f"it is {image.mode} of {image.width}x{image.height}, not 8-bit grey")
        return np.asarray(image)
    # Pillow's decoders meet hostile bytes with a dozen kinds of exceptions.
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise RecordError(f"{key} can't be decoded: {reason}") from error


def _square(
    picture: UInt8[np.ndarray, "h w"], side: int, soft: bool
) -> UInt8[np.ndarray, "side side"]:
    if picture.shape == (side, side):
        return picture
    if soft:
        image = Image.fromarray(picture)
        return np.asarray(image.resize((side, side), Image.Resampling.BOX))
    rows, columns = (np.arange(side) * given // side for given in picture.shape)
    return picture[rows[:, None], columns]
