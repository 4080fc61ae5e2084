"""Actions and poses that lie beside the frames they belong to: ``actions.csv``, ``poses.npy``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from farframe.data.actions import SUFFIXES, read_actions
from farframe.data.source import DataError

Name = Literal["actions", "poses"]


def table_beside(folder: Path, name: Name) -> Float[np.ndarray, "t n"] | None:
    """The table called ``name`` in a folder, a row a frame, or None if there is none.

    Raises:
        DataError: if there are several, or it can't be read (see ``read_actions``).
    """
    file = file_beside(folder, name)
    return None if file is None else read_actions(file, name)


def file_beside(folder: Path, name: Name) -> Path | None:
    """The file of that table.

    Raises:
        DataError: if there are several.
    """
    found = [file for file in (folder / f"{name}{s}" for s in SUFFIXES) if file.is_file()]
    if len(found) > 1:
        files = " and ".join(file.name for file in found)
        raise DataError(f"{folder} holds both {files}: remove one")
    return found[0] if found else None
