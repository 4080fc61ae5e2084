"""Clips to mp4 files, one each, with a table of actions and poses beside it: VideoFolder's form."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

import numpy as np

from farframe.atomic import replacing
from farframe.data.shard_notes import all_noted, forget, note, noted
from farframe.data.shards import Shard
from farframe.types import Clip
from farframe.video import pictures
from farframe.video_encoder import HIGH, Encoding, encode

_LONG = 180  # characters of a file's name; file systems take 255 bytes with suffix


def write_shard(out: Path, shard: Shard, clips: Iterator[Clip], encoding: Encoding = HIGH) -> None:
    """Write ``<out>/<split>/<clip id>.mp4`` for each clip, and a ``.csv`` if it has numbers.

    The table has the columns ``frame``, ``action_0``, ..., ``state_0``, ... Ids keep their
    folders; what file systems don't like in them becomes ``%XX``. A shard that is finished is left
    alone.

    Raises:
        ValueError: if a clip has no frames, or two have the same id.
    """
    if finished(out, shard):
        return
    names: list[str] = []
    frames = 0
    for clip in clips:
        name = f"{shard.split}/{file_name(clip.id)}"
        if name in names or not len(clip):
            raise ValueError(
                f"clip {clip.id}: {'another has the same id' if len(clip) else 'has no frames'}"
            )
        video = out / f"{name}.mp4"
        video.parent.mkdir(parents=True, exist_ok=True)
        if clip.actions.shape[1] or clip.poses.shape[1]:
            with replacing(out / f"{name}.csv") as partial:  # first: no video is without its table
                partial.write_text(_table(clip), "ascii")
        with replacing(video) as partial:
            encode(partial, pictures(clip.frames), clip.fps, encoding)
        names.append(name)
        frames += len(clip)
    note(out, shard, {"clips": len(names), "frames": frames, "names": names})


def finished(out: Path, shard: Shard) -> bool:
    """Whether a shard is there already."""
    facts = noted(out, shard)
    return facts is not None and all((out / f"{n}.mp4").is_file() for n in facts["names"])


def finish(out: Path) -> None:
    """Take away what only the writing needed.

    Raises:
        DataError: if a shard isn't finished.
    """
    all_noted(out)
    forget(out)


def file_name(id: str) -> str:
    """A clip's id as a relative path without suffix: another one for another id of its source."""
    return "/".join(_part(part) for part in id.removesuffix(".mp4").split("/"))


def _part(text: str) -> str:
    name = quote(text, safe=" +@=,()~", errors="surrogateescape")
    if name.startswith("."):  # hidden files are no data, and .. leads elsewhere
        name = "%2E" + name[1:]
    if len(name) > _LONG:
        name = (
            f"{name[:_LONG]}-{blake2b(text.encode('utf-8', 'replace'), digest_size=8).hexdigest()}"
        )
    return name or "%"


def _table(clip: Clip) -> str:
    """Nine digits: float32 comes back bit for bit."""
    widths = {"action": clip.actions.shape[1], "state": clip.poses.shape[1]}
    head = ["frame", *(f"{word}_{i}" for word, width in widths.items() for i in range(width))]
    values = np.hstack([clip.actions, clip.poses]).astype(np.float32)
    rows = [
        ",".join([str(number), *(f"{value:.9g}" for value in row)])
        for number, row in enumerate(values.tolist())
    ]
    return "\n".join([",".join(head), *rows]) + "\n"
