"""Parquet files as NumPy arrays, by pyarrow, which is optional."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from farframe.data.source import DataError


class ParquetError(DataError):
    """Why a Parquet file or a column can't be read; says no file name, whoever catches it does."""


def parquet() -> Any:
    """The module ``pyarrow.parquet``.

    Raises:
        DataError: if pyarrow isn't installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(
            "Parquet files and LeRobot data need pyarrow: pip install 'farframe[lerobot]'"
        ) from error
    return pyarrow.parquet


def open_parquet(path: Path) -> Any:
    """A ``pyarrow.parquet.ParquetFile``; close it.

    Raises:
        ParquetError: if the file is missing or damaged.
        DataError: if pyarrow isn't installed.
    """
    module = parquet()
    try:
        return module.ParquetFile(path)
    except OSError as error:
        raise ParquetError(_why(error)) from error
    except (ValueError, RuntimeError, MemoryError) as error:
        raise ParquetError(f"it is no Parquet file ({_why(error)})") from error


def read_columns(path: Path, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Columns of a Parquet file as Arrow's chunked arrays, all of them or those of ``names``.

    Raises:
        ParquetError: if the file is missing or damaged, or lacks a column.
        DataError: if pyarrow isn't installed.
    """
    file = open_parquet(path)
    with file:
        there: list[str] = file.schema_arrow.names
        wanted = there if names is None else list(names)
        if lacking := [name for name in wanted if name not in there]:
            raise ParquetError(f"it has no column {lacking[0]} (it has {', '.join(there)})")
        try:
            table = file.read(columns=wanted, use_threads=False)
            return {name: table.column(name) for name in wanted}
        except (OSError, ValueError, RuntimeError, MemoryError, KeyError) as error:
            raise ParquetError(f"it is damaged ({_why(error)})") from error


def numbers(name: str, column: Any) -> Shaped[np.ndarray, "n k"]:
    """A column of numbers, or of equally long (nested) lists of numbers, one row a row.

    Raises:
        ParquetError: if it holds anything else, or gaps.
    """
    array = column.combine_chunks()
    if getattr(array, "num_chunks", None) is not None:  # empty, or too long for one chunk
        array = array.chunk(0) if array.num_chunks else array
    rows, width = len(array), 1
    while True:
        array = getattr(array, "storage", array)
        if array.null_count:
            raise ParquetError(f"its column {name} has rows without a value")
        kind = str(array.type)
        if not kind.startswith(("fixed_size_list", "list", "large_list")):
            break
        inner = array.flatten()
        each = len(inner) // len(array) if len(array) else 0
        if not kind.startswith("fixed_size_list"):
            lengths = np.diff(array.offsets.to_numpy(zero_copy_only=False))
            if len(lengths) and (lengths != each).any():
                raise ParquetError(f"its column {name} has lists of different lengths")
        array, width = inner, width * each
    try:
        values = np.asarray(array.to_numpy(zero_copy_only=False))
    except (ValueError, NotImplementedError) as error:
        raise ParquetError(f"its column {name} holds no numbers ({kind})") from error
    if values.dtype.kind not in "fiub":
        raise ParquetError(f"its column {name} holds {kind}, not numbers")
    return values.reshape(rows, width)


def _why(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:160]
