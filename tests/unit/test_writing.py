"""Data sets written shard by shard: any number of processes, on from where it stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farframe.atomic import temporary
from farframe.config import DataConfig
from farframe.data.conversion import ConvertOptions, convert
from farframe.data.formats import TFRecordFormat
from farframe.data.shards import plan
from farframe.data.source import DataError, Recording, open_source
from farframe.data.splits import Segment, segments
from farframe.data.writing import RECORD, write_dataset
from farframe.types import Clip
from farframe.worlds.making import MakeOptions, make, preview
from farframe.worlds.shapes_world import ShapesWorld
from farframe.worlds.world_source import WorldSource

sys.path.insert(0, str(Path(__file__).parent))
from memory_source import MemorySource, recordings

QUIET: dict[str, Any] = {"capture_output": True, "text": True, "check": True}
WORLD = ShapesWorld(frame_size=32, clip_length=6)
OPTIONS = MakeOptions(clips=7, held_out=2, shard_clips=3, processes=1)


class Still(MemorySource):
    def read(self, index: int, frames: range) -> Clip:
        clip = super().read(index, frames)
        return replace(clip, actions=clip.actions[:, :0])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("[!.]*"))}


def test_a_plan_deals_out_every_clip_once_and_counts_what_comes_before() -> None:
    parts = {
        "train": [Segment(i, 0, 5) for i in range(7)],
        "test": [Segment(7, 0, 3), Segment(8, 2, 9)],
    }
    shards = plan(parts, 3)
    assert [(s.split, s.part, s.parts, len(s.segments)) for s in shards] == [
        ("train", 0, 3, 3),
        ("train", 1, 3, 3),
        ("train", 2, 3, 1),
        ("test", 0, 1, 2),
    ]
    assert [(s.number, s.of) for s in shards] == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert [s.first_clip for s in shards] == [0, 3, 6, 7]
    assert [s.first_frame for s in shards] == [0, 15, 30, 35]
    assert [x for s in shards for x in s.segments] == parts["train"] + parts["test"]


def test_the_clips_of_a_scene_stay_together() -> None:
    parts = {"train": [Segment(i, 0, 5) for i in range(25)]}
    assert [len(s.segments) for s in plan(parts, 12, together=10)] == [10, 10, 5]
    assert [len(s.segments) for s in plan(parts, 1, together=10)] == [10, 10, 5]
    assert [len(s.segments) for s in plan(parts, 18, together=10)] == [20, 5]


def test_processes_write_the_same_bytes(tmp_path: Path) -> None:
    alone = make(WORLD, TFRecordFormat(), tmp_path / "alone", OPTIONS)
    make(WORLD, TFRecordFormat(), tmp_path / "two", replace(OPTIONS, processes=2))
    assert contents(tmp_path / "alone") == contents(tmp_path / "two")
    assert alone.splits == {"train": (7, 42), "validation": (2, 12), "test": (2, 12)}
    assert sorted(contents(tmp_path / "alone")) == [
        "dataset.json",
        "shapes-test-00000-of-00001.tfrecord",
        *(f"shapes-train-{i:05d}-of-00003.tfrecord" for i in range(3)),
        "shapes-validation-00000-of-00001.tfrecord",
    ]


def test_what_is_written_is_what_the_world_makes(tmp_path: Path) -> None:
    make(WORLD, TFRecordFormat(), tmp_path / "made", OPTIONS)
    data = DataConfig(path=str(tmp_path / "made"))
    source = open_source(data, 32)
    for split in ("train", "validation", "test"):
        made = [c for i in range(9) for c in WORLD.scene(split, i)]
        for segment in segments(source, data, split):
            clip = source.read(segment.recording, range(segment.start, segment.stop))
            match = [m for m in made if np.array_equal(m.frames, clip.frames)]
            assert len(match) == 1, (split, segment)


def test_going_on_writes_what_is_missing_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "made"
    make(WORLD, TFRecordFormat(), out, OPTIONS)
    whole = contents(out)
    gone = out / "shapes-train-00001-of-00003.tfrecord"
    gone.unlink()
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], **QUIET)
    leftover = temporary(gone).name.replace(f"-{os.getpid()}-", f"-{ended.stdout.strip()}-")
    (out / leftover).write_bytes(b"half")
    before = {p.name: p.stat().st_mtime_ns for p in out.glob("*.tfrecord")}
    again = make(WORLD, TFRecordFormat(), out, OPTIONS)
    assert (again.shards, again.new_shards) == (5, 1)
    assert contents(out) == whole
    assert {n: (out / n).stat().st_mtime_ns for n in before} == before
    assert not list(out.glob(".*.tmp"))


def test_a_broken_source_leaves_no_half_file_and_an_unfinished_record(tmp_path: Path) -> None:
    source = Still(recordings(4, 4, 4), broken=frozenset((2,)), action_dim=0)
    parts = {"train": [Segment(i, 0, 4) for i in range(3)]}
    with pytest.raises(DataError, match="broken"):
        write_dataset(
            source,
            plan(parts, 2),
            TFRecordFormat(),
            tmp_path / "x",
            name="x",
            origin={},
            processes=1,
        )
    assert not json.loads((tmp_path / "x" / RECORD).read_text())["finished"]
    assert [p.name for p in (tmp_path / "x").glob("*.tfrecord")] == [
        "x-train-00000-of-00002.tfrecord"
    ]
    assert not list((tmp_path / "x").glob(".*.tmp"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clips": 8}, r"holds another data set \(splits is"),
        ({"shard_clips": 4}, r"holds another data set \(shards is 5, here it would be 4"),
    ],
)
def test_a_folder_with_another_data_set_is_refused(
    change: dict[str, int], message: str, tmp_path: Path
) -> None:
    make(WORLD, TFRecordFormat(), tmp_path / "made", OPTIONS)
    before = contents(tmp_path / "made")
    with pytest.raises(ValueError, match=message):
        make(WORLD, TFRecordFormat(), tmp_path / "made", replace(OPTIONS, **change))
    assert contents(tmp_path / "made") == before


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty"):
        make(WORLD, TFRecordFormat(), tmp_path, OPTIONS)
    with pytest.raises(ValueError, match="is a file"):
        make(WORLD, TFRecordFormat(), tmp_path / "mine.txt", OPTIONS)
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / RECORD).write_text('{"na')
    with pytest.raises(ValueError, match="is damaged"):
        make(WORLD, TFRecordFormat(), tmp_path / "half", OPTIONS)


def test_converted_data_keeps_clips_and_splits(tmp_path: Path) -> None:
    make(WORLD, TFRecordFormat(), tmp_path / "made", OPTIONS)
    data = DataConfig(path=str(tmp_path / "made"))
    options = ConvertOptions(frame_size=32, processes=1, shard_clips=2, name="again")
    written = convert(data, TFRecordFormat(), tmp_path / "converted", options)
    assert written.splits == {"train": (7, 42), "validation": (2, 12), "test": (2, 12)}
    one, other = open_source(data, 32), open_source(DataConfig(path=str(written.out)), 32)
    assert len(one.recordings) == len(other.recordings) == 11
    for index, recording in enumerate(one.recordings):
        first, second = (s.read(index, range(recording.length)) for s in (one, other))
        np.testing.assert_array_equal(first.frames, second.frames)


def test_recordings_of_no_split_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make(WORLD, TFRecordFormat(), tmp_path / "made", OPTIONS)
    (tmp_path / "made" / "shapes-test-00000-of-00001.tfrecord").rename(
        tmp_path / "made" / "other.tfrecord"
    )
    data = DataConfig(path=str(tmp_path / "made"))
    convert(data, TFRecordFormat(), tmp_path / "out", ConvertOptions(frame_size=32, processes=1))
    assert "2 of 11 recordings belong to no split and are left out" in caplog.text
    assert "the test split of" in caplog.text


def test_a_preview_is_a_sheet_and_a_film(tmp_path: Path) -> None:
    sheet, film = preview(WORLD, tmp_path / "look")
    assert (sheet.name, film.name) == ("contact-sheet.png", "preview.mp4")
    assert sorted(p.name for p in (tmp_path / "look").iterdir()) == [sheet.name, film.name]


def test_a_world_source_reads_in_any_order() -> None:
    source = WorldSource(WORLD, {"train": 3, "test": 2})
    assert [r.id for r in source.recordings] == [
        *("train-0-0", "train-1-0", "train-2-0"),
        *("test-0-0", "test-1-0"),
    ]
    assert [r.split for r in source.recordings] == ["train"] * 3 + ["test"] * 2
    assert isinstance(source.recordings[0], Recording)
    forward = [source.read(i, range(6)) for i in range(5)]
    back = [source.read(i, range(1, 6, 2)) for i in reversed(range(5))]
    for clip, part in zip(forward, reversed(back), strict=True):
        np.testing.assert_array_equal(clip.frames[1::2], part.frames)
        np.testing.assert_array_equal(clip.labels["mask"][1::2], part.labels["mask"])
        assert clip.id == part.id
    for wrong in (-1, 5):
        with pytest.raises(IndexError):
            source.read(wrong, range(2))
    with pytest.raises(IndexError):
        source.read(0, range(5, 7))
