"""Opening a TensorFlow checkpoint of either format by the name that people give it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from farframe.interop.tf_bundle import Bundle
from farframe.interop.tf_slices import Slices
from farframe.interop.tf_table import MAGIC, CheckpointError

_PART = re.compile(r"(.+)\.(index|meta|data-\d{5}-of-\d{5})")


def open_checkpoint(path: Path) -> Mapping[str, np.ndarray]:
    """The tensors of a checkpoint, each read when it is asked for.

    Args:
        path: a prefix (``model.ckpt-100`` for ``model.ckpt-100.index``), one of the prefix's files,
            or a checkpoint of a single file.

    Raises:
        CheckpointError: if there is none, or it is damaged.
    """
    prefix = prefix_of(path)
    if prefix is not None:
        return Bundle.open(prefix)
    if path.is_file():
        return Slices.open(path)
    if path.is_dir():
        found = sorted(p.name.removesuffix(".index") for p in path.glob("*.index"))
        wanted = f"such as {path / found[-1]}" if found else "but there is none (no *.index file)"
        raise CheckpointError(f"{path} is a folder: name a checkpoint in it, {wanted}")
    raise CheckpointError(f"{path}: there is no {path.name}.index, nor a file of that name")


def prefix_of(path: Path) -> Path | None:
    """The prefix that ``path`` is, or one of whose files it is; None if it is neither."""
    match = _PART.fullmatch(path.name)
    for prefix in (path, path.with_name(match[1]) if match else None):
        if not prefix or not prefix.name:
            continue
        if prefix.with_name(f"{prefix.name}.index").is_file():
            return prefix
    return None


def is_checkpoint(path: Path) -> bool:
    """Whether ``path`` names a TensorFlow checkpoint (one that may be damaged further in)."""
    if prefix_of(path) is not None:
        return True
    try:
        with path.open("rb") as file:
            file.seek(-8, 2)
            return int.from_bytes(file.read(8), "little") == MAGIC
    except OSError:  # no such file, a folder, or shorter than that
        return False
