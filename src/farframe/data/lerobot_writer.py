"""Clips to a LeRobotDataset v3.0: a Parquet file and an mp4 file a shard, and tables of them all.

Made to be opened by lerobot itself, whose ``LeRobotDataset`` is what the layout is checked with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from farframe.atomic import replacing
from farframe.data.arrow import parquet
from farframe.data.lerobot_stats import grey_levels, of_numbers, of_pictures, together
from farframe.data.lerobot_tables import (
    CAMERA,
    DATA,
    PLACE,
    VIDEO,
    columns_of,
    episode_rows,
    info_of,
    place_of,
    write_rows,
    write_table,
    write_tasks,
)
from farframe.data.shard_notes import all_noted, forget, note, noted
from farframe.data.shards import Shard
from farframe.data.source import DataError
from farframe.types import Clip
from farframe.video_encoder import HIGH, Encoding, encode

ENCODING = replace(HIGH, keys=2)
"""A keyframe every other frame, as lerobot writes them: it reads single frames."""


def write_shard(
    out: Path, shard: Shard, clips: Iterator[Clip], encoding: Encoding = ENCODING
) -> None:
    """Write a shard's clips as episodes: one Parquet file, one video file.

    A clip's actions become ``action``, its poses ``observation.state``; all clips must have
    the same widths, frame size and rate. A shard that is finished is left alone.

    Raises:
        ValueError: if clips differ or have no frames.
        DataError: if pyarrow isn't installed.
    """
    if finished(out, shard):
        return
    parquet()
    shape = _Shape()
    episodes: list[dict[str, Any]] = []
    tables: list[dict[str, np.ndarray]] = []

    def pictures() -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        frame = shard.first_frame
        for number, clip in enumerate(clips, shard.first_clip):
            shape.check(clip)
            levels = np.zeros((3, 256), np.int64)
            for picture in clip.frames:
                levels += grey_levels(picture)
                yield picture.transpose(1, 2, 0)
            columns = columns_of(clip, number, frame)
            stats = {name: of_numbers(values) for name, values in columns.items()}
            stats[CAMERA] = of_pictures(levels, len(clip))
            episodes.append({"number": number, "length": len(clip), "stats": stats})
            tables.append(columns)
            frame += len(clip)

    place = place_of(shard.number)
    data, video = out / DATA.format(**place), out / VIDEO.format(video_key=CAMERA, **place)
    for path in (data, video):
        path.parent.mkdir(parents=True, exist_ok=True)
    source = pictures()
    first = next(source, None)
    if first is None:
        raise ValueError(f"shard {shard.number} has no clips to write")
    with replacing(video) as partial:
        encode(partial, _again(first, source), shape.fps, encoding)
    with replacing(data) as partial:
        write_rows(partial, tables)
    frames = sum(episode["length"] for episode in episodes)
    facts = {"clips": len(episodes), "frames": frames, "episodes": episodes}
    note(out, shard, facts | {"shape": vars(shape), "colours": encoding.colours})


def finished(out: Path, shard: Shard) -> bool:
    """Whether a shard is there already."""
    place = place_of(shard.number)
    files = DATA.format(**place), VIDEO.format(video_key=CAMERA, **place)
    return noted(out, shard) is not None and all((out / file).is_file() for file in files)


def finish(out: Path) -> None:
    """Write the tables of tasks, episodes and statistics and ``meta/info.json``, the last.

    Raises:
        DataError: if a shard isn't finished, or shards don't go together.
    """
    shards = all_noted(out)
    facts = shards[0][1]
    for shard, other in shards:
        if (other["shape"], other["colours"]) != (facts["shape"], facts["colours"]):
            raise DataError(
                f"{out}: shard {shard.number} is {other['shape']}, not {facts['shape']}"
            )
    meta = out / "meta"
    listed = meta / "episodes" / f"{PLACE.format(**place_of(0))}.parquet"
    listed.parent.mkdir(parents=True, exist_ok=True)
    rows = [row for shard, fact in shards for row in episode_rows(shard, fact)]
    with replacing(listed) as partial:
        write_table(partial, {name: [row[name] for row in rows] for name in rows[0]})
    with replacing(meta / "tasks.parquet") as partial:
        write_tasks(partial)
    stats = together([e["stats"] for _, fact in shards for e in fact["episodes"]])
    _write_json(meta / "stats.json", stats)
    _write_json(meta / "info.json", info_of(shards))
    forget(out)


class _Shape:
    """What all clips must have in common; the first one tells it."""

    def __init__(self) -> None:
        self.fps, self.size, self.actions, self.poses = 0.0, (0, 0), 0, 0

    def check(self, clip: Clip) -> None:
        """Raise a ValueError if a clip is empty or unlike the first."""
        if not len(clip):
            raise ValueError(f"clip {clip.id} has no frames")
        mine = clip.fps, clip.frames.shape[2:], clip.actions.shape[1], clip.poses.shape[1]
        if not self.fps:
            self.fps, self.size, self.actions, self.poses = mine
        if mine != (self.fps, self.size, self.actions, self.poses):
            raise ValueError(
                f"clip {clip.id} has {mine[0]:g} frames a second of {mine[1]} pixels, {mine[2]} + "
                f"{mine[3]} numbers, others {self.fps:g} of {self.size}, {self.actions} + "
                f"{self.poses}: a LeRobotDataset has one of each; --data.fps makes rates equal"
            )


def _again(
    first: UInt8[np.ndarray, "h w 3"], rest: Iterator[UInt8[np.ndarray, "h w 3"]]
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    yield first
    yield from rest


def _write_json(path: Path, data: Any) -> None:
    with replacing(path) as partial:
        partial.write_text(json.dumps(data, indent=4) + "\n", "utf-8")
