"""Files in other places than the local disk, by fsspec: s3://, gs://, hf://, https://, memory://.

``located`` gives the path that a configuration names. A remote one reads like a local one: sources
that open, list and read through ``Path`` need not know. Nothing is ever written there.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PosixPath
from typing import Any, TypeVar, cast
from urllib.parse import unquote, urlsplit

T = TypeVar("T")

BLOCK = 8 * 2**20
"""Bytes of a request where a file is read from one end to the other."""

_URL = re.compile(r"[a-z][a-z0-9+.:-]*:/.*", re.IGNORECASE | re.DOTALL)
_TRIES = (0.5, 2.0)  # seconds before trying once more: a network has its moments


def located(text: str) -> Path:
    """The path that a user names: local, ``file://`` or remote; ``~`` is the home folder."""
    if text.startswith("file://"):
        return Path(unquote(urlsplit(text).path))
    return RemotePath(text) if "://" in text else Path(os.path.expanduser(text))


class RemotePath(PosixPath):
    """A file or folder that fsspec reaches. What this computer's system would do, it can't.

    All errors are OSErrors, a missing package included.
    """

    @property
    def url(self) -> str:
        """As the user writes it."""
        return str(self)

    def __str__(self) -> str:
        text = super().__str__()
        return re.sub(r":/(?!/)", "://", text, count=1) if _URL.fullmatch(text) else text

    def __fspath__(self) -> str:
        return str(self)  # no file of this computer has such a name

    def absolute(self) -> RemotePath:
        """Itself."""
        return self

    def expanduser(self) -> RemotePath:
        """Itself."""
        return self

    def resolve(self, strict: bool = False) -> RemotePath:
        """Itself."""
        del strict
        return self

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Size, kind, and a time of change that differs whenever anything about the file does."""
        del follow_symlinks
        fs, key = self.place()
        info = self.tried(lambda: fs.info(key))
        folder = info["type"] == "directory"
        mark = 0 if folder else _mark(fs, key, info)
        mode = (stat.S_IFDIR if folder else stat.S_IFREG) | 0o444
        size = int(info.get("size") or 0)
        seconds, rest = divmod(mark, 10**9)
        # The ten of a tuple, then times in nanoseconds by name.
        return os.stat_result(
            (mode, 0, 0, 1, 0, 0, size, seconds, seconds, seconds),
            {"st_atime_ns": mark, "st_mtime_ns": seconds * 10**9 + rest, "st_ctime_ns": mark},
        )

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is there; raises OSError if that can't be told."""
        del follow_symlinks
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a folder."""
        del follow_symlinks
        try:
            return stat.S_ISDIR(self.stat().st_mode)
        except FileNotFoundError:
            return False

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a file."""
        return self.exists() and not self.is_dir()

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Refuse: remote places are read only."""
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    def open(  # type: ignore[override]
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        """Open for reading, in blocks or, unbuffered, by one request for each ``read``."""
        if set(mode) - set("rbt"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))
        parts = _Parts(self)
        if buffering == 0:
            return parts
        ahead = io.BufferedReader(parts, BLOCK)
        return ahead if "b" in mode else io.TextIOWrapper(ahead, encoding, errors, newline)

    def files(self) -> Iterator[RemotePath]:
        """All files below, hidden ones and those in hidden folders left out."""
        fs, key = self.place()
        found = self.tried(lambda: cast("list[str]", fs.find(key)))
        top = key.rstrip("/") + "/"
        for name in found:
            below = name[name.find(top) + len(top) :] if top in name else name
            if not any(part.startswith(".") for part in below.split("/")):
                yield self / below

    def place(self) -> tuple[Any, str]:
        """The file system, and the name there."""
        try:
            from fsspec.core import url_to_fs
        except ModuleNotFoundError:
            raise OSError(
                errno.ENOPKG, "needs fsspec: pip install 'farframe[remote]'", str(self)
            ) from None
        try:
            return url_to_fs(self.url)
        except ImportError as error:  # the file system's own package: s3fs, gcsfs, ...
            raise OSError(errno.ENOPKG, " ".join(str(error).split()), str(self)) from None
        except ValueError as error:
            raise OSError(errno.EINVAL, " ".join(str(error).split()), str(self)) from None

    def tried(self, ask: Callable[[], T]) -> T:
        """What ``ask`` returns, tried some times; file systems raise whatever they like."""
        for pause in (*_TRIES, None):
            try:
                return ask()
            except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError):
                raise
            except Exception as error:
                if pause is None:
                    said = " ".join(str(error).split()) or type(error).__name__
                    raise OSError(errno.EIO, said[:200], str(self)) from error
                time.sleep(pause)
        raise AssertionError


class _Parts(io.RawIOBase):
    """A file of which only the asked parts are fetched; nothing is asked before the first."""

    def __init__(self, path: RemotePath) -> None:
        self._path, self._at = path, 0
        self.name, self.mode = str(path), "rb"  # as files have them
        self._fs, self._key = path.place()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            offset += self._path.stat().st_size
        self._at = offset + (self._at if whence == os.SEEK_CUR else 0)
        return self._at

    def read(self, size: int = -1) -> bytes:
        stop = None if size < 0 else self._at + size
        try:
            data: bytes = self._path.tried(
                lambda: self._fs.cat_file(self._key, start=self._at, end=stop)
            )
        except OSError:
            if self._at < self._path.stat().st_size:
                raise
            data = b""  # some places have no empty parts
        self._at += len(data)
        return data

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _mark(fs: Any, key: str, info: dict[str, Any]) -> int:
    """A positive number that differs when the file does: from its tag, times and size."""
    told = {k: v for k, v in info.items() if k in _TELLING}
    digest = hashlib.sha256(repr((sorted(told.items(), key=str), fs.protocol, key)).encode())
    return int.from_bytes(digest.digest()[:8], "big") >> 2


_TELLING = frozenset(
    (
        *("size", "ETag", "etag", "mtime", "created", "updated", "LastModified", "last_modified"),
        *("md5Hash", "crc32c", "blob_id", "sha256", "VersionId", "generation", "last_commit"),
    )
)
