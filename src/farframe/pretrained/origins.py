"""What a run was trained on, in words that are true on any machine, and without its paths."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

from farframe.data.writing import RECORD
from farframe.pretrained.commands import DATA
from farframe.run import CONFIG, RunConfig, load_config
from farframe.worlds.catalogue import WORLDS

_LONGEST = 16  # a run that starts from itself, or a chain of such, has no first one


@dataclass(frozen=True)
class Origin:
    """Where training data came from; ``command`` makes it again, if anything does."""

    words: str
    command: str = ""


def portable(config: RunConfig) -> RunConfig:
    """The configuration without paths of whoever trained it; a world's name stays."""
    path = config.data.path if config.data.path in WORLDS else ""
    start, encoder = (Path(p).name for p in (config.train.start_from, config.train.encoder_weights))
    train = replace(config.train, start_from=start, encoder_weights=encoder)
    return replace(config, data=replace(config.data, path=path), train=train)


def runs_before(config: RunConfig) -> list[tuple[str, RunConfig]]:
    """Names of the runs' folders whose weights a run started from, the first one first, and what
    they were; as far back as they are still there.
    """
    found: list[tuple[str, RunConfig]] = []
    while config.train.start_from and len(found) < _LONGEST:
        folder = Path(config.train.start_from)
        if not (folder / CONFIG).is_file():
            break
        try:
            config = load_config(folder)
        except ValueError:
            break
        found.insert(0, (folder.name, portable(config)))
    return found


def origin_of(config: RunConfig, fingerprint: str) -> Origin:
    """What the run's data is, from its configuration and, where `farframe data make` wrote it, from
    its record.
    """
    data = config.data
    if data.path in WORLDS:
        size, length = f"{data.clips:,} clips", f"{data.clip_length} frames"
        words = f"the world {data.path}, seed {data.world_seed}: {size} of {length}, of which the"
        return Origin(f"{words} training split, drawn as they are read")
    record = _record(Path(data.path).expanduser()) if data.path else {}
    made = _made(record)
    if made is not None:
        return made
    called = f"`{Path(data.path).name}`" if data.path else "data that its folder doesn't tell of"
    return Origin(f"{called}, which is not public here (fingerprint {fingerprint})")


def _record(folder: Path) -> Mapping[str, Any]:
    """What `farframe data make` or `convert` noted; empty if there is nothing to read."""
    try:
        record: object = json.loads((folder / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", record) if isinstance(record, dict) else {}


def _made(record: Mapping[str, Any]) -> Origin | None:
    """The origin of a data set of a world, if that is what the record is of."""
    try:
        made = dict(record["origin"])
        kind = WORLDS[made.pop("world")]
        world, splits = kind(**made), record["splits"]
        clips = {split: int(splits[split]["clips"]) for split in splits}
        first, *others = kind.splits
        held = {clips.get(split, 0) for split in others}
        words = ["farframe", "data", "make", kind.name, "--out", DATA, "--clips", str(clips[first])]
    except (KeyError, TypeError, ValueError):
        return None
    if held != {math.ceil(clips[first] / 10)}:
        words += ["--held-out", str(max(held))]
    for field in fields(kind):
        value = getattr(world, field.name)
        if value != field.default:
            shown = Path(value).name if isinstance(value, str) else str(value)
            words += [f"--{field.name.replace('_', '-')}", shown]
    counts = ", ".join(f"{count:,} {split}" for split, count in clips.items())
    said = f"the world {kind.name}, seed {world.seed}: {counts} clips of {world.clip_length} frames"
    return Origin(said, shlex.join(words) if len(held) == 1 else "")
