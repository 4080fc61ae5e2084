"""The TFRecord source and its writer, against records that TensorFlow wrote and by round trips."""

from __future__ import annotations

import logging
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from dialect_files import write_examples

from farframe.data.source import ClipSource, DataError
from farframe.data.tfrecord import TFRecordSource
from farframe.data.tfrecord_serialize import bytes_feature, example
from farframe.data.tfrecord_writer import write_tfrecords
from farframe.types import Clip

FIXTURES = Path(__file__).parents[1] / "data" / "tfrecord"
SHARED = Path(__file__).parents[3] / "shared" / "tfrecords"


def clip(length: int = 4, size: int = 16, seed: int = 0, robot: bool = True) -> Clip:
    rng = np.random.default_rng(seed)
    return Clip(
        frames=rng.integers(0, 256, (length, 3, size, size), dtype=np.uint8),
        actions=rng.standard_normal((length, 5 * robot)).astype(np.float32),
        poses=rng.standard_normal((length, 12 * robot)).astype(np.float32),
        fps=1.0,
        id=f"clip {seed}",
    )


@pytest.fixture
def fixtures(tmp_path: Path) -> Path:
    for path in FIXTURES.glob("*.tfrecord"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_reads_what_tensorflow_read(fixtures: Path) -> None:
    source: ClipSource = TFRecordSource.open(fixtures, 64)
    assert isinstance(source, ClipSource)
    assert [(r.id, r.file, r.length, r.fps) for r in source.recordings] == [
        (f"{name}:0", name, length, 1.0)
        for name, length in (
            ("humans-train-00000-of-00001.tfrecord", 16),
            ("robot-train-00000-of-00001.tfrecord", 12),
        )
    ]
    humans, robot = source.read(0, range(16)), source.read(1, range(12))
    with np.load(FIXTURES / "expected.npz") as expected:
        right = (expected["humans_64ths"] / 64).clip(0, 255)
        found = humans.frames[expected["humans_frames"]].transpose(0, 2, 3, 1)
        assert np.abs(found - right).max() <= 0.52
        found = robot.frames[expected["robot_frames"]].transpose(0, 2, 3, 1)
        np.testing.assert_array_equal(found, expected["robot"])
        np.testing.assert_array_equal(robot.poses, expected["robot_poses"])
        np.testing.assert_array_equal(robot.actions, expected["robot_actions"])
    assert humans.poses.shape == (16, 12)
    assert humans.actions.shape == (16, 5)
    assert not humans.poses.any()
    assert not humans.actions.any()


@pytest.mark.skipif(not (SHARED / "decoded.npz").exists(), reason="the full recordings are absent")
def test_reads_all_that_tensorflow_read(tmp_path: Path) -> None:
    for path in SHARED.glob("*-00*.tfrecord"):
        shutil.copy(path, tmp_path)
    source = TFRecordSource.open(tmp_path, 64, strict=True)
    files = {
        "robot_train0": "robot-train-00000-of-00002.tfrecord",
        "robot_train1": "robot-train-00001-of-00002.tfrecord",
        "robot_validation": "robot-validation-00000-of-00001.tfrecord",
        "humans_train": "humans-train-00000-of-00001.tfrecord",
    }
    ids = [recording.id for recording in source.recordings]
    with np.load(SHARED / "decoded.npz") as decoded:
        for key in decoded:
            name, field = key.split("/")
            for number, right in enumerate(decoded[key]):
                found = source.read(ids.index(f"{files[name]}:{number}"), range(len(right)))
                if field == "images":
                    levels = found.frames.transpose(0, 2, 3, 1) / 255
                    assert np.abs(levels - right.clip(0, 1)).max() <= 0.51 / 255
                else:
                    np.testing.assert_array_equal(getattr(found, field), right)


def test_reads_only_the_frames_asked_for(tmp_path: Path) -> None:
    whole = clip(9)
    write_tfrecords(tmp_path / "a.tfrecord", [whole])
    source = TFRecordSource.open(tmp_path / "a.tfrecord", 16)
    for frames in (range(9), range(2, 8, 3), range(8, -1, -2), range(5, 6), range(0)):
        found, chosen = source.read(0, frames), list(frames)
        np.testing.assert_array_equal(found.frames, whole.frames[chosen])
        np.testing.assert_array_equal(found.actions, whole.actions[chosen])
        np.testing.assert_array_equal(found.poses, whole.poses[chosen])
        assert found.id == "a.tfrecord:0"
    for frames in (range(10), range(-1, 3), range(9, 10)):
        with pytest.raises(IndexError, match=r"a\.tfrecord:0 has 9 frames"):
            source.read(0, frames)


@pytest.mark.parametrize("robot", [True, False])
def test_writer_round_trip(tmp_path: Path, robot: bool) -> None:
    clips = [clip(length, 32, length, robot) for length in (1, 7, 3)]
    exact, small = tmp_path / "exact.tfrecord", tmp_path / "small.tfrecord"
    assert write_tfrecords(exact, clips) == 3
    assert write_tfrecords(small, iter(clips), image_format="jpeg", quality=100) == 3
    for path in (exact, small):
        source = TFRecordSource.open(path, 32, strict=True)
        assert [r.length for r in source.recordings] == [1, 7, 3]
        for i, right in enumerate(clips):
            found = source.read(i, range(len(right)))
            error = np.abs(found.frames.astype(int) - right.frames)
            # JPEG keeps a quarter of the colour samples of this noise.
            assert error.max() == 0 if path == exact else error.mean() < 60
            for a, b in ((found.actions, right.actions), (found.poses, right.poses)):
                np.testing.assert_array_equal(a, b)


def test_writer_refuses_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    odd = Clip(
        frames=np.zeros((2, 3, 8, 8), np.uint8),
        actions=np.zeros((2, 4), np.float32),
        poses=np.zeros((2, 0), np.float32),
        fps=1.0,
        id="odd",
    )
    with pytest.raises(ValueError, match="clip odd: actions of 4 numbers and poses of 0"):
        write_tfrecords(path, [clip(), odd])
    with pytest.raises(ValueError, match="no clips"):
        write_tfrecords(path, [])
    with pytest.raises(ValueError, match="quality"):
        write_tfrecords(path, [clip()], quality=0)
    assert list(tmp_path.iterdir()) == []
    write_tfrecords(path, [clip()])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="shape"):
        write_tfrecords(path, [clip(), clip(0)])
    assert path.read_bytes() == before


def test_ids_and_order_do_not_depend_on_other_files(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    write_tfrecords(tmp_path / "b" / "x.tfrecord", [clip(seed=1), clip(seed=2)])
    first = TFRecordSource.open(tmp_path, 16)
    (tmp_path / "b" / "c").mkdir()
    write_tfrecords(tmp_path / "a-train-00000-of-00002", [clip(seed=3)])
    write_tfrecords(tmp_path / "b" / "c" / "push.tfrecord-00001-of-00002", [clip(seed=4)])
    (tmp_path / ".hidden.tfrecord").write_bytes(b"half a copy")
    second = TFRecordSource.open(tmp_path, 16)
    assert [r.id for r in first.recordings] == ["b/x.tfrecord:0", "b/x.tfrecord:1"]
    assert [r.id for r in second.recordings] == [
        "a-train-00000-of-00002:0",
        "b/c/push.tfrecord-00001-of-00002:0",
        "b/x.tfrecord:0",
        "b/x.tfrecord:1",
    ]
    np.testing.assert_array_equal(second.read(2, range(4)).frames, first.read(0, range(4)).frames)


def test_fingerprint_follows_content_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    write_tfrecords(path, [clip(), clip(seed=1)])
    prints = [TFRecordSource.open(path, 16).fingerprint()]
    copy = tmp_path / "copy" / "a.tfrecord"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    assert TFRecordSource.open(copy.parent, 16).fingerprint() == prints[0]
    prints.append(TFRecordSource.open(path, 32).fingerprint())
    prints.append(TFRecordSource.open(path, 16, fps=10.0).fingerprint())
    write_tfrecords(path, [clip(), clip(seed=2)])  # of the same size in bytes, or nearly
    prints.append(TFRecordSource.open(path, 16).fingerprint())
    assert len(set(prints)) == len(prints)


def test_frame_rate_is_the_users_word(tmp_path: Path) -> None:
    write_tfrecords(tmp_path / "a.tfrecord", [clip()])
    source = TFRecordSource.open(tmp_path, 16, fps=6.25)
    assert source.recordings[0].fps == 6.25
    assert source.recordings[0].length == 4
    assert source.read(0, range(2)).fps == 6.25


def test_survives_pickling(tmp_path: Path) -> None:
    write_tfrecords(tmp_path / "a.tfrecord", [clip()])
    source = TFRecordSource.open(tmp_path, 16)
    copy = pickle.loads(pickle.dumps(source))
    assert copy.recordings == source.recordings
    assert copy.fingerprint() == source.fingerprint()
    np.testing.assert_array_equal(copy.read(0, range(4)).frames, source.read(0, range(4)).frames)


def test_resizes_any_size_to_a_square(tmp_path: Path) -> None:
    write_tfrecords(tmp_path / "a.tfrecord", [clip(size=96)])
    for size in (32, 64, 128):
        found = TFRecordSource.open(tmp_path, size).read(0, range(3))
        assert found.frames.shape == (3, 3, size, size)


def spoil(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def test_bad_records_are_skipped_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.tfrecord"
    clips = [clip(seed=i) for i in range(4)]
    write_tfrecords(path, clips)
    third = path.stat().st_size * 3 // 8  # inside of record 1
    spoil(path, third)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 5)  # record 3 loses its end
    with caplog.at_level(logging.WARNING, "farframe"):
        source = TFRecordSource.open(tmp_path, 16)
    assert [r.id for r in source.recordings] == ["a.tfrecord:0", "a.tfrecord:2"]
    np.testing.assert_array_equal(source.read(1, range(4)).frames, clips[2].frames)
    (record,) = caplog.records
    assert record.name == "farframe"
    message = record.getMessage()
    assert str(path) in message
    assert "record 1: its data fails its CRC32C check" in message
    assert "record 3: " in message
    assert "cut off" in message
    with pytest.raises(DataError, match=r"a\.tfrecord: record 1: its data fails"):
        TFRecordSource.open(tmp_path, 16, strict=True)


def test_a_bad_length_costs_the_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.tfrecord"
    write_tfrecords(path, [clip()])
    end = path.stat().st_size
    write_tfrecords(path, [clip(seed=i) for i in range(3)])
    spoil(path, end + 7)
    source = TFRecordSource.open(path, 16)
    assert [r.id for r in source.recordings] == ["a.tfrecord:0"]
    assert "record 1: its length fails its CRC32C check" in caplog.text


def test_going_bad_after_indexing_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    write_tfrecords(path, [clip(), clip(seed=1)])
    source = TFRecordSource.open(path, 16)
    spoil(path, path.stat().st_size - 100)
    assert len(source.read(0, range(4))) == 4
    with pytest.raises(DataError, match=r"a\.tfrecord: record 1: its data fails"):
        source.read(1, range(1))
    path.unlink()
    with pytest.raises(DataError, match="record 0: "):
        source.read(0, range(1))


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no TFRecords"):
        TFRecordSource.open(tmp_path, 16)
    (tmp_path / "a.tfrecord").write_bytes(b"")
    with pytest.raises(DataError, match=r"no readable clip.*empty \(0 bytes\)"):
        TFRecordSource.open(tmp_path, 16)
    (tmp_path / "a.tfrecord").write_bytes(b"\x1f\x8b\x08" + bytes(40))
    with pytest.raises(DataError, match="gunzip"):
        TFRecordSource.open(tmp_path / "a.tfrecord", 16)


def test_another_schema_is_named(tmp_path: Path) -> None:
    write_examples(tmp_path / "a.tfrecord", [example({"video/0": bytes_feature(b"x")})])
    with pytest.raises(DataError, match=r"no image_0: not the expected schema \(keys: 'video/0'"):
        TFRecordSource.open(tmp_path, 64)


def test_controls_are_read_demanded_or_zeros(tmp_path: Path) -> None:
    robot, human = tmp_path / "robot.tfrecord", tmp_path / "human.tfrecord"
    write_tfrecords(robot, [clip()])
    write_tfrecords(human, [clip(robot=False)])
    auto, read = (TFRecordSource.open(robot, 16, controls=c) for c in ("auto", "read"))
    np.testing.assert_array_equal(auto.read(0, range(4)).poses, clip().poses)
    np.testing.assert_array_equal(read.read(0, range(4)).actions, clip().actions)
    assert read.fingerprint() == auto.fingerprint()
    zeros = TFRecordSource.open(robot, 16, controls="zeros")
    found = zeros.read(0, range(1, 4))
    assert (found.poses.shape, found.actions.shape) == ((3, 12), (3, 5))
    assert not found.poses.any()
    assert not found.actions.any()
    np.testing.assert_array_equal(found.frames, clip().frames[1:])
    assert zeros.fingerprint() != auto.fingerprint()
    with pytest.raises(DataError, match=r"human.tfrecord: record 0: joint_positions_0 is missing"):
        TFRecordSource.open(human, 16, controls="read")
