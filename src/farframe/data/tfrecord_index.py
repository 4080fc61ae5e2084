"""Where each record of a TFRecord file lies, so that any can be read first.

The index of a file is kept in a small sidecar in a folder ``.farframe-index`` beside it or, where
that can't be written, in the cache folder; by a hashed name, lest some program's glob for
``*train*`` takes it for data. It holds the file's size and time of change and is rebuilt when these
differ. A file with bad records gets none, so that they are looked for, and reported, every time.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from farframe.atomic import replacing
from farframe.data.files import is_regular
from farframe.data.tfrecord_dialects import DIALECTS
from farframe.data.tfrecord_example import parse_record
from farframe.data.tfrecord_features import RecordError
from farframe.data.tfrecord_file import FOOTER, HEADER, Framed, masked_crc, scan
from farframe.data.tfrecord_labels import label_names

PLACE = np.dtype(
    [("number", "<u4"), ("frames", "<u4"), ("offset", "<u8"), ("length", "<u8"), ("crc", "<u4")]
)
"""A good record: its number in the file, its frames, where its payload lies, its checksum."""

ROW = np.dtype(
    [
        *((name, PLACE[name]) for name in PLACE.names or ()),
        *(("actions", "<u2"), ("poses", "<u2"), ("fps", "<f8"), ("dialect", "u1")),
    ]
)
"""The same and what is in it: numbers of an action and of a pose, its rate (0: it says none), and
which of ``DIALECTS`` it is in."""

SIDECARS = ".farframe-index"

_HEAD = struct.Struct("<8sQqI")  # magic, the file's size, its mtime in ns, number of rows
_MAGIC = b"ffindex2"
_FRAMING = HEADER.size + FOOTER.size


@dataclass(frozen=True)
class FileIndex:
    """The good records of one file, and what is wrong with the others."""

    rows: NDArray[Any]
    problems: tuple[str, ...] = ()


def index_file(path: Path, cache_dir: Path | None = None, store: bool = True) -> FileIndex:
    """Take a file's index from its sidecar, or build and, if wanted and possible, store it.

    Raises:
        OSError: if the file can't be read.
    """
    before = path.stat()
    places = _sidecars(path, cache_dir)
    for place in places:
        rows = load_sidecar(place, before.st_size, before.st_mtime_ns)
        if rows is not None:
            return FileIndex(rows)
    index = build_index(path, before.st_size)
    after = path.stat()
    unchanged = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    if store and unchanged and not index.problems:
        _store(places, before.st_size, before.st_mtime_ns, index.rows)
    return index


def build_index(path: Path, size: int) -> FileIndex:
    """Read all of a file: both checksums of every record, its fields, but no pixels."""
    rows: list[tuple[int | float, ...]] = []
    problems: list[str] = []
    with path.open("rb") as file:
        for found in scan(file, size):
            problem = found.problem
            if not problem:
                try:
                    rows.append(_row(found))
                except RecordError as error:
                    problem = str(error)
            if problem:
                problems.append(f"record {found.number}: {problem}")
    return FileIndex(np.array(rows, ROW), tuple(problems))


def _row(found: Framed) -> tuple[int | float, ...]:
    record = parse_record(found.payload, camera=None)
    label_names(record.labels, len(record.images))
    return (
        *(found.number, len(record.images), found.offset, len(found.payload), found.crc),
        *(record.actions.shape[1], record.poses.shape[1], record.fps),
        DIALECTS.index(record.dialect),
    )


def load_sidecar(place: Path, size: int, mtime_ns: int) -> NDArray[Any] | None:
    """The rows of a sidecar if it is whole, sane and of that very file, else None."""
    most = _HEAD.size + ROW.itemsize * (size // _FRAMING) + FOOTER.size
    try:
        if not is_regular(place) or place.stat().st_size > most:
            return None
        data = place.read_bytes()
    except OSError:
        return None
    body, footer = data[: -FOOTER.size], data[-FOOTER.size :]
    if len(body) < _HEAD.size or FOOTER.unpack(footer)[0] != masked_crc(body):
        return None
    count = (len(body) - _HEAD.size) // ROW.itemsize
    if body[: _HEAD.size] != _HEAD.pack(_MAGIC, size, mtime_ns, count):
        return None
    if len(body) != _HEAD.size + count * ROW.itemsize:
        return None
    rows = np.frombuffer(body, ROW, offset=_HEAD.size)
    return rows if _sane(rows, size) else None


def _sane(rows: NDArray[Any], size: int) -> bool:
    """Whether records follow each other inside of the file and none claims absurdly many frames."""
    offset, length = rows["offset"], rows["length"]
    if (np.maximum(offset, length) > size).any():  # the sums below can't overflow after this
        return False
    ends = offset + length + np.uint64(FOOTER.size)
    starts = np.concatenate((np.zeros(1, np.uint64), ends[:-1])) + np.uint64(HEADER.size)
    inside = (offset >= starts[: len(offset)]).all() and (ends <= size).all()
    numbers_rise = (rows["number"][1:] > rows["number"][:-1]).all()
    frames_fit = ((rows["frames"] >= 1) & (rows["frames"] <= length)).all()
    rates_fit = (np.isfinite(rows["fps"]) & (rows["fps"] >= 0)).all()
    known = (rows["dialect"] < len(DIALECTS)).all()
    return bool(inside and numbers_rise and frames_fit and rates_fit and known)


def _store(places: Sequence[Path], size: int, mtime_ns: int, rows: NDArray[Any]) -> None:
    """Write the sidecar to the first place that takes it; without any, memory has to do."""
    body = _HEAD.pack(_MAGIC, size, mtime_ns, len(rows)) + rows.tobytes()
    for place in places:
        with suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            with replacing(place) as partial:
                partial.write_bytes(body + FOOTER.pack(masked_crc(body)))
            return


def _sidecars(path: Path, cache_dir: Path | None) -> tuple[Path, ...]:
    beside = path.parent / SIDECARS / f"{_short(path.name)}.index"
    if cache_dir is None:
        return (beside,)
    # Files of one name may lie in many folders.
    return beside, cache_dir / SIDECARS.lstrip(".") / f"{_short(path.absolute())}.index"


def _short(name: str | Path) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:24]
