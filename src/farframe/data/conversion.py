"""`farframe data convert`: what one kind of data holds, written as another."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from farframe.config import FRAME_SIZES, DataConfig, check
from farframe.data.formats import AnyFormat, TFRecordFormat
from farframe.data.shards import plan
from farframe.data.source import ClipSource, DataError, Split, open_source
from farframe.data.splits import Segment, segments
from farframe.data.writing import WriteOptions, Written, write_dataset

logger = logging.getLogger("farframe")


@dataclass(frozen=True, kw_only=True)
class ConvertOptions(WriteOptions):
    """What to convert."""

    frame_size: int = 64
    """Height and width of the frames written, in pixels."""
    name: str = "clips"
    """What the files are called: NAME-train-00000-of-00003.tfrecord."""

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = ", ".join(map(str, FRAME_SIZES))
        check(self.frame_size in FRAME_SIZES, "--frame-size", self.frame_size, f"one of {sizes}")
        bad = not self.name or any(not (c.isalnum() or c in "-_") for c in self.name)
        check(not bad, "--name", self.name, "must be letters, digits, - and _")


def convert(data: DataConfig, form: AnyFormat, out: Path, options: ConvertOptions) -> Written:
    """Write every recording of ``data`` into ``out``; see ``write_source``."""
    return write_source(open_source(data, options.frame_size), out, data, form, options)


def write_source(
    source: ClipSource,
    out: Path,
    data: DataConfig | None = None,
    form: AnyFormat | None = None,
    options: ConvertOptions | None = None,
) -> Written:
    """Write every recording of a source into ``out``, each split in files of its own.

    A recording becomes a clip, whole, or with ``data.split`` "time" a clip of each split. Splits
    without a frame are left out with a warning.

    Args:
        source: any source of clips, of ours or yours.
        out: the folder to write into; a data set begun there is gone on with.
        data: its path and split rules (None: what the source says of splits, or a hash).
        form: what to write (None: TFRecords).
        options: how (None: by this process alone).

    Raises:
        ValueError: if ``out`` holds something else, or what there is can't be written so.
        DataError: if the data can't be read.
        OSError: if a file can't be written.
    """
    data = DataConfig(path=source.kind) if data is None else data
    options = ConvertOptions(processes=1) if options is None else options
    parts = _parts(source, data)
    return write_dataset(
        source,
        plan(parts, options.shard_clips),
        TFRecordFormat() if form is None else form,
        out,
        name=options.name,
        origin={"converted": Path(data.path).name, "kind": source.kind, "data": asdict(data)},
        processes=options.processes,
    )


def _parts(source: ClipSource, data: DataConfig) -> dict[str, list[Segment]]:
    """What of the source belongs to each split."""
    parts: dict[str, list[Segment]] = {}
    empty: list[DataError] = []
    for split in get_args(Split):
        try:
            parts[split] = segments(source, data, split)
        except DataError as error:
            empty.append(error)
    if not parts:
        raise empty[0]
    for error in empty:
        logger.warning("%s", error)
    taken = {segment.recording for part in parts.values() for segment in part}
    left = len(source.recordings) - len(taken)
    if left:
        logger.warning(
            "%d of %d recordings belong to no split and are left out: --data.split hash or other "
            "patterns take them in",
            left,
            len(source.recordings),
        )
    return parts
