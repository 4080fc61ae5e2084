"""Disks that are small or can't be written: a tmpfs where that may be mounted, else a pretence."""

from __future__ import annotations

import builtins
import errno
import io
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


def mounted(folder: Path, options: str) -> bool:
    """Mount a tmpfs; False where this process may not."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=True)


class SmallDisk:
    """A folder that holds so many bytes, until it is ``enlarge``d."""

    def __init__(self, folder: Path, size: int, real: bool) -> None:
        self.folder, self.size, self.real = folder, size, real

    def enlarge(self) -> None:
        self.size = 2**30
        if self.real:
            command = ["mount", "-o", f"remount,size={self.size}", str(self.folder)]
            subprocess.run(command, capture_output=True, check=True)

    def used(self) -> int:
        return sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file())


@contextmanager
def small_disk(folder: Path, size: int, real: bool) -> Generator[SmallDisk, None, None]:
    """A tmpfs of ``size`` bytes at ``folder`` or, if not ``real``, files that refuse to grow."""
    folder.mkdir()
    disk = SmallDisk(folder, size, real)
    if real:
        if not mounted(folder, f"size={size}"):
            pytest.skip("this process may mount nothing: the other case stands for it")
        try:
            yield disk
        finally:
            unmount(folder)
        return
    with pytest.MonkeyPatch.context() as patch:
        opener = io.open

        def opened(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
            stream = opener(file, mode, *args, **options)
            inside = isinstance(file, (str, os.PathLike)) and str(file).startswith(str(folder))
            return _Refusing(stream, disk) if inside and set(mode) & set("wax+") else stream

        patch.setattr(io, "open", opened)
        patch.setattr(builtins, "open", opened)
        yield disk


class _Refusing:
    """A file that has no room for what its disk has none for."""

    def __init__(self, stream: Any, disk: SmallDisk) -> None:
        self._stream, self._disk = stream, disk

    def write(self, data: Any) -> int:
        self._stream.flush()
        if self._disk.used() + len(data) > self._disk.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._stream.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> _Refusing:
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()

    def __iter__(self) -> Any:
        return iter(self._stream)


@contextmanager
def read_only(folder: Path) -> Generator[Path, None, None]:
    """An empty folder on a disk that is read only or, for who may not mount, that is closed."""
    folder.mkdir()
    real = mounted(folder, "ro,size=1m")
    if not real:
        folder.chmod(0o555)
        if os.access(folder, os.W_OK):
            pytest.skip("this process may write everywhere and mount nothing")
    try:
        yield folder
    finally:
        if real:
            unmount(folder)
        folder.chmod(0o755)
