"""Recordings whose frames are PNG or JPEG pictures in a column of a Parquet file: a decoder."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from farframe.data.arrow import ParquetError, open_parquet
from farframe.data.frame_store import runs_of
from farframe.data.images import ImageError, decode_images
from farframe.data.source import DataError
from farframe.data.square import View

_KEPT = 2  # row groups whose encoded pictures a process keeps while it streams
_BATCH = 64  # rows that are read at once on the way through a file


@dataclass(frozen=True, kw_only=True)
class ImagePiece:
    """One recording: the rows of a Parquet file that hold its pictures, in ascending order.

    ``name`` is the file in messages.
    """

    name: str
    path: Path
    numbers: Int[np.ndarray, " n"]


class ParquetImages:
    """Decodes pictures in a column ``bytes, path`` to squares; see ``frame_store.Decoder``."""

    def __init__(self, pieces: Sequence[ImagePiece], column: str, view: View) -> None:
        self._pieces, self._column, self._view = tuple(pieces), column, view
        self.lengths = [len(piece.numbers) for piece in self._pieces]
        self.runs = runs_of([piece.path for piece in self._pieces])
        self._groups = _Groups()

    def some(self, index: int, frames: Sequence[int]) -> Iterator[UInt8[np.ndarray, "3 s s"]]:
        """Frames of one recording, ascending."""
        piece = self._pieces[index]
        rows = piece.numbers[np.asarray(frames, dtype=np.int64)].tolist()
        yield from self._squares(piece, rows, self._groups.rows(piece.path, self._column, rows))

    def all(self, run: range, stop: threading.Event) -> Iterator[UInt8[np.ndarray, "3 s s"]]:
        """All frames of the recordings of one file, in few passes."""
        first = self._pieces[run.start]
        every = np.concatenate([self._pieces[index].numbers for index in run])
        for part in np.split(every, np.flatnonzero(np.diff(every) < 0) + 1):
            rows: list[int] = part.tolist()
            for square in self._squares(first, rows, _through(first.path, self._column, rows)):
                if stop.is_set():
                    return
                yield square

    def _squares(
        self, piece: ImagePiece, rows: Sequence[int], encoded: Iterator[Any]
    ) -> Iterator[UInt8[np.ndarray, "3 s s"]]:
        """Decode pictures; a picture whose bytes are elsewhere is read from there."""
        made = -1, np.empty((3, 0, 0), np.uint8)
        try:
            for row in rows:
                if row != made[0]:
                    made = row, self._square(_bytes(next(encoded), piece.path, self._column))
                yield made[1]
        except (ParquetError, ImageError, StopIteration) as error:
            why = str(error) or "it has changed since it was opened"
            raise DataError(f"{piece.name}: {self._column}: {why}") from error

    def _square(self, encoded: bytes) -> UInt8[np.ndarray, "3 s s"]:
        (pixels,) = decode_images([encoded])
        height, width = pixels.shape[:2]
        if complaint := self._view.complaint(width, height):
            raise ParquetError(complaint)
        return self._view.square(pixels, width, height)


def _bytes(cell: Any, table: Path, column: str) -> bytes:
    """A picture's file, out of its cell or from beside the tables."""
    found = cell.as_py()
    if isinstance(found, bytes):
        return found
    data, name = (found or {}).get("bytes"), (found or {}).get("path")
    if data is not None:
        return data
    # Data sets that are being recorded name files below their folder: data/chunk-000/x.parquet.
    if not name or ".." in Path(name).parts or Path(name).is_absolute():
        raise ParquetError("a row holds no picture")
    try:
        return (table.parents[2] / name).read_bytes()
    except OSError as error:
        raise ParquetError(f"its picture {name} can't be read ({error.strerror})") from error


def _through(path: Path, column: str, rows: Sequence[int]) -> Iterator[Any]:
    """The cells of ascending rows, each row once, without holding more than a batch in memory."""
    with open_parquet(path) as file:
        at, wanted, done = 0, list(dict.fromkeys(rows)), 0
        for group in range(file.num_row_groups):
            stop = at + file.metadata.row_group(group).num_rows
            if done < len(wanted) and wanted[done] < stop:
                try:
                    batches = file.iter_batches(
                        _BATCH, row_groups=[group], columns=[column], use_threads=False
                    )
                    for batch in batches:
                        end = at + batch.num_rows
                        while done < len(wanted) and wanted[done] < end:
                            yield batch.column(0)[wanted[done] - at]
                            done += 1
                        at = end
                except (OSError, ValueError, RuntimeError, MemoryError) as error:
                    raise ParquetError(f"it is damaged ({error})") from error
            at = stop


class _Groups:
    """The last row groups that a process has read; a copy, pickled or forked, starts with none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Path, int], Any] = OrderedDict()
        self._bounds: dict[Path, np.ndarray] = {}

    def __getstate__(self) -> dict[str, object]:
        return {}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__()

    def rows(self, path: Path, column: str, rows: Sequence[int]) -> Iterator[Any]:
        """The cells of ascending rows, each row once."""
        for row in dict.fromkeys(rows):
            with self._lock:
                if path not in self._bounds:
                    with open_parquet(path) as file:
                        groups = range(file.num_row_groups)
                        sizes = [file.metadata.row_group(g).num_rows for g in groups]
                    self._bounds[path] = np.cumsum([0, *sizes])
                bounds = self._bounds[path]
                group = int(np.searchsorted(bounds, row, side="right")) - 1
                cells = self._group(path, column, group)
            yield cells[row - int(bounds[group])]

    def _group(self, path: Path, column: str, group: int) -> Any:
        cells = self._kept.pop((path, group), None)
        if cells is None:
            with open_parquet(path) as file:
                try:
                    table = file.read_row_group(group, columns=[column], use_threads=False)
                except (OSError, ValueError, RuntimeError, MemoryError, IndexError) as error:
                    raise ParquetError(f"it is damaged ({error})") from error
            cells = table.column(0)
        self._kept[path, group] = cells
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return cells
