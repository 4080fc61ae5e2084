"""Text files of numbers: CSV and its cousins, with or without a line of names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from farframe.data.source import DataError


def read_number_text(path: Path) -> tuple[tuple[str, ...], Float[np.ndarray, "n k"]]:
    """The names of the columns, () if there are none, and the rows, float64.

    Numbers stand between commas, semicolons, tabs or spaces. A first line that is none of numbers
    has the names; empty lines and lines that start with ``#`` are skipped.

    Raises:
        DataError: if it is no such file; the message names the line.
        OSError: if it can't be read.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text; a CSV of actions has one action a line") from error
    rows: list[list[float]] = []
    names: tuple[str, ...] = ()
    width = first = 0
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            row = [float(cell) for cell in _cells(line)]
        except ValueError:
            row = []
        if not row:
            if not first:
                first, names = number, tuple(cell.strip().strip("\"'") for cell in _cells(line))
                continue
            raise DataError(f"{path}: line {number} is no row of numbers: {line.strip()[:60]!r}")
        first = first or number
        width = width or len(row)
        if len(row) != width:
            raise DataError(f"{path}: line {number} has {len(row)} numbers, others have {width}")
        rows.append(row)
    if not rows:
        raise DataError(f"{path}: holds no numbers")
    return names, np.array(rows)


def _cells(line: str) -> list[str]:
    """Cut a line at its separators; one more at its end is forgiven."""
    for separator in (";", ",", "\t"):
        if separator in line:
            return line.strip().removesuffix(separator).split(separator)
    return line.split()
