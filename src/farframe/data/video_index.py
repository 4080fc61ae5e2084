"""What is in each video file of a folder, found out once and remembered beside the run."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from farframe.atomic import replacing
from farframe.data.concurrency import side_by_side
from farframe.data.progress import progress
from farframe.data.video_scan import scan
from farframe.data.video_times import VideoError
from farframe.data.video_track import Track

logger = logging.getLogger("farframe")

INDEX_NAME = "video-index.json"
VERSION = 1  # of the file's layout and of what scan notes
ENDS = 64 * 1024  # bytes at either end of a file that are hashed
_BROKEN = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError),
    ArithmeticError,
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file: ``track``, or why there is none (``error``).

    ``digest`` is of the first and last 64 KiB, so that copies of a file are the same file;
    ``modified`` (nanoseconds) tells without reading whether the index is still true.
    """

    size: int
    modified: int
    digest: str
    track: Track | None = None
    error: str = ""


def index_videos(files: Mapping[str, Path], folder: Path | None) -> dict[str, Entry]:
    """Index files by their relative names, several at a time; ``folder`` remembers (None: no).

    Files whose size and modification time are those that are remembered aren't opened.
    """
    known = _load(folder / INDEX_NAME) if folder else {}
    entries = {name: _fresh(known.get(name), path) for name, path in files.items()}
    missing = [name for name, entry in entries.items() if entry is None]
    if missing:
        stop, threads = threading.Event(), 0 if len(missing) == 1 else 1
        with progress("indexing", len(missing), "videos") as advance:

            def work(number: int) -> Entry:
                entry = _entry(files[missing[number]], threads, stop.is_set)
                advance(1)
                return entry

            found = side_by_side(len(missing), work, stop)
        entries.update(zip(missing, found, strict=True))
    done = {name: entry for name, entry in entries.items() if entry is not None}
    if folder and missing:
        # What other paths left there stays: two data sets may share a folder.
        _save(folder / INDEX_NAME, known | done)
    return done


def _fresh(entry: Entry | None, path: Path) -> Entry | None:
    """The remembered entry, unless the file has changed."""
    try:
        status = path.stat()
    except OSError:
        return None
    same = entry is not None and (entry.size, entry.modified) == (
        status.st_size,
        status.st_mtime_ns,
    )
    return entry if same else None


def _entry(path: Path, threads: int, stopped: Callable[[], bool]) -> Entry:
    try:
        status = path.stat()
        facts: dict[str, Any] = {"size": status.st_size, "modified": status.st_mtime_ns}
        facts["digest"] = ends(path)
    except OSError as error:
        return Entry(size=-1, modified=0, digest="", error=f"it can't be read ({error.strerror})")
    try:
        return Entry(**facts, track=scan(path, threads=threads, stopped=stopped))
    except VideoError as error:
        return Entry(**facts, error=str(error))


def ends(path: Path) -> str:
    """Hex digest of the first and the last 64 KiB of a file."""
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(ENDS))
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - ENDS))
        digest.update(file.read(ENDS))
    return digest.hexdigest()


def _load(path: Path) -> dict[str, Entry]:
    """Everything remembered; nothing if the file is missing, damaged or of another version."""
    try:
        data = json.loads(path.read_bytes())
        if data["version"] != _version() or data["sum"] != _sum(data["files"]):
            return {}
        return {name: _from_json(entry) for name, entry in data["files"].items()}
    except FileNotFoundError:
        return {}
    except _BROKEN as error:
        logger.warning("%s is damaged and is made anew (%s)", path, type(error).__name__)
        return {}


def _from_json(data: dict[str, Any]) -> Entry:
    track = data.pop("track")
    numbers, words = (data["size"], data["modified"]), (data["digest"], data["error"])
    typed = all(type(n) is int for n in numbers) and all(isinstance(w, str) for w in words)
    if not typed or bool(data["error"]) != (track is None):
        raise TypeError("no entry of an index")
    return Entry(**data, track=None if track is None else Track.from_json(track))


def _save(path: Path, entries: Mapping[str, Entry]) -> None:
    files = {
        name: vars(entry) | {"track": entry.track.to_json() if entry.track else None}
        for name, entry in entries.items()
    }
    text = json.dumps({"version": _version(), "sum": _sum(files), "files": files})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_text(text, encoding="ascii")
    except OSError as error:
        # Only time is lost: the next start indexes again.
        logger.warning("can't keep the index of the videos in %s (%s)", path, error.strerror)


def _version() -> list[Any]:
    # Another FFmpeg may get further into a damaged file, or name other keyframes.
    return [VERSION, av.__version__]


def _sum(files: Mapping[str, Any]) -> str:
    """Checksum: a flipped digit would be a wrong time, not an error."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def names_of(entries: Sequence[str], limit: int = 3) -> str:
    """A few of many names or complaints, for one line."""
    more = len(entries) - limit
    return "; ".join(entries[:limit]) + (f"; and {more} more" if more > 0 else "")
