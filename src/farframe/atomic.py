"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

_TEMPORARY = re.compile(r"\..+\.([0-9a-f]{8})-(\d+)-[0-9a-f]{6}\.tmp", re.DOTALL)
_LONGEST = 50  # characters of a name that are kept: file systems allow 255 bytes in all


@contextmanager
def replacing(path: Path) -> Generator[Path, None, None]:
    """A name to write to, beside ``path``: it takes ``path``'s place at the end, or vanishes.

    The name is hidden and new each time, so that neither readers of the folder nor other writers
    of the same file meet it. Close what is written before the block ends.
    """
    partial = temporary(path)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def temporary(path: Path) -> Path:
    """A new hidden name beside ``path``, which tells the machine and the process that took it."""
    mine = f"{_machine()}-{os.getpid()}-{secrets.token_hex(3)}"
    return path.with_name(f".{path.name[:_LONGEST]}.{mine}.tmp")


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders that killed processes of this machine left there."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _TEMPORARY.fullmatch(entry.name)
            if match and match[1] == _machine() and not _alive(int(match[2])):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    with suppress(OSError):
                        os.unlink(entry.path)


def _machine() -> str:
    """Eight hex digits of the host's name: folders may be shared with others."""
    return blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
