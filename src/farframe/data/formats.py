"""What data can be written as: each format writes shards of whole clips, in any process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol, get_args

from farframe.config import check
from farframe.data.splits import Segment
from farframe.types import Clip


@dataclass(frozen=True)
class Shard:
    """Some consecutive clips of a split, written together by one process.

    ``first_clip`` and ``first_frame`` count the clips and frames of the whole data set that come
    before, splits in their order, so that whoever writes a shard knows the numbers of its own.
    """

    split: str
    number: int
    """Of this shard within its split, from 0."""
    of: int
    """Shards of the split."""
    segments: tuple[Segment, ...]
    """What to read of the source: a clip each."""
    first_clip: int
    first_frame: int


class Format(Protocol):
    """How clips become files: a frozen dataclass whose fields are its options."""

    tag: ClassVar[str]

    def written(self, out: Path, name: str, shard: Shard) -> bool:
        """Whether the shard is there already, whole."""
        ...

    def write(self, out: Path, name: str, shard: Shard, clips: Iterator[Clip]) -> None:
        """Write the clips of a shard of the data set ``name`` into ``out``, whole or not at all.

        Raises:
            ValueError: if a clip can't be written in this format.
        """
        ...

    def finish(self, out: Path, name: str, fingerprint: str) -> None:
        """Write what belongs to the data set as a whole, once all shards are there."""
        ...


@dataclass(frozen=True, kw_only=True)
class TFRecordFormat:
    """TFRecords in the original's schema, which its own program reads as well."""

    tag: ClassVar[str] = "tfrecord"

    image_format: Literal["png", "jpeg"] = "png"
    """PNG keeps every pixel; JPEG is several times smaller, as the original's data was."""
    quality: int = 95
    """Of JPEG, 1 to 100."""

    def __post_init__(self) -> None:
        check(1 <= self.quality <= 100, "--quality", self.quality, "must be from 1 to 100")

    def written(self, out: Path, name: str, shard: Shard) -> bool:
        """Whether the shard's file is there: it appears when it is whole."""
        return _path(out, name, shard).is_file()

    def write(self, out: Path, name: str, shard: Shard, clips: Iterator[Clip]) -> None:
        """One file ``<name>-<split>-00000-of-00012.tfrecord``."""
        from farframe.data.tfrecord_writer import write_tfrecords

        write_tfrecords(_path(out, name, shard), clips, self.image_format, self.quality)

    def finish(self, out: Path, name: str, fingerprint: str) -> None:
        """Nothing: the files are all there is."""


AnyFormat = TFRecordFormat
FORMATS: dict[str, type[AnyFormat]] = {f.tag: f for f in (get_args(AnyFormat) or (AnyFormat,))}


def _path(out: Path, name: str, shard: Shard) -> Path:
    return out / f"{name}-{shard.split}-{shard.number:05d}-of-{shard.of:05d}.tfrecord"
