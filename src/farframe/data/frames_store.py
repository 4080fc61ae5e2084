"""What was found out about folders of pictures, remembered beside the run."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from farframe.atomic import replacing

logger = logging.getLogger("farframe")

INDEX_NAME = "pictures-index.json"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One folder of pictures: the first ``length`` of them can be used; ``problem`` says why less.

    ``listing`` (names, sizes and times of the files) tells whether it is still true, ``digest`` is
    of names, sizes and ends: copies are the same recording. All pictures are ``width`` by
    ``height``.
    """

    listing: str
    digest: str
    pictures: int
    length: int
    width: int = 0
    height: int = 0
    problem: str = ""


def load_index(cache_dir: Path | None) -> dict[str, Entry]:
    """Everything remembered; nothing if the file is missing, damaged or of another version."""
    if cache_dir is None:
        return {}
    try:
        data = json.loads((cache_dir / INDEX_NAME).read_bytes())
        if data["version"] != VERSION or data["sum"] != _sum(data["folders"]):
            return {}
        return {name: Entry(**entry) for name, entry in data["folders"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        path = cache_dir / INDEX_NAME
        logger.warning("%s is damaged and is made anew (%s)", path, type(error).__name__)
        return {}


def store_index(cache_dir: Path | None, entries: Mapping[str, Entry]) -> None:
    """Remember; where that can't be, only time is lost."""
    if cache_dir is None:
        return
    folders = {name: asdict(entry) for name, entry in entries.items()}
    text = json.dumps({"version": VERSION, "sum": _sum(folders), "folders": folders})
    with suppress(OSError):
        cache_dir.mkdir(parents=True, exist_ok=True)
        with replacing(cache_dir / INDEX_NAME) as partial:
            partial.write_text(text, encoding="ascii")


def _sum(folders: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(folders, sort_keys=True).encode()).hexdigest()
