"""HDF5 files as such: how they are recognised, opened, and kept open."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from farframe.data.files import is_regular
from farframe.data.source import DataError

SUFFIXES = (".hdf5", ".h5")
MAGIC = b"\x89HDF\r\n\x1a\n"

KEPT_OPEN = 16  # files of one source in one process


def is_hdf5(path: Path) -> bool:
    """Whether a file is named like HDF5."""
    return path.suffix.lower() in SUFFIXES and is_regular(path)


@contextmanager
def opened(path: Path) -> Generator[Any]:
    """An ``h5py.File`` to read from.

    Raises:
        DataError: if h5py is missing, or the file is none or damaged.
    """
    h5py = h5py_or_line()
    try:
        if not is_regular(path):
            raise DataError(f"{path} does not exist")
        with path.open("rb") as raw:
            if raw.read(len(MAGIC)) != MAGIC:
                raise DataError(f"{path} is no HDF5 file: copy it here again, or name another")
        with h5py.File(path, "r") as file:
            yield file
    except DataError:
        raise
    # What h5py raises for damaged files; KeyError and ValueError where parts are missing.
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:150] or type(error).__name__
        raise DataError(f"{path} can't be read ({reason}): copy it here again") from error


def h5py_or_line() -> Any:
    """The package h5py.

    Raises:
        DataError: if it is missing; the line says what to install.
    """
    try:
        import h5py
    except ImportError as error:
        raise DataError("HDF5 needs h5py: pip install 'farframe[hdf5]'") from error
    return h5py


class Hdf5Files:
    """The files that one process has open for one source, the last few used.

    A pickled copy starts with none, and so does a forked one: HDF5 can't share a file with its
    parent.
    """

    def __init__(self) -> None:
        self._process, self._lock = os.getpid(), threading.Lock()
        self._files: OrderedDict[Path, tuple[Any, ExitStack]] = OrderedDict()
        self._inherited: list[Any] = []

    def __getstate__(self) -> dict[str, object]:
        return {}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__()

    @contextmanager
    def file(self, path: Path) -> Generator[Any]:
        """An open file, for one thread at a time; damage met in it is a DataError."""
        if os.getpid() != self._process:
            inherited = [*self._inherited, self._files]
            self.__init__()
            self._inherited = inherited  # never used, never closed
        with self._lock:
            if path not in self._files:
                stack = ExitStack()
                self._files[path] = stack.enter_context(opened(path)), stack
            self._files.move_to_end(path)
            while len(self._files) > KEPT_OPEN:
                self._files.popitem(last=False)[1][1].close()
            try:
                yield self._files[path][0]
            except DataError:
                raise
            except (OSError, RuntimeError, KeyError, ValueError) as error:
                self._files.pop(path)[1].close()
                reason = " ".join(str(error).split())[:150]
                raise DataError(f"{path} can't be read ({reason})") from error
