"""Which TFRecord files a path stands for, and what the first record in them holds."""

from __future__ import annotations

from pathlib import Path

from farframe.data.files import is_regular, walk
from farframe.data.source import DataError
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


def first_action_dim(path: Path) -> int:
    """Numbers in an action of the first good record, which decides for all; nothing is indexed.

    Raises:
        DataError: if there is no good record.
    """
    root, names = find_files(path)
    problem = ""
    for name in names:
        try:
            with (root / name).open("rb") as file:
                for found in scan(file, (root / name).stat().st_size):
                    try:
                        if not found.problem:
                            return parse_record(found.payload, camera=None).actions.shape[1]
                        raise RecordError(found.problem)
                    except RecordError as error:
                        problem = problem or f"{name}: record {found.number}: {error}"
        except OSError as error:
            problem = problem or f"{name}: can't be read: {error.strerror or error}"
    raise DataError(f"{path} holds no readable clip: {problem.removeprefix(f'{path.name}: ')}")
