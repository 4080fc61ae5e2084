"""Ground truth in records: written, read back when it is looked at, resized with the frames."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dialect_files import write_examples

from farframe.data import tfrecord_labels
from farframe.data.source import DataError
from farframe.data.tfrecord import TFRecordSource
from farframe.data.tfrecord_example import parse_record
from farframe.data.tfrecord_features import features_of
from farframe.data.tfrecord_file import scan
from farframe.data.tfrecord_labels import Labels
from farframe.data.tfrecord_serialize import bytes_feature, example, integer_feature, label_features
from farframe.data.tfrecord_writer import write_tfrecords
from farframe.types import Clip
from farframe.worlds.shapes import ShapesSource

LENGTH, SIDE = 6, 24


def labelled(seed: int = 0) -> Clip:
    rng = np.random.default_rng(seed)
    clip = ShapesSource(clips=9, length=LENGTH, frame_size=SIDE, seed=3).read(seed, range(LENGTH))
    extra = {
        "segmentation": rng.integers(0, 9, (LENGTH, SIDE, SIDE), dtype=np.uint8),
        "objects_3": rng.normal(size=(LENGTH, 4, 3)).astype(np.float32),
        "id": np.arange(LENGTH) - 2**62,
        "seen": rng.random((LENGTH, 2)) > 0.5,
    }
    return replace(clip, labels={**clip.labels, **extra})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_tfrecords(tmp_path / "a.tfrecord", [labelled(0), labelled(1)])
    return tmp_path / "a.tfrecord"


def first(path: Path) -> bytes:
    with path.open("rb") as file:
        return next(scan(file, path.stat().st_size)).payload


def same(found: Any, right: Any) -> None:
    assert set(found) == set(right)
    for name in right:
        expected = right[name]
        if expected.dtype.kind == "f":
            expected = expected.astype(np.float32)
        elif expected.ndim != 3 or expected.dtype != np.uint8:
            expected = expected.astype(np.int64)
        assert found[name].dtype == expected.dtype
        np.testing.assert_array_equal(found[name], expected)


def test_all_that_was_written_comes_back(path: Path) -> None:
    source = TFRecordSource.open(path, SIDE, strict=True)
    for i in range(2):
        clip = source.read(i, range(LENGTH))
        assert len(clip.labels) == 9
        same(clip.labels, labelled(i).labels)
    part = source.read(0, range(5, 0, -2)).labels
    same(part, {name: values[[5, 3, 1]] for name, values in labelled(0).labels.items()})
    none = source.read(0, range(2, 2)).labels
    same(none, {name: values[:0] for name, values in labelled(0).labels.items()})


def test_pictures_are_brought_to_the_size_of_the_frames(path: Path) -> None:
    labels, right = TFRecordSource.open(path, 12).read(0, range(LENGTH)).labels, labelled(0).labels
    np.testing.assert_array_equal(labels["segmentation"], right["segmentation"][:, ::2, ::2])
    area = right["mask"].reshape(LENGTH, 12, 2, 12, 2).mean((2, 4))
    assert np.abs(labels["mask"] - area).max() <= 1  # Pillow rounds after each axis
    large = TFRecordSource.open(path, 48).read(0, range(LENGTH)).labels["segmentation"]
    np.testing.assert_array_equal(large[:, ::2, ::2], right["segmentation"])


def test_an_entry_is_decoded_when_it_is_looked_at(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = first(path)
    features = parse_record(payload).labels
    decoded: list[str] = []
    real = tfrecord_labels._grey

    def grey(data: bytes, key: str) -> Any:
        decoded.append(key)
        return real(data, key)

    monkeypatch.setattr(tfrecord_labels, "_grey", grey)
    labels = Labels(features, LENGTH, range(2, 4), SIDE, "here")
    assert "mask" in labels
    assert len(labels["position"]) == 2
    assert not decoded
    mask = labels["mask"]
    assert decoded == ["label_mask_2", "label_mask_3"]
    assert labels["mask"] is mask
    with pytest.raises(KeyError):
        labels["nothing"]


def test_a_pickled_copy_is_the_same(path: Path) -> None:
    clip = TFRecordSource.open(path, SIDE).read(1, range(LENGTH))
    same(pickle.loads(pickle.dumps(clip)).labels, labelled(1).labels)


def test_without_labels_there_are_none(tmp_path: Path) -> None:
    write_tfrecords(tmp_path / "a.tfrecord", [replace(labelled(), labels={})])
    assert TFRecordSource.open(tmp_path, SIDE).read(0, range(2)).labels == {}


def test_without_a_shape_numbers_are_flat(path: Path, tmp_path: Path) -> None:
    features = label_features(labelled().labels)
    features = {key: value for key, value in features.items() if not key.endswith("_shape")}
    labels = Labels(features, LENGTH, range(LENGTH), SIDE, "here")
    assert labels["objects_3"].shape == (LENGTH, 12)
    assert labels["id"].shape == (LENGTH, 1)


@pytest.mark.parametrize(
    ("changes", "message", "at_once"),
    [
        ({"label_mask_3": None}, "label_mask_3 is missing though 5 other", True),
        ({"label_mask_1": bytes_feature(b"no picture")}, "label_mask_1 can't be decoded", False),
        ({"label_mask_1": integer_feature(np.array([1]))}, "label_mask_1 holds no bytes", False),
        ({"label_id_4": integer_feature(np.array([1, 2]))}, "different counts of numbers", False),
        ({"label_objects_3_shape": integer_feature(np.array([5, 5]))}, "reshape", False),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(
    path: Path, changes: dict[str, Any], message: str, at_once: bool
) -> None:
    payload = first(path)
    features = {key: payload[a:b] for key, (a, b) in features_of(payload).items()} | changes
    kept = {key: value for key, value in features.items() if value is not None}
    write_examples(path, [example(kept)])
    if at_once:
        with pytest.raises(DataError, match=message):
            TFRecordSource.open(path, SIDE)
        return
    labels = Labels(
        {k: v for k, v in kept.items() if k.startswith("label_")}, LENGTH, range(LENGTH), SIDE, "x"
    )
    with pytest.raises(DataError, match=f"x: .*{message}") as caught:
        dict(labels)
    assert "\n" not in str(caught.value)


def test_labels_must_be_numbers(tmp_path: Path) -> None:
    wrong = replace(labelled(), labels={"name": np.array(["a"] * LENGTH)})
    with pytest.raises(ValueError, match="label name: dtype is '<U1': must be numbers"):
        write_tfrecords(tmp_path / "a.tfrecord", [wrong])
    assert not list(tmp_path.iterdir())
