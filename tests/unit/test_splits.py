from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from farframe.config import DataConfig
from farframe.data.source import DataError, Recording, Split
from farframe.data.splits import Segment, segments, split_mode

sys.path.insert(0, str(Path(__file__).parent))
from memory_source import MemorySource, recordings

SPLITS = ("train", "validation", "test")


def records(*files: str, each: int = 100, length: int = 20) -> MemorySource:
    """TFRecord files with ``each`` clips."""
    found = [
        Recording(id=f"{f}:{n}", file=f, length=length, fps=1.0) for f in files for n in range(each)
    ]
    return MemorySource(found, kind="tfrecord")


def ids(source: MemorySource, data: DataConfig, split: str) -> set[str]:
    return {source.recordings[s.recording].id for s in segments(source, data, split)}  # pyright: ignore


def files(source: MemorySource, data: DataConfig, split: str) -> set[str]:
    return {source.recordings[s.recording].file for s in segments(source, data, split)}  # pyright: ignore


def test_hash_divides_all_recordings_eight_to_one_to_one() -> None:
    source = MemorySource(recordings(*[30] * 4000, file=""), kind="shapes")
    data = DataConfig(path="shapes")
    parts = [ids(source, data, split) for split in SPLITS]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 4000
    for part, share in zip(parts, (0.8, 0.1, 0.1), strict=True):
        assert len(part) / 4000 == pytest.approx(share, abs=0.02)
    assert all(s == Segment(s.recording, 0, 30) for s in segments(source, data, "test"))


def test_hash_is_the_same_on_every_machine_and_in_every_version() -> None:
    source = MemorySource(recordings(*[30] * 40), kind="video")
    data = DataConfig(path="videos")
    assert sorted(files(source, data, "validation")) == ["20.mp4"]
    assert sorted(files(source, data, "test")) == ["11.mp4", "17.mp4", "25.mp4", "31.mp4", "6.mp4"]


@pytest.mark.parametrize("split", SPLITS)
def test_files_added_anywhere_move_nothing(split: str) -> None:
    old = [Recording(id=f"{i}", file=f"b/{i}.avi", length=9, fps=5.0) for i in range(0, 200, 2)]
    new = [Recording(id=f"{i}", file=f"b/{i}.avi", length=9, fps=5.0) for i in range(200)]
    data = DataConfig(path="/data/videos")
    before = files(MemorySource(old), data, split)
    after = files(MemorySource(new), DataConfig(path="/moved"), split)
    assert before == after & {r.file for r in old}
    assert before < after


def test_videos_are_hashed_by_file_and_others_by_recording() -> None:
    same_file = [Recording(id=f"cut{i}", file="a.mp4", length=9, fps=5.0) for i in range(50)]
    video = MemorySource(same_file, kind="video")
    assert {split for split in SPLITS if _has(video, split)} in (
        {"train"},
        {"validation"},
        {"test"},
    )
    assert all(_has(MemorySource(same_file, kind="tfrecord"), split) for split in SPLITS)


def _has(source: MemorySource, split: str) -> bool:
    try:
        return bool(segments(source, DataConfig(path="d", split="hash"), split))  # pyright: ignore
    except DataError:
        return False


@pytest.mark.parametrize("length", [10, 19, 795, 1001])
def test_time_cuts_every_recording_without_gap_or_overlap(length: int) -> None:
    source = MemorySource(recordings(length, 50))
    data = DataConfig(path="d", split="time")
    parts = [segments(source, data, split) for split in SPLITS]  # pyright: ignore
    for recording, frames in ((0, length), (1, 50)):
        cuts = [(s.start, s.stop) for part in parts for s in part if s.recording == recording]
        assert [stop for _, stop in cuts[:-1]] == [start for start, _ in cuts[1:]]
        assert (cuts[0][0], cuts[-1][1]) == (0, frames)
    assert parts[0][1:] == [Segment(1, 0, 40)]
    assert parts[1][1:] == [Segment(1, 40, 45)]


def test_auto_cuts_a_single_file_in_time_and_hashes_folders(tmp_path: Path) -> None:
    path = tmp_path / "one.mp4"
    path.touch()
    one = MemorySource([Recording(id="one", file="one.mp4", length=100, fps=5.0)])
    assert split_mode(one, DataConfig(path=str(path))) == "time"
    assert split_mode(one, DataConfig(path=str(tmp_path))) == "hash"
    assert split_mode(MemorySource(recordings(9, 9)), DataConfig(path=str(tmp_path))) == "hash"
    assert split_mode(one, DataConfig(path=str(path), split="hash")) == "hash"


def test_auto_takes_the_patterns_where_validation_files_exist() -> None:
    source = records("robot-train-0", "robot-train-1", "robot-validation-0", "other", each=2)
    data = DataConfig(path="d")
    assert split_mode(source, data) == "pattern"
    assert files(source, data, "train") == {"robot-train-0", "robot-train-1"}
    assert files(source, data, "validation") == {"robot-validation-0"}
    with pytest.raises(DataError, match=r"the test split of d is empty.*test_pattern '\*test\*'"):
        segments(source, data, "test")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("train-0", {"a/train-0.tfrecord"}),
        ("a", {"a/train-0.tfrecord", "a/train-1.tfrecord", "b/train-1.tfrecord"}),
        ("train-1*", {"a/train-1.tfrecord", "b/train-1.tfrecord"}),
        ("a/*", {"a/train-0.tfrecord", "a/train-1.tfrecord"}),
        (
            "*/train-[01].tfrecord",
            {"a/train-0.tfrecord", "a/train-1.tfrecord", "b/train-1.tfrecord"},
        ),
        ("?/train-1.tfrecord", {"a/train-1.tfrecord", "b/train-1.tfrecord"}),
    ],
)
def test_patterns_match_names_and_relative_paths(pattern: str, expected: set[str]) -> None:
    source = records("a/train-0.tfrecord", "a/train-1.tfrecord", "b/train-1.tfrecord", each=1)
    data = DataConfig(path="d", split="pattern", data_pattern=pattern)
    assert files(source, data, "train") == expected


def test_patterns_mind_the_case() -> None:
    with pytest.raises(DataError, match="Train-0"):
        segments(records("Train-0"), DataConfig(path="d", split="pattern"), "train")


def test_files_held_out_are_never_trained_on(caplog: pytest.LogCaptureFixture) -> None:
    source = records("x-0", "x-1-validation", "x-2-test", each=1)
    data = DataConfig(path="d", data_pattern="x")
    with caplog.at_level(logging.WARNING):
        assert files(source, data, "train") == {"x-0"}
    assert [r.getMessage() for r in caplog.records] == [
        "2 file(s) match data_pattern and a validation or test pattern too; they are not trained "
        "on (the first: x-1-validation)"
    ]


def test_validation_and_test_may_share_files() -> None:
    source = records("push_train", "push_testseen", "push_testnovel", each=1)
    data = DataConfig(path="d", validation_pattern="testseen")
    assert files(source, data, "validation") == {"push_testseen"}
    assert files(source, data, "test") == {"push_testseen", "push_testnovel"}


def test_tfrecords_without_validation_files_are_hashed_within_the_training_files() -> None:
    source = records("robot-train-0", "robot-train-1", "other")
    data = DataConfig(path="d")
    parts = [ids(source, data, split) for split in SPLITS]
    assert set().union(*parts) == {r.id for r in source.recordings if "train" in r.file}
    assert sum(map(len, parts)) == 200
    grown = records("robot-train-0", "robot-train-00", "robot-train-1", "other")
    assert parts[1] <= ids(grown, data, "validation")


def test_tfrecords_none_named_for_training_are_all_hashed() -> None:
    source = records("a", "b")
    assert sum(len(ids(source, DataConfig(path="d"), split)) for split in SPLITS) == 200


def test_tfrecords_with_test_files_alone_keep_them_for_the_test() -> None:
    source = records("push_train", "push_testseen", "push_testnovel")
    train, validation, test = (ids(source, DataConfig(path="d"), split) for split in SPLITS)
    assert test == {r.id for r in source.recordings if "test" in r.file}
    assert train | validation == {r.id for r in source.recordings if "train" in r.file}
    assert not train & validation
    hashed = DataConfig(path="d", split="hash")
    assert files(source, hashed, "test") == {"push_train"}


def test_a_pattern_that_was_given_and_matches_nothing_is_an_error() -> None:
    data = DataConfig(path="d", data_pattern="*trian*")
    with pytest.raises(DataError, match=r"d: none of 2 file.*'\*trian\*'.*first is a"):
        segments(records("a", "b"), data, "train")


@pytest.mark.parametrize(
    ("source", "data", "split", "message"),
    [
        (MemorySource(recordings(50)), {}, "validation", "1 file.*--data.split time"),
        (MemorySource(recordings(5, 3)), {"split": "time"}, "validation", "longest has 5 frames"),
        (MemorySource(recordings(9)), {"split": "pattern"}, "train", "--data.data-pattern"),
        (
            MemorySource(recordings(9, file=""), kind="shapes"),
            {"split": "pattern"},
            "test",
            "generated",
        ),
        (MemorySource([]), {"split": "time"}, "train", "0 recording"),
    ],
)
def test_an_empty_split_is_one_clear_line(
    source: MemorySource, data: dict[str, str], split: str, message: str
) -> None:
    with pytest.raises(DataError, match=message) as error:
        segments(source, DataConfig(path="some/where", **data), split)  # pyright: ignore
    assert f"the {split} split of some/where is empty" in str(error.value)
    assert "\n" not in str(error.value)


def test_names_that_are_not_unicode_have_a_split_too() -> None:
    source = MemorySource([Recording(id="x", file="film\udcff.mp4", length=9, fps=1.0)])
    assert sum(_has(source, split) for split in SPLITS) == 1


def test_an_empty_pattern_holds_nothing_out() -> None:
    source = records("x-0", "x-1-validation", "x-2-test", each=1)
    data = DataConfig(path="d", split="pattern", data_pattern="x", validation_pattern="")
    data = replace(data, test_pattern="")
    assert files(source, data, "train") == {"x-0", "x-1-validation", "x-2-test"}
    with pytest.raises(DataError, match=r"the validation split of d is empty.*pattern ''"):
        segments(source, data, "validation")


def test_what_the_data_says_counts_first() -> None:
    said: list[Split] = ["train"] * 40 + ["test"] * 3
    given = [replace(r, split=s) for r, s in zip(recordings(*[5] * 43), said, strict=True)]
    source, data = MemorySource(given), DataConfig(path="some")
    assert split_mode(source, data) == "source"
    assert split_mode(source, replace(data, split="hash")) == "hash"
    parts = {s: {g.recording for g in segments(source, data, s)} for s in get_args(Split)}
    assert parts["test"] == {40, 41, 42}
    assert parts["validation"]  # the data has none: a tenth of the training clips
    assert parts["validation"] | parts["train"] == set(range(40))
    assert not parts["validation"] & parts["train"]


def test_data_that_says_nothing_of_splits_cannot_be_asked() -> None:
    source = MemorySource(recordings(9, 9))
    with pytest.raises(DataError, match=r"says nothing of splits; give --data\.split hash"):
        segments(source, DataConfig(path="some", split="source"), "train")


def test_folders_named_after_splits_are_believed() -> None:
    names = [f"{folder}/{i}.mp4" for folder in ("train", "val", "Test") for i in range(30)]
    found = [Recording(id=n, file=n, length=5, fps=10.0) for n in names]
    source, data = MemorySource(found), DataConfig(path="some")
    assert split_mode(source, data) == "folders"
    assert files(source, data, "train") == set(names[:30])
    assert files(source, data, "validation") == set(names[30:60])
    assert files(source, data, "test") == set(names[60:])
    some = MemorySource(found[:30])  # no folders of their own: tenths of training
    parts = [files(some, data, split) for split in SPLITS]
    assert set().union(*parts) == set(names[:30])
    assert sum(map(len, parts)) == 30
    other = MemorySource([*found, replace(found[0], id="x", file="x.mp4")])
    assert split_mode(other, data) == "hash"
    with pytest.raises(DataError, match=r"has data outside of folders named train, .*give"):
        segments(other, replace(data, split="folders"), "train")
