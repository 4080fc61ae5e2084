"""What every writer of data sets is given."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Some whole clips of one split, which a process writes alone.

    ``number`` counts shards of all splits from 0, of ``of``; ``recordings`` are the clips'
    recordings in their source. ``first_clip`` and ``first_frame`` are how many clips and frames
    of the whole data set come before it.
    """

    split: str
    number: int
    of: int
    recordings: tuple[int, ...]
    first_clip: int
    first_frame: int
