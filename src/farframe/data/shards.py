"""Which clips are written together: a data set dealt out to processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farframe.data.splits import Segment


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Some consecutive clips of one split, which a process writes alone.

    ``number`` counts the shards of the whole data set from 0, splits in their order, and ``part``
    those of the split. ``first_clip`` and ``first_frame`` are how many clips and frames of the data
    set come before it.
    """

    split: str
    number: int
    of: int
    part: int
    parts: int
    segments: tuple[Segment, ...]
    """What to read of the source: a clip each."""
    first_clip: int
    first_frame: int


def plan(
    parts: Mapping[str, Sequence[Segment]], shard_clips: int, together: int = 1
) -> list[Shard]:
    """Deal the clips of each split out into shards of about ``shard_clips``.

    ``together`` clips in a row are never parted: the clips of a scene.
    """
    size = together * max(1, round(shard_clips / together))
    cut = {
        split: [tuple(segments[i : i + size]) for i in range(0, len(segments), size)]
        for split, segments in parts.items()
    }
    of = sum(map(len, cut.values()))
    shards: list[Shard] = []
    clip = frame = 0
    for split, pieces in cut.items():
        for part, piece in enumerate(pieces):
            shards.append(
                Shard(
                    split=split,
                    number=len(shards),
                    of=of,
                    part=part,
                    parts=len(pieces),
                    segments=piece,
                    first_clip=clip,
                    first_frame=frame,
                )
            )
            clip += len(piece)
            frame += sum(s.stop - s.start for s in piece)
    return shards
