"""Which records of which files are read: all good ones whose numbers, if any, are of one width."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from farframe.data.source import DataError
from farframe.data.tfrecord_find import find_files
from farframe.data.tfrecord_index import ROW, FileIndex, index_file

_log = logging.getLogger("farframe")


def choose_records(
    path: Path, *, strict: bool, cache_dir: Path | None, store_index: bool
) -> tuple[Path, list[tuple[str, FileIndex]]]:
    """A folder and the files in it that hold good records; a warning a file for bad ones.

    Raises:
        DataError: if there is no readable record, or with ``strict`` at the first bad one.
    """
    root, names = find_files(path)
    indexed = ((root / name, _index(root / name, cache_dir, store_index)) for name in names)
    bad: list[tuple[Path, FileIndex]] = []
    good: list[tuple[str, FileIndex]] = []
    for name, (file, index) in zip(names, _of_one_width(indexed), strict=True):
        if index.problems:
            if strict:
                raise DataError(
                    f"{file}: {index.problems[0]}; mend or remove the file, or leave out "
                    "--data.strict to skip bad records"
                )
            bad.append((file, index))
        if len(index.rows):
            good.append((name, index))
    if not good:
        file, index = bad[0]
        complaint = f"{file}: {index.problems[0]}"
        raise DataError(f"{path} holds no readable clip: {complaint.removeprefix(f'{path}: ')}")
    for file, index in bad:  # where nothing is left, the error alone says it
        _warn(file, index)
    return root, good


def _of_one_width(
    indexed: Iterable[tuple[Path, FileIndex]],
) -> Iterator[tuple[Path, FileIndex]]:
    """The same, records whose actions or poses differ in width from the first's made bad ones.

    Records with neither go with all others: human data may lie beside a robot's.
    """
    first = None
    for path, index in indexed:
        rows = index.rows
        bare = (rows["actions"] == 0) & (rows["poses"] == 0)
        if first is None and not bare.all():
            first = rows[~bare][0], path
        if first is None:
            yield path, index
            continue
        row, file = first
        fits = bare | (rows["actions"] == row["actions"]) & (rows["poses"] == row["poses"])
        problems = [
            f"record {odd['number']}: actions of {odd['actions']} numbers and poses of "
            f"{odd['poses']}, but record {row['number']} of {file.name} has {row['actions']} and "
            f"{row['poses']}"
            for odd in rows[~fits]
        ]
        yield path, replace(index, rows=rows[fits], problems=(*index.problems, *problems))


def _index(path: Path, cache_dir: Path | None, store: bool) -> FileIndex:
    try:
        return index_file(path, cache_dir, store)
    except OSError as error:
        return FileIndex(np.empty(0, ROW), (f"can't be read: {error.strerror or error}",))


def _warn(path: Path, index: FileIndex) -> None:
    shown = "; ".join(index.problems[:3])
    more = len(index.problems) - 3
    _log.warning("%s: skipped %s%s", path, shown, f"; and {more} more records" if more > 0 else "")
