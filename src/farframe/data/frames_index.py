"""Which folders of pictures are recordings, found out once and remembered beside the run.

Of each picture the header and both ends are read, which tells its size, and whether it was cut
off; it is not decoded.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from farframe.data.frames_store import Entry, load_index, store_index
from farframe.data.image_files import pictures_in, pixels_of, size_of
from farframe.data.progress import progress
from farframe.data.source import DataError

logger = logging.getLogger("farframe")

ENDS = 4096  # bytes at either end of a picture that are hashed
_MARKS = {".png": b"IEND", ".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9"}  # what whole ones end with


def find_folders(path: Path) -> dict[str, Path]:
    """Every folder at and below ``path`` that directly holds pictures, by its relative name.

    Hidden folders are left out, links followed once. ``path`` itself is called ".".

    Raises:
        DataError: if there is none, or a folder can't be listed.
    """
    if not path.is_dir():
        raise DataError(f"{path} is a single picture: name the folder that holds the recording")
    found = sorted(_holding(path, "", set()))
    if not found:
        raise DataError(f"{path} holds no pictures, nor does any folder in it")
    return {name or ".": path / name for name in found}


def index_folders(folders: Mapping[str, Path], cache_dir: Path | None) -> dict[str, Entry]:
    """Index folders by name; ``cache_dir`` remembers (None: nobody does).

    Raises:
        DataError: if a folder can't be listed.
    """
    known = load_index(cache_dir)
    out: dict[str, Entry] = {}
    with progress("indexing", len(folders), "folders of pictures") as advance:
        for name, folder in folders.items():
            files = [(entry.name, entry.stat()) for entry in pictures_in(folder)]
            listed = [(file, status.st_size, status.st_mtime_ns) for file, status in files]
            listing = hashlib.sha256(repr(listed).encode()).hexdigest()
            entry = known.get(name)
            if entry is None or entry.listing != listing:
                sizes = {file: status.st_size for file, status in files}
                entry = _entry(folder, sizes, listing)
            out[name] = entry
            advance(1)
    if any(known.get(name) != entry for name, entry in out.items()):
        store_index(cache_dir, known | out)
    return out


def _holding(folder: Path, name: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:  # a link that leads back up
            return
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            below = [e.name for e in entries if not e.name.startswith(".") and e.is_dir()]
    except OSError as error:
        raise DataError(f"{error.filename or folder} can't be listed: {error.strerror}") from error
    if pictures_in(folder):
        yield name
    for child in below:
        yield from _holding(folder / child, f"{name}/{child}" if name else child, seen)


def _entry(folder: Path, sizes: Mapping[str, int], listing: str) -> Entry:
    """Look at each picture, up to the first that can't be used."""
    digest, first, length, problem = hashlib.sha256(), (0, 0), 0, ""
    for number, (name, size) in enumerate(sizes.items()):
        try:
            ends = _ends(folder / name, size)
            digest.update(repr((name, size)).encode() + ends)
            if problem:
                continue
            mine = size_of(folder / name)
            mark = _MARKS.get(Path(name).suffix.lower(), b"")
            if mark not in ends[-64:]:  # it may be whole all the same
                pixels_of(folder / name)
        except (DataError, OSError) as error:
            problem = str(error)
            continue
        first = first if number else mine
        if mine != first:
            length, problem = 0, _other_size(name, mine, next(iter(sizes)), first)
            continue
        length += 1
    width, height = first
    facts: dict[str, Any] = {"width": width, "height": height, "problem": problem}
    return Entry(
        listing=listing, digest=digest.hexdigest(), pictures=len(sizes), length=length, **facts
    )


def _ends(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        head = file.read(ENDS)
        if size <= ENDS:
            return head
        file.seek(max(ENDS, size - ENDS))
        return head + file.read(ENDS)


def _other_size(name: str, mine: tuple[int, int], other: str, first: tuple[int, int]) -> str:
    return (
        f"{name} is {mine[0]}x{mine[1]}, {other} is {first[0]}x{first[1]}: all pictures of a "
        "folder must have one size"
    )
