"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Generator[Path, None, None]:
    """A name to write to, beside ``path``: it takes ``path``'s place at the end, or vanishes.

    The name is hidden and new each time, so that neither readers of the folder nor other writers
    of the same file meet it. Close what is written before the block ends.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
