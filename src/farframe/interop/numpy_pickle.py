"""Pickles of numpy arrays, read without running anything that they name.

Unpickling calls what a file says. Here it may say three names, and each of them stands for a record
that only remembers its arguments; arrays are then made from the bytes, after checking them.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Shaped

_KINDS = {"f2", "f4", "f8"}


class _Dtype:
    """A numpy dtype as pickled: its name, then its byte order."""

    def __init__(self, name: str, *_: object) -> None:
        self.name, self.order = name, "|"

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.order = str(state[1])


class _Array:
    """A numpy array as pickled: an empty one, then its shape, type, order and bytes."""

    state: tuple[Any, ...] = ()

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def value(self) -> Shaped[np.ndarray, ...]:
        """The array, if all that is said of it fits together."""
        _, shape, dtype, fortran, data = self.state
        if not isinstance(dtype, _Dtype) or dtype.name not in _KINDS or dtype.order not in "<>":
            raise ValueError("an array of numbers that are no floats")
        kind = np.dtype(f"{dtype.order}{dtype.name}")
        if len(data) != math.prod(shape) * kind.itemsize:
            raise ValueError("an array whose bytes don't fit its shape")
        return np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")


_ALLOWED: Mapping[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}")
        return _ALLOWED[module_name, global_name]


def read_arrays(path: Path) -> dict[str, Shaped[np.ndarray, ...]]:
    """The float arrays of a pickled tree of dictionaries, under names joined by slashes.

    Raises:
        ValueError: if the file can't be read, is damaged, or holds anything else.
    """
    try:
        with path.open("rb") as file:
            tree = _Unpickler(file).load()
        arrays: dict[str, np.ndarray] = {}
        _collect(tree, "", arrays)
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from None
    except Exception as error:  # pickle documents no set of errors for damaged files
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{path} is no pickle of numpy arrays, or is damaged: {reason:.120}"
        ) from None
    return arrays


def _collect(value: object, name: str, arrays: dict[str, np.ndarray]) -> None:
    if isinstance(value, _Array):
        arrays[name] = value.value()
    elif isinstance(value, dict):
        for key, inner in cast("dict[object, object]", value).items():
            _collect(inner, f"{name}/{key}" if name else str(key), arrays)
    else:
        raise ValueError(f"it holds a {type(value).__name__} beside arrays")
