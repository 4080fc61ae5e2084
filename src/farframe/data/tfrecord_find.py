"""Which TFRecord files a path stands for, and what the first record in them holds."""

from __future__ import annotations

from pathlib import Path

from farframe.data.files import is_regular, walk
from farframe.data.source import DataError
from farframe.data.tfrecord_dialects import widths_read
from farframe.data.tfrecord_example import parse_record
from farframe.data.tfrecord_features import RecordError
from farframe.data.tfrecord_file import NAMES, is_tfrecord, scan


def find_files(path: Path) -> tuple[Path, list[str]]:
    """A folder and the names of the TFRecord files below it that ``path`` stands for.

    Raises:
        DataError: if there is none.
    """
    if is_regular(path):
        return path.parent, [path.name]
    try:
        names = [f.relative_to(path).as_posix() for f in walk(path) if is_tfrecord(f)]
    except OSError as error:
        raise DataError(f"{error.filename or path} can't be listed: {error.strerror}") from error
    if not names:
        raise DataError(f"{path} holds no TFRecords ({NAMES}): name a folder or file that does")
    return path, names


def first_action_dim(path: Path, controls: str) -> int:
    """Numbers in an action of the data, from the first good record of a file; nothing is indexed.

    That of the first file whose record has actions or poses decides. ``controls`` is
    ``DataConfig.controls``.

    Raises:
        DataError: if there is no good record.
    """
    root, names = find_files(path)
    problem, found = "", None
    for name in names:
        try:
            mine = _first_widths(root / name)
            found = mine if found is None or any(mine) else found
        except RecordError as error:
            problem = problem or f"{name}: {error}"
        except OSError as error:
            problem = problem or f"{name}: can't be read: {error.strerror or error}"
        if found is not None and any(found):
            break
    if found is None:
        raise DataError(f"{path} holds no readable clip: {problem.removeprefix(f'{path.name}: ')}")
    return widths_read(found, controls)[0]


def _first_widths(file: Path) -> tuple[int, int]:
    """Numbers of an action and a pose in the first good record of a file.

    Raises:
        RecordError: if there is none, telling what is wrong with the first.
        OSError: if it can't be read.
    """
    problem = "it holds no records"
    with file.open("rb") as opened:
        for number, found in enumerate(scan(opened, file.stat().st_size)):
            try:
                if found.problem:
                    raise RecordError(found.problem)
                record = parse_record(found.payload, camera=None)
                return record.actions.shape[1], record.poses.shape[1]
            except RecordError as error:
                problem = f"record {found.number}: {error}" if number == 0 else problem
    raise RecordError(problem)
