"""Folders as sources see them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from farframe.data.remote import RemotePath


def walk(root: Path) -> Iterator[Path]:
    """All files below a folder, sorted by their relative path, links followed.

    Hidden files and folders are left out: indices, caches and half-copied files live there.

    Raises:
        OSError: if a folder can't be listed; silence would lose the data in it.
    """
    if isinstance(root, RemotePath):
        yield from sorted(root.files(), key=lambda path: path.relative_to(root).as_posix())
        return
    for name in sorted(_walk(root, "", set())):
        yield root / name


def _walk(folder: Path, name: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    """The same by relative names, in any order."""
    status = folder.stat()
    place = (status.st_dev, status.st_ino)
    if place in seen:  # a link that leads back up
        return
    seen.add(place)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _walk(folder / entry.name, f"{name}{entry.name}/", seen)
            else:
                yield name + entry.name


VIDEO_SUFFIXES = frozenset(
    (
        *(".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
        *(".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
    )
)
"""What makes a file in a folder a video. A path to a single file may have any suffix."""


IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm"))
"""What makes a file in a folder a picture."""


def is_video(path: Path) -> bool:
    """Whether a file is named like a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def is_image(path: Path) -> bool:
    """Whether a file is named like a picture."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def exists(path: Path) -> bool:
    """Whether there is anything, here or at a remote place.

    Raises:
        OSError: if a remote place doesn't say.
    """
    return path.exists() if isinstance(path, RemotePath) else os.path.exists(path)


def is_regular(path: Path) -> bool:
    """Whether it can be read without waiting for anybody: no folder, pipe, socket or device."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sorting key by which img2 comes before img10."""
    parts = re.split(r"([0-9]+)", name.lower())
    return [(0, int(p), "") if p.isdigit() and p.isascii() else (1, 0, p) for p in parts], name
