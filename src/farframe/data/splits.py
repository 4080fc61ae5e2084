"""Train, validation and test: which frames of which recordings belong to which split.

Nothing here draws from a random stream or counts recordings, so adding files or moving the folder
never moves a recording from one split to another. docs/data.md tells the same for users.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Literal

from farframe.config import DataConfig
from farframe.data.remote import located
from farframe.data.source import ClipSource, DataError, Recording, Split
from farframe.data.srvp import SPAN, srvp_cuts

logger = logging.getLogger(__name__)

SplitMode = Literal["source", "folders", "pattern", "hash", "time", "srvp"]
FOLDERS: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
"""Folders right below the data's that tell the split of all in them."""

HELD_OUT_TENTH = 8
_TENTHS: dict[Split, range] = {
    "train": range(8),
    "validation": range(HELD_OUT_TENTH, HELD_OUT_TENTH + 1),
    "test": range(9, 10),
}
_PATTERN_FIELDS: dict[Split, str] = {
    "train": "data_pattern",
    "validation": "validation_pattern",
    "test": "test_pattern",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """Frames ``start`` to ``stop`` (excluded) of recording number ``recording`` of a source."""

    recording: int
    start: int
    stop: int


def segments(source: ClipSource, data: DataConfig, split: Split) -> list[Segment]:
    """The frames of ``source`` that belong to ``split``, in the source's order, none twice.

    Only test clips of ``srvp``, which are drawn, may overlap and come in no order.

    Raises:
        DataError: if the split is empty, or no file matches a ``data_pattern`` that was given.
    """
    mode = split_mode(source, data)
    recordings = source.recordings
    if mode in ("source", "folders") and None in map(_SAID[mode], recordings):
        raise DataError(_nothing_said(data, mode))
    if mode == "time":
        cuts = [(i, *_tenths(r.length, _TENTHS[split])) for i, r in enumerate(recordings)]
    elif mode == "srvp":
        cuts = srvp_cuts(source, data, split)
    else:
        rules = {"pattern": _pattern_rule, "hash": _hash_rule}
        rules |= dict.fromkeys(_SAID, _said_rule)
        takes = rules[mode](source, data, split)
        cuts = [(i, 0, r.length) for i, r in enumerate(recordings) if takes(r)]
    found = [Segment(i, start, stop) for i, start, stop in cuts if stop > start]
    if not found:
        raise DataError(_empty(source, data, split, mode))
    return found


def split_mode(source: ClipSource, data: DataConfig) -> SplitMode:
    """How ``source`` is split: ``data.split``, or what ``auto`` stands for.

    What the data itself says counts first, then folders that are all named after splits. A file
    with a single recording, or a folder that is one itself, can only be cut in time. TFRecords
    follow the patterns where validation files exist. All else goes by hash.
    """
    if data.split != "auto":
        return data.split
    if source.recordings[0].split is not None:
        return "source"
    if source.kind != "tfrecord" and all(map(_folder_split, source.recordings)):
        return "folders"
    alone = source.recordings[0].file if len(source.recordings) == 1 else ""
    if alone == "." or (alone and located(data.path).is_file()):
        return "time"
    if source.kind == "tfrecord" and _matching(_files(source), data.validation_pattern):
        return "pattern"
    return "hash"


def _tenths(length: int, tenths: range) -> tuple[int, int]:
    """Start and stop of some consecutive tenths of ``length`` frames."""
    return length * tenths.start // 10, length * tenths.stop // 10


def tenth(key: str) -> int:
    """A uniform number from 0 to 9 that depends on ``key`` alone, on every machine."""
    digest = blake2b(key.replace(os.sep, "/").encode("utf-8", "surrogateescape"), digest_size=8)
    return int.from_bytes(digest.digest(), "big") * 10 >> 64


def _files(source: ClipSource) -> list[str]:
    """Each file of the source once, in order."""
    return list(dict.fromkeys(r.file for r in source.recordings))


def _matching(files: Iterable[str], pattern: str) -> set[str]:
    """The files whose name or relative path matches; a bare word matches anywhere in them.

    An empty pattern matches none.
    Case counts on every system, or the split would depend on where it was made.
    """
    if not pattern:
        return set()
    if not any(sign in pattern for sign in "*?["):
        pattern = f"*{pattern}*"
    paths = ((file, file.replace(os.sep, "/")) for file in files if file)
    return {
        file
        for file, path in paths
        if fnmatchcase(path, pattern) or fnmatchcase(path.rpartition("/")[2], pattern)
    }


def _folder_split(recording: Recording) -> Split | None:
    """The split that the outermost folder of a recording's file is named after."""
    folder, slash, _ = recording.file.replace(os.sep, "/").partition("/")
    return FOLDERS.get(folder.lower()) if slash else None


def _own_split(recording: Recording) -> Split | None:
    return recording.split


_SAID: Mapping[SplitMode, Callable[[Recording], Split | None]] = {
    "source": _own_split,
    "folders": _folder_split,
}


def _said_rule(source: ClipSource, data: DataConfig, split: Split) -> Callable[[Recording], bool]:
    """Take what the data's makers put there; of a split that they don't have, a tenth of training.

    Tenths are those of a split by hash, so that validation and test clips differ.
    """
    said = _SAID[split_mode(source, data)]
    there = set(map(said, source.recordings))
    lacking: dict[int, Split] = {t: s for s in _TENTHS if s not in there for t in _TENTHS[s]}

    def belongs(recording: Recording) -> Split | None:
        mine = said(recording)
        return lacking.get(tenth(recording.id), mine) if mine == "train" else mine

    return lambda recording: belongs(recording) == split


def _pattern_rule(
    source: ClipSource, data: DataConfig, split: Split
) -> Callable[[Recording], bool]:
    """Take files by the split's pattern; a file held out by another pattern is never trained on."""
    files = _files(source)
    chosen = _matching(files, getattr(data, _PATTERN_FIELDS[split]))
    if split == "train":
        held_out = _matching(files, data.validation_pattern) | _matching(files, data.test_pattern)
        both = sorted(chosen & held_out)
        if both:
            logger.warning(
                "%d file(s) match data_pattern and a validation or test pattern too; they are not "
                "trained on (the first: %s)",
                len(both),
                both[0],
            )
        chosen -= held_out
    return lambda recording: recording.file in chosen


def _hash_rule(source: ClipSource, data: DataConfig, split: Split) -> Callable[[Recording], bool]:
    """Take recordings by the hash of their own name.

    Videos are hashed by file; others by recording, as their files hold many or don't exist.
    TFRecords keep to the training files where any are named so, and under ``auto`` to test files
    where those exist (Robot Push has them, and no validation files); the tenth that would have
    been the test split is trained on then.
    """
    tenths = set(_TENTHS[split])
    if source.kind != "tfrecord":
        by_file = source.kind == "video"
        return lambda recording: tenth(recording.file if by_file else recording.id) in tenths
    files = _files(source)
    test = _matching(files, data.test_pattern) if data.split == "auto" else set[str]()
    pool = _matching(files, data.data_pattern)
    if not pool and data.data_pattern != DataConfig.data_pattern:
        raise DataError(
            f"{data.path}: none of {len(files)} file(s) matches data_pattern "
            f"{data.data_pattern!r} (the first is {files[0]}); correct --data.data-pattern"
        )
    pool = (pool or set(files)) - test
    if test and split == "test":
        return lambda recording: recording.file in test
    if test and split == "train":
        tenths |= set(_TENTHS["test"])
    return lambda recording: recording.file in pool and tenth(recording.id) in tenths


def _nothing_said(data: DataConfig, mode: SplitMode) -> str:
    why = "says nothing of splits"
    if mode == "folders":
        why = f"has data outside of folders named {', '.join(FOLDERS)}"
    return f"data.split is {mode!r}: {data.path} {why}; give --data.split hash, time or pattern"


def _empty(source: ClipSource, data: DataConfig, split: Split, mode: SplitMode) -> str:
    """One line for a split without frames: what was looked at and the way out."""
    count = len(source.recordings)
    longest = max((r.length for r in source.recordings), default=0)
    if mode == "time":
        tenths = len(_TENTHS[split])
        why = (
            f"{tenths} tenth(s) of each recording in time are less than one frame "
            f"({count} recording(s), the longest has {longest} frames); use longer recordings"
        )
    elif mode == "pattern":
        name, files = _PATTERN_FIELDS[split], _files(source)
        why = (
            f"none of {len(files)} file(s) is left to {name} {getattr(data, name)!r} (the first "
            f"is {files[0] or 'generated'}); set --data.{name.replace('_', '-')} or --data.split "
            "hash"
        )
    elif mode == "srvp":
        why = f"it needs videos of its subjects, for test with {SPAN} frames or more; unpack them"
    else:
        what = "file(s) by their names" if source.kind == "video" else "clip(s) by their ids"
        why = (
            f"the hash put all of {count} {what} into other splits; add data or cut each recording "
            "in time with --data.split time"
        )
    return f"the {split} split of {data.path} is empty: {why}"
