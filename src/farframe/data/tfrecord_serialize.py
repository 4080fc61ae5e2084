"""Clips as ``tf.train.Example``, written by hand as they are read."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32, Int64, Shaped, UInt8
from PIL import Image

from farframe.config import check
from farframe.data.tfrecord_dialects import JOINTS, POSE
from farframe.data.tfrecord_example import Record
from farframe.data.tfrecord_features import PREFIX
from farframe.wire import field


def serialize_record(record: Record) -> bytes:
    """The Example of a clip in the original's schema.

    Actions, poses and a rate that are not there (width 0, 0) are left out. Poses of the original's
    width are written as joints and state, others as states alone.
    """
    features: dict[str, bytes] = {}
    joints = JOINTS if record.poses.shape[1] == POSE else 0
    for i, image in enumerate(record.images):
        features[f"image_{i}"] = bytes_feature(bytes(image))
        if joints:
            features[f"joint_positions_{i}"] = float_feature(record.poses[i, :joints])
        if record.poses.shape[1]:
            features[f"state_{i}"] = float_feature(record.poses[i, joints:])
        if record.actions.shape[1]:
            features[f"action_{i}"] = float_feature(record.actions[i])
    if record.fps:
        features["fps"] = float_feature(np.array([record.fps], np.float32))
    features |= {key: bytes(value) for key, value in record.labels.items()}
    return example(features)


def label_features(labels: Mapping[str, Shaped[np.ndarray, "t ..."]]) -> dict[str, bytes]:
    """Key -> Feature of all labels of a clip.

    Raises:
        ValueError: for labels that are no numbers.
    """
    out: dict[str, bytes] = {}
    for name, values in labels.items():
        check(
            values.dtype.kind in "fiub",
            f"label {name}: dtype",
            str(values.dtype),
            "must be numbers",
        )
        picture = values.dtype == np.uint8 and values.ndim == 3
        for i, frame in enumerate(values):
            if picture:
                out[f"{PREFIX}{name}_{i}"] = bytes_feature(_png(frame))
            elif values.dtype.kind == "f":
                out[f"{PREFIX}{name}_{i}"] = float_feature(frame.astype(np.float32).reshape(-1))
            else:
                out[f"{PREFIX}{name}_{i}"] = integer_feature(frame.astype(np.int64).reshape(-1))
        if not picture:
            out[f"{PREFIX}{name}_shape"] = integer_feature(np.array(values.shape[1:], np.int64))
    return out


def bytes_feature(value: bytes) -> bytes:
    """A Feature with one value of bytes."""
    return field(1, field(1, value))


def float_feature(values: Float32[np.ndarray, " n"]) -> bytes:
    """A Feature with a list of floats."""
    return field(2, field(1, values.astype("<f4").tobytes()))


def integer_feature(values: Int64[np.ndarray, " n"]) -> bytes:
    """A Feature with a list of integers."""
    out = bytearray()
    for value in values.tolist():
        value &= (1 << 64) - 1
        while value > 127:
            out.append(value & 127 | 128)
            value >>= 7
        out.append(value)
    return field(3, field(1, bytes(out)))


def example(features: Mapping[str, bytes]) -> bytes:
    """The Example with these Features."""
    entries = (
        field(1, field(1, name.encode()) + field(2, value)) for name, value in features.items()
    )
    return field(1, b"".join(entries))


def _png(frame: UInt8[np.ndarray, "h w"]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(frame)).save(file, "PNG")
    return file.getvalue()
