"""What data can be written as: each format writes shards of whole clips, in any process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, get_args

from farframe.config import check
from farframe.data.shards import Shard
from farframe.types import Clip

if TYPE_CHECKING:
    from farframe.video_encoder import Encoding


class Format(Protocol):
    """How clips become files: a frozen dataclass whose fields are its options."""

    tag: ClassVar[str]

    def written(self, out: Path, name: str, shard: Shard, finished: bool) -> bool:
        """Whether a shard is there already, whole, in a data set that is ``finished`` or not."""
        ...

    def write(self, out: Path, name: str, shard: Shard, clips: Iterator[Clip]) -> None:
        """Write the clips of a shard of the data set ``name`` into ``out``, whole or not at all.

        Raises:
            ValueError: if a clip can't be written in this format.
        """
        ...

    def finish(self, out: Path) -> None:
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

    def written(self, out: Path, name: str, shard: Shard, finished: bool) -> bool:
        """Whether the shard's file is there: it appears when it is whole."""
        del finished
        return self._path(out, name, shard).is_file()

    def write(self, out: Path, name: str, shard: Shard, clips: Iterator[Clip]) -> None:
        """One file ``<name>-<split>-00000-of-00012.tfrecord``."""
        from farframe.data.tfrecord_writer import write_tfrecords

        write_tfrecords(self._path(out, name, shard), clips, self.image_format, self.quality)

    def finish(self, out: Path) -> None:
        """Nothing: the files are all there is."""

    @staticmethod
    def _path(out: Path, name: str, shard: Shard) -> Path:
        return out / f"{name}-{shard.split}-{shard.part:05d}-of-{shard.parts:05d}.tfrecord"


class _Noted:
    """A format whose writer leaves notes on finished shards until the data set is finished."""

    def _writer(self) -> tuple[Any, Encoding]:
        """The module with ``write_shard``, ``finished`` and ``finish``, and how videos are made."""
        raise NotImplementedError

    def written(self, out: Path, name: str, shard: Shard, finished: bool) -> bool:
        """As the writer's notes say, which vanish when the data set is finished."""
        del name
        return finished or self._writer()[0].finished(out, shard)

    def write(self, out: Path, name: str, shard: Shard, clips: Iterator[Clip]) -> None:
        """See the writer's ``write_shard``."""
        del name
        module, encoding = self._writer()
        module.write_shard(out, shard, clips, encoding)

    def finish(self, out: Path) -> None:
        """Write what belongs to the whole, and take the notes away."""
        self._writer()[0].finish(out)


@dataclass(frozen=True, kw_only=True)
class VideoFormat(_Noted):
    """An mp4 file a clip, in a folder for each split, with a CSV of actions and poses beside it."""

    tag: ClassVar[str] = "video"

    lossless: bool = False
    """Keep every bit, in files two or three times as large (False: over 40 dB)."""

    def _writer(self) -> tuple[Any, Encoding]:
        from farframe.data import video_writer
        from farframe.video_encoder import HIGH, LOSSLESS

        return video_writer, LOSSLESS if self.lossless else HIGH


@dataclass(frozen=True, kw_only=True)
class LeRobotFormat(_Noted):
    """A LeRobotDataset v3.0, as robot-learning programs read it (needs ``farframe[lerobot]``)."""

    tag: ClassVar[str] = "lerobot"

    lossless: bool = False
    """Keep every bit of the pictures, in files two or three times as large (False: over 40 dB)."""

    def _writer(self) -> tuple[Any, Encoding]:
        from farframe.data import lerobot_writer
        from farframe.video_encoder import LOSSLESS

        return lerobot_writer, LOSSLESS if self.lossless else lerobot_writer.ENCODING


AnyFormat = TFRecordFormat | VideoFormat | LeRobotFormat
FORMATS: dict[str, type[AnyFormat]] = {form.tag: form for form in get_args(AnyFormat)}
