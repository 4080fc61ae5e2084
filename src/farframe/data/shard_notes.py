"""Notes that writers leave on finished shards: what is done already, and what the end needs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from farframe.atomic import replacing
from farframe.data.shards import Shard
from farframe.data.source import DataError
from farframe.data.splits import Segment

FOLDER = ".farframe-shards"


def note(out: Path, shard: Shard, facts: Mapping[str, Any]) -> None:
    """Remember that a shard is complete, and ``facts`` (JSON) of it: the last step of writing."""
    path = _path(out, shard.number)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_text(json.dumps({"shard": _key(shard), "facts": facts}), "utf-8")


def noted(out: Path, shard: Shard) -> dict[str, Any] | None:
    """The facts noted of this very shard; None if it isn't finished, or was cut otherwise."""
    try:
        data = json.loads(_path(out, shard.number).read_text("utf-8"))
        return data["facts"] if data["shard"] == _key(shard) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def all_noted(out: Path) -> list[tuple[Shard, dict[str, Any]]]:
    """All shards and their facts, in order.

    Raises:
        DataError: if a shard isn't finished, or they don't belong together.
    """
    found: list[tuple[Shard, dict[str, Any]]] = []
    for path in sorted((out / FOLDER).glob("*.json")):
        try:
            data = json.loads(path.read_text("utf-8"))
            key: dict[str, Any] = data["shard"]
            key["segments"] = tuple(Segment(**segment) for segment in key["segments"])
            found.append((Shard(**key), data["facts"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} can't be read ({error}): write its shard again") from error
    numbers = [shard.number for shard, _ in found]
    of = found[0][0].of if found else 0
    missing = sorted(set(range(of)) - set(numbers))
    if not found or missing or any(shard.of != of for shard, _ in found):
        which = f"shard {missing[0]} of {of} is missing" if missing else "its shards don't belong"
        raise DataError(f"{out} is not complete ({which}): write it again to go on")
    clips, frames = 0, 0
    for shard, facts in found:
        if (shard.first_clip, shard.first_frame) != (clips, frames):
            raise DataError(f"{out}: shard {shard.number} doesn't follow on the one before it")
        clips, frames = clips + facts["clips"], frames + facts["frames"]
    return found


def forget(out: Path) -> None:
    """Remove all notes: the data set is complete."""
    shutil.rmtree(out / FOLDER)


def _path(out: Path, number: int) -> Path:
    return out / FOLDER / f"{number:06d}.json"


def _key(shard: Shard) -> dict[str, Any]:
    return asdict(shard) | {"segments": [asdict(segment) for segment in shard.segments]}
