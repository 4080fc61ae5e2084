"""Action sequences that people hand in as a file: CSV, .npy or .npz."""

from __future__ import annotations

import io
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.lib.npyio import NpzFile

from farframe.data.source import DataError

SUFFIXES = (".csv", ".txt", ".npy", ".npz")
# All that NumPy has been seen to raise on files that are cut off, garbled or made to harm.
_BROKEN = (
    ValueError, EOFError, MemoryError, RuntimeError, ArithmeticError, LookupError, TypeError,
    SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def read_actions(path: Path, name: str = "actions") -> Float[np.ndarray, "t a"]:
    """Read one action a row, float32 (or one pose, if that is their ``name``).

    ``.csv`` and ``.txt``: numbers between commas, semicolons, tabs or spaces; a first line with
    names, empty lines and lines that start with ``#`` are skipped. ``.npy``: an array "t a", or
    "t" for actions of one number. ``.npz``: the same under the name ``actions`` (``name``).

    Raises:
        DataError: if the file is missing or is none of these, or a number isn't finite; the
            message names the line.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file of {name}")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: {name} must be a file that ends in {', '.join(SUFFIXES)}")
    try:
        actions = _text(path) if suffix in (".csv", ".txt") else _arrays(path, suffix, name)
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror or error})") from error
    if actions.ndim != 2 or not actions.size:
        raise DataError(
            f"{path}: holds an array of shape {actions.shape}, {name} are (frames, numbers)"
        )
    wrong = np.flatnonzero(~np.isfinite(actions).all(1))
    if wrong.size:
        raise DataError(f"{path}: {name[:-1]} {wrong[0]} (counted from 0) holds NaN or infinity")
    return actions


def _arrays(path: Path, suffix: str, name: str) -> np.ndarray:
    """Read a NumPy file; nothing is ever unpickled."""
    data = io.BytesIO(path.read_bytes())  # NumPy leaves files open that it can't read
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers of Python 2
            loaded = np.load(data, allow_pickle=False)
        if isinstance(loaded, NpzFile):
            if name not in loaded.files:
                names = ", ".join(loaded.files) or "nothing"
                raise DataError(f"{path}: has no array named {name}, it holds {names}")
            loaded = loaded[name]
    except DataError:
        raise
    except _BROKEN as error:
        reason = " ".join(str(error).split())[:80]
        raise DataError(f"{path}: is no {suffix} file of plain numbers ({reason})") from error
    if loaded.dtype.kind not in "fiub":
        raise DataError(f"{path}: must hold numbers, not {loaded.dtype}")
    with np.errstate(over="ignore"):  # what float32 can't hold becomes infinite and is refused
        return (loaded[:, None] if loaded.ndim == 1 else loaded).astype(np.float32)


def _text(path: Path) -> np.ndarray:
    """Read lines of numbers."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text; a CSV has one frame a line") from error
    rows: list[list[float]] = []
    width = first = 0
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            row = [float(cell) for cell in _cells(line)]
        except ValueError:
            row = []
        if not row:
            if not first:  # the line with the names
                first = number
                continue
            raise DataError(f"{path}: line {number} is no row of numbers: {line.strip()[:60]!r}")
        first = first or number
        width = width or len(row)
        if len(row) != width:
            raise DataError(f"{path}: line {number} has {len(row)} numbers, others have {width}")
        rows.append(row)
    if not rows:
        raise DataError(f"{path}: holds no numbers")
    with np.errstate(over="ignore"):
        return np.array(rows).astype(np.float32)


def _cells(line: str) -> list[str]:
    """Cut a line at its separators; one more at its end is forgiven."""
    for separator in (";", ",", "\t"):
        if separator in line:
            return line.strip().removesuffix(separator).split(separator)
    return line.split()
