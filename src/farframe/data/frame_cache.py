"""Decoded frames as one memory-mapped array: written once, whole or not at all.

The file is an ordinary ``.npy`` of uint8, shape (frames, 3, h, w).
"""

from __future__ import annotations

import io
import logging
import math
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from farframe.data.concurrency import side_by_side
from farframe.data.progress import progress
from farframe.data.source import DataError

logger = logging.getLogger("farframe")
SPARE = 64 * 2**20  # bytes that must stay free on the disk
REPORT = 32  # frames between reports of progress

FrameWriter = Callable[[int, threading.Event], Iterator[UInt8[np.ndarray, "3 s s"]]]
"""Gives the frames of one recording in order; stops early once the event is set."""


class FrameCache:
    """The decoded frames of one data set in one file; picklable, mapped when first read."""

    def __init__(self, path: Path, count: int, frame_size: int) -> None:
        self.path = path
        self._shape = count, 3, frame_size, frame_size
        self._mapped: UInt8[np.ndarray, "n 3 s s"] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_mapped": None}  # a memmap would be pickled with all its bytes

    def whole(self) -> bool:
        """Whether the file is there, and of this shape."""
        header = _header(self._shape)
        try:
            with self.path.open("rb") as file:
                return (
                    file.read(len(header)) == header
                    and self._bytes() == os.fstat(file.fileno()).st_size
                )
        except OSError:
            return False

    def read(self, rows: Int[np.ndarray, " t"]) -> UInt8[np.ndarray, "t 3 s s"]:
        """Copies of frames.

        Raises:
            DataError: if the file is gone.
        """
        if self._mapped is None:
            if not self.whole():
                raise DataError(f"{self.path} is gone or damaged: start again to decode anew")
            offset = len(_header(self._shape))
            mapped = np.memmap(self.path, np.uint8, "r", offset, self._shape)
            self._mapped = np.asarray(mapped)  # a plain array, so that what is read is one too
        return self._mapped[rows]

    def write(self, lengths: Sequence[int], frames: FrameWriter) -> None:
        """Write the frames of all recordings, one after another, and rename when whole.

        Recordings are decoded side by side, as many as there are processors.

        Raises:
            DataError: if the disk has too little room, or a recording can't be read any more.
        """
        assert sum(lengths) == self._shape[0]
        part, stop = self.path.with_name(self.path.name + ".tmp"), threading.Event()
        starts = np.cumsum([0, *lengths]).tolist()
        try:
            self._make_room()
            with part.open("wb") as file:
                file.write(_header(self._shape))
                file.truncate(self._bytes())
            with progress("decoding", self._shape[0], "frames") as advance:

                def work(index: int) -> None:
                    rows = range(starts[index], starts[index + 1])
                    self._copy(part, rows, frames(index, stop), advance)

                side_by_side(len(lengths), work, stop)
            os.replace(part, self.path)
        except OSError as error:
            raise DataError(f"can't write {self.path} ({error.strerror}){_WAY_OUT}") from error
        finally:
            with suppress(OSError):
                part.unlink()

    def _copy(
        self,
        part: Path,
        rows: range,
        frames: Iterator[UInt8[np.ndarray, "3 s s"]],
        advance: Callable[[int], None],
    ) -> None:
        # Plain writing: where a disk fills up, writing to a map would kill the process.
        written = 0
        with part.open("r+b") as file:
            file.seek(self._bytes(rows.start))
            for frame in frames:
                assert frame.shape == self._shape[1:]
                file.write(frame.tobytes())
                written += 1
                if written % REPORT == 0:
                    advance(REPORT)
            advance(written % REPORT)
            file.flush()
            os.fsync(file.fileno())
        if written != len(rows):
            raise InterruptedError(0, "stopped")

    def _bytes(self, rows: int | None = None) -> int:
        """Size of the file up to a row."""
        count, *frame = self._shape
        return len(_header(self._shape)) + (count if rows is None else rows) * math.prod(frame)

    def _make_room(self) -> None:
        folder, size = self.path.parent, self._bytes()
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob("frames-*.npy.tmp"):  # of a killed process: see ``locked``
            leftover.unlink(missing_ok=True)
        free = shutil.disk_usage(folder).free
        count, _, side, _ = self._shape
        logger.info("caching %d frames of %dx%d: %s in %s", count, side, side, _text(size), folder)
        if size + SPARE > free:
            raise DataError(
                f"decoded frames would take {_text(size)} in {folder}, where {_text(free)} are "
                f"free{_WAY_OUT}"
            )


_WAY_OUT = ": stream instead with --data.cache off, or free some space"


def _header(shape: tuple[int, ...]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    return out.getvalue()


def _text(size: int) -> str:
    count = float(size)
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"
