"""Records of any width, and the published schemas of Google's push and BAIR's softmotion."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from dialect_files import push_features, softmotion_features, write_examples, write_softmotion

from farframe.config import DataConfig
from farframe.data.images import decode_images
from farframe.data.resize import resized
from farframe.data.source import DataError, actions_in, open_source
from farframe.data.tfrecord import TFRecordSource
from farframe.data.tfrecord_features import features_of, one_value
from farframe.data.tfrecord_file import scan
from farframe.data.tfrecord_serialize import (
    bytes_feature,
    example,
    float_feature,
    integer_feature,
)
from farframe.data.tfrecord_writer import write_tfrecords
from farframe.types import Clip

FIXTURES = Path(__file__).parents[1] / "data" / "tfrecord"
PUBLISHED = FIXTURES.with_name("tfrecord_published")
PUSH = PUBLISHED / "push_train.tfrecord-00000-of-00001"
BAIR = PUBLISHED / "traj_0_to_1.tfrecords"


def clip(actions: int = 5, poses: int = 12, length: int = 4, fps: float = 0.0) -> Clip:
    rng = np.random.default_rng(7)
    return Clip(
        frames=rng.integers(0, 256, (length, 3, 64, 64), dtype=np.uint8),
        actions=rng.standard_normal((length, actions)).astype(np.float32),
        poses=rng.standard_normal((length, poses)).astype(np.float32),
        fps=fps,
        id="it",
    )


def payload(path: Path) -> bytes:
    with path.open("rb") as file:
        return next(scan(file, path.stat().st_size)).payload


def raw(path: Path, key: str) -> bytes:
    data = payload(path)
    return data[slice(*one_value(data, features_of(data), key))]


@pytest.mark.parametrize("widths", [(4, 3), (1, 0), (0, 2), (7, 12), (40, 50), (5, 5)])
def test_any_width_is_read_and_written(tmp_path: Path, widths: tuple[int, int]) -> None:
    path, mine = tmp_path / "a.tfrecord", clip(*widths)
    write_tfrecords(path, [mine, mine])
    source = TFRecordSource.open(path, 64, strict=True)
    assert (source.action_dim, source.pose_dim) == widths
    found = source.read(1, range(3, 0, -1))
    np.testing.assert_array_equal(found.actions, mine.actions[3:0:-1])
    np.testing.assert_array_equal(found.poses, mine.poses[3:0:-1])
    assert actions_in(DataConfig(path=str(path))) == widths[0]


def test_records_of_other_widths_are_bad_ones(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_tfrecords(tmp_path / "a.tfrecord", [clip(4, 3)])
    write_tfrecords(tmp_path / "b.tfrecord", [clip(5, 3), clip(5, 3)])
    write_tfrecords(tmp_path / "c.tfrecord", [clip(4, 3)])
    with caplog.at_level(logging.WARNING, "farframe"):
        source = TFRecordSource.open(tmp_path, 64)
    assert [r.file for r in source.recordings] == ["a.tfrecord", "c.tfrecord"]
    (record,) = caplog.records
    assert (
        "b.tfrecord: skipped record 0: actions of 5 numbers and poses of 3, but record 0 of "
        in (record.getMessage())
    )
    with pytest.raises(DataError, match=r"b\.tfrecord: record 0: actions of 5 .*a\.tfrecord has 4"):
        TFRecordSource.open(tmp_path, 64, strict=True)


def test_records_with_neither_go_with_all_others(tmp_path: Path) -> None:
    write_tfrecords(tmp_path / "a.tfrecord", [clip(0, 0), clip(4, 3)])
    source = TFRecordSource.open(tmp_path, 64, strict=True)
    assert (source.action_dim, source.pose_dim) == (4, 3)
    assert source.read(0, range(4)).poses.shape == (4, 3)
    assert not source.read(0, range(4)).poses.any()
    assert source.read(1, range(4)).poses.all()


@pytest.mark.parametrize(("controls", "widths"), [("auto", (0, 0)), ("zeros", (5, 12))])
def test_data_with_neither_has_none_or_the_originals_zeros(
    controls: Literal["auto", "zeros"], widths: tuple[int, int], tmp_path: Path
) -> None:
    write_tfrecords(tmp_path / "a.tfrecord", [clip(0, 0), clip(0, 0)])
    source = TFRecordSource.open(tmp_path, 64, strict=True, controls=controls)
    assert (source.action_dim, source.pose_dim) == widths
    found = source.read(1, range(4))
    assert (found.actions.shape, found.poses.shape) == ((4, widths[0]), (4, widths[1]))
    assert not found.poses.any()
    assert actions_in(DataConfig(path=str(tmp_path), controls=controls)) == widths[0]


def test_the_widths_of_old_data_change_no_fingerprint(tmp_path: Path) -> None:
    for path in FIXTURES.glob("*-of-00001.tfrecord"):
        shutil.copy(path, tmp_path)
    mine = TFRecordSource.open(tmp_path, 64).fingerprint()
    assert mine == "1a09f19cf3fb165e1d6384b33e3002478e3144d720f44111d9ceec5d6c4473c1"


def test_push_by_its_published_keys() -> None:
    source = TFRecordSource.open(PUSH, 64, strict=True, store_index=False)
    assert [r.length for r in source.recordings] == [3, 3]
    assert (source.action_dim, source.pose_dim) == (5, 5)  # TensorFlow's sample has no joints
    found = source.read(0, range(3))
    (whole,) = decode_images([raw(PUSH, "move/2/image/encoded")])
    assert whole.shape == (128, 160, 3)
    expected = resized(np.ascontiguousarray(whole[:, 16:144]), 64)
    np.testing.assert_array_equal(found.frames[2], expected.transpose(2, 0, 1))
    # What the file has there, byte by byte.
    assert found.actions[0, :2].tobytes() == bytes.fromhex("5bb3983e791c293f")
    assert found.poses[0, :2].tobytes() == bytes.fromhex("28f73abf9b63a3be")
    squeezed = TFRecordSource.open(PUSH, 64, crop="stretch", store_index=False)
    np.testing.assert_array_equal(
        squeezed.read(0, range(2, 3)).frames[0], resized(whole, 64).transpose(2, 0, 1)
    )
    assert squeezed.fingerprint() != source.fingerprint()
    with pytest.raises(DataError, match="crop 99,0,64 reaches to 163x64, the picture is 160x128"):
        TFRecordSource.open(PUSH, 64, crop="99,0,64", store_index=False)


def test_softmotion_by_its_published_keys() -> None:
    source = TFRecordSource.open(BAIR, 64, strict=True, store_index=False)
    assert (source.action_dim, source.pose_dim) == (4, 3)
    main = TFRecordSource.open(BAIR, 64, camera="image_main", store_index=False)
    for camera, opened in (("image_aux1", source), ("image_main", main)):
        found = opened.read(0, range(3)).frames
        for t in range(3):
            pixels = np.frombuffer(raw(BAIR, f"{t}/{camera}/encoded"), np.uint8)
            np.testing.assert_array_equal(found[t], pixels.reshape(64, 64, 3).transpose(2, 0, 1))
    assert main.fingerprint() != source.fingerprint()
    assert main.recordings == source.recordings
    with pytest.raises(DataError, match="no camera front: choose one of image_aux1, image_main"):
        TFRecordSource.open(BAIR, 64, camera="front", store_index=False)


def test_a_camera_is_for_data_with_several() -> None:
    with pytest.raises(DataError, match="has one camera only; leave it out"):
        TFRecordSource.open(PUSH, 64, camera="image_main", store_index=False)


def write_changed(path: Path, features: dict[str, bytes], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if value is None:
            del features[key]
        else:
            features[key] = value
    write_examples(path, [example(features)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"1/image_main/encoded": None}, r"1/image_main/encoded is missing though 3/image_main"),
        ({"3/image_main/encoded": None}, r"different numbers of pictures"),
        ({"0/image_aux1/encoded": bytes_feature(b"short")}, "nor 12288 bytes of 64x64 RGB"),
        ({"2/action": None}, "2/action is missing though other frames"),
        ({"1/action": float_feature(np.ones(3, np.float32))}, "1/action holds 3 numbers instead"),
        ({"0/action": float_feature(np.ones(0, np.float32))}, "0/action holds 0 numbers"),
        ({"fps": float_feature(np.float32([-1]))}, "fps holds .*positive"),
        ({"fps": integer_feature(np.array([1, 2]))}, "fps holds .*one positive"),
        ({"fps": bytes_feature(b"10")}, "fps holds no floats"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "a.tfrecord"
    write_changed(path, softmotion_features(clip()), changes)
    with pytest.raises(DataError, match=message) as caught:
        TFRecordSource.open(path, 64)
    assert "\n" not in str(caught.value)


def test_controls_that_are_asked_for_must_be_there(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    features = push_features(clip())
    bare = {key: value for key, value in features.items() if "image" in key}
    write_examples(path, [example(bare)])
    assert TFRecordSource.open(path, 64).action_dim == 0
    with pytest.raises(DataError, match="move/0/joint/positions is missing, and actions"):
        TFRecordSource.open(path, 64, controls="read")
    write_softmotion(path, [clip()])
    assert TFRecordSource.open(path, 64, controls="read").action_dim == 4
    zeros = TFRecordSource.open(path, 64, controls="zeros").read(0, range(2))
    assert (zeros.actions.shape, zeros.actions.any()) == ((2, 4), False)


def test_a_camera_must_be_named_among_several_unknown_ones(tmp_path: Path) -> None:
    features = softmotion_features(clip())
    renamed = {key.replace("aux1", "left"): value for key, value in features.items()}
    write_examples(tmp_path / "a.tfrecord", [example(renamed)])
    with pytest.raises(DataError, match="several cameras: choose one of image_left, image_main"):
        TFRecordSource.open(tmp_path, 64)
    data = DataConfig(path=str(tmp_path), camera="image_left")
    assert open_source(data, 64).recordings[0].length == 4


def test_a_record_says_its_rate_and_the_user_has_the_last_word(tmp_path: Path) -> None:
    write_tfrecords(tmp_path / "a.tfrecord", [clip(fps=29.97), clip(fps=0.0)])
    for _ in range(2):  # from the records, then from the index
        source = TFRecordSource.open(tmp_path, 64)
        assert [r.fps for r in source.recordings] == [29.97, 1.0]
        assert source.read(0, range(2)).fps == 29.97
    said = TFRecordSource.open(tmp_path, 64, fps=5.0)
    assert [r.fps for r in said.recordings] == [5.0, 5.0]
    assert said.fingerprint() != source.fingerprint()
    assumed = TFRecordSource.open(tmp_path, 64, default_fps=10.0)
    assert [r.fps for r in assumed.recordings] == [29.97, 10.0]
    with pytest.raises(ValueError, match="clip it: fps is nan"):
        write_tfrecords(tmp_path / "b.tfrecord", [replace(clip(), fps=float("nan"))])
