"""Action sequences that people hand in as a file: CSV, .npy or .npz."""

from __future__ import annotations

import io
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.lib.npyio import NpzFile

from farframe.data.number_text import read_number_text
from farframe.data.source import DataError

SUFFIXES = (".csv", ".txt", ".npy", ".npz")
# All that NumPy has been seen to raise on files that are cut off, garbled or made to harm.
BROKEN = (
    ValueError, EOFError, MemoryError, RuntimeError, ArithmeticError, LookupError, TypeError,
    SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def read_actions(path: Path, name: str = "actions") -> Float[np.ndarray, "t a"]:
    """Read one action a row, float32 (or one pose, if that is their ``name``).

    ``.csv`` and ``.txt``: as ``number_text`` reads them; where a line of names has any that begin
    with ``action`` (``pose``), only these columns count. ``.npy``: an array "t a", or "t" for
    actions of one number. ``.npz``: the same under the name ``actions`` (``name``).

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
        actions = (
            _text(path, name[:-1]) if suffix in (".csv", ".txt") else _arrays(path, suffix, name)
        )
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


def load_arrays(path: Path, only: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of a NumPy file by name, a ``.npy``'s as ``actions``; nothing is ever unpickled.

    With ``only`` those of other names are there, but empty.

    Raises:
        OSError: if it can't be read; or one of ``BROKEN``.
    """
    data = io.BytesIO(path.read_bytes())  # NumPy leaves files open that it can't read
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers of Python 2
        loaded = np.load(data, allow_pickle=False)
    if isinstance(loaded, NpzFile):
        wanted = loaded.files if only is None else only
        return {n: loaded[n] if n in wanted else np.empty(0) for n in loaded.files}
    return {"actions": loaded}


def _arrays(path: Path, suffix: str, name: str) -> np.ndarray:
    """Read an array of a NumPy file; a ``.npy`` has only one, whatever it is called."""
    try:
        arrays = load_arrays(path, [name])
    except BROKEN as error:
        reason = " ".join(str(error).split())[:80]
        raise DataError(f"{path}: is no {suffix} file of plain numbers ({reason})") from error
    wanted = "actions" if suffix == ".npy" else name
    if wanted not in arrays:
        names = ", ".join(arrays) or "nothing"
        raise DataError(f"{path}: has no array named {wanted}, it holds {names}")
    loaded = arrays[wanted]
    if loaded.dtype.kind not in "fiub":
        raise DataError(f"{path}: must hold numbers, not {loaded.dtype}")
    with np.errstate(over="ignore"):  # what float32 can't hold becomes infinite and is refused
        return (loaded[:, None] if loaded.ndim == 1 else loaded).astype(np.float32)


def _text(path: Path, word: str) -> np.ndarray:
    """Read lines of numbers: all columns, or those that begin with the word where names tell."""
    names, rows = read_number_text(path)
    chosen = [i for i, name in enumerate(names) if name.lower().startswith(word)]
    if chosen and len(names) == rows.shape[1]:
        rows = rows[:, chosen]
    with np.errstate(over="ignore"):
        return rows.astype(np.float32)
