"""Weights files of darknet, in which YOLO was trained: raw float32, one layer after another.

A file doesn't say what is in it: its length and a header of a few integers are all that can be
checked. So it is read against the layers that it must hold, to its last byte.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_SHORT, _LONG = struct.Struct("<3iI"), struct.Struct("<3iQ")
"""Major, minor and revision number, then the number of pictures trained on: 32 bits before 0.2."""


@dataclass(frozen=True)
class Conv:
    """A convolution: channels in and out, side of its kernel, and whether batch norm follows."""

    c_in: int
    c_out: int
    size: int
    norm: bool = True

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        """Its arrays in the file's order."""
        kernel = (self.c_out, self.c_in, self.size, self.size)
        names = ("bias", "scale", "mean", "var") if self.norm else ("bias",)
        return {name: (self.c_out,) for name in names} | {"weight": kernel}


def read_darknet(path: Path, layers: Sequence[Conv]) -> dict[str, Tensor]:
    """The arrays of a file: ``conv.N.weight`` (o i h w), ``.bias`` (o,), with norm its other parts.

    Raises:
        ValueError: if the file can't be read, holds more or less than these layers, or a number
            that is not finite.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from None
    start = _header(data, path)
    shapes = {f"conv.{n}.{k}": s for n, layer in enumerate(layers) for k, s in layer.parts.items()}
    wanted = 4 * sum(map(math.prod, shapes.values()))
    if len(data) - start != wanted:
        raise ValueError(
            f"{path} holds {len(data) - start:,} bytes of weights, but this network has {wanted:,}"
        )
    values = np.frombuffer(data, "<f4", offset=start)
    if not np.isfinite(values).all():
        raise ValueError(f"{path} holds weights that are not finite")
    tensors: dict[str, Tensor] = {}
    first = 0
    for name, shape in shapes.items():
        last = first + math.prod(shape)
        part = values[first:last].astype(np.float32).reshape(shape)  # astype copies: its own memory
        tensors[name] = torch.from_numpy(part)
        first = last
    return tensors


def _header(data: bytes, path: Path) -> int:
    """Bytes before the weights; darknet writes a longer count since its version 0.2."""
    if len(data) < _LONG.size:
        raise ValueError(f"{path} is no file of darknet's weights: it has {len(data)} bytes")
    major, minor, _, _ = _SHORT.unpack_from(data)
    if not (0 <= major < 10 and 0 <= minor < 10):
        raise ValueError(f"{path} is no file of darknet's weights: its version is {major}.{minor}")
    return (_LONG if 10 * major + minor >= 2 else _SHORT).size
