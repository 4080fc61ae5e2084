"""One clip as a ``tf.train.Example``, in the original's schema or in one of two published ones.

Keys per frame i = 0, 1, ...; pictures are JPEG or PNG:

- the original's: ``image_i``; robot data also ``joint_positions_i``, ``state_i``, ``action_i``.
- Google's push: ``move/i/image/encoded``, ``.../commanded_pose/vec_pitch_yaw`` (the action),
  ``.../joint/positions`` and ``.../endeffector/vec_pitch_yaw`` (the pose).
- BAIR's softmotion: ``i/CAMERA/encoded``, raw RGB of 64x64, ``i/action``, ``i/endeffector_pos``.

A pose is the joints, then the state, as far as they are there; action and pose have any width. In
the original's schema a record with none of them gets the original's zeros.

farframe adds to the original's schema, which passes over other keys, ``fps`` and labels
(``tfrecord_labels.py``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, UInt8

from farframe.data.images import JPEG, PNG, decode_images
from farframe.data.tfrecord_features import (
    PREFIX,
    Features,
    RecordError,
    bytes_feature,
    example,
    features_of,
    float_feature,
    float_rows,
    floats,
    integers,
    kind_of,
    one_value,
)

JOINTS, STATE, ACTION = 7, 5, 5
POSE = JOINTS + STATE
"""The original's widths."""

RAW_SIDE = 64
"""Softmotion's pictures without a header are squares of this side."""

_RAW = 3 * RAW_SIDE * RAW_SIDE
_MOST = 4096  # numbers of an action or a pose


@dataclass(frozen=True)
class Dialect:
    """The keys of a schema, with {} for the frame's number."""

    name: str
    image: str
    action: str
    poses: tuple[str, ...]
    crops: bool = True
    """Whether ``data.crop`` cuts a square out, or the picture is squeezed, as by the original."""


SEED = Dialect("original", "image_{}", "action_{}", ("joint_positions_{}", "state_{}"), crops=False)
PUSH = Dialect(
    "google push",
    "move/{}/image/encoded",
    "move/{}/commanded_pose/vec_pitch_yaw",
    ("move/{}/joint/positions", "move/{}/endeffector/vec_pitch_yaw"),
)
BAIR = Dialect("softmotion", "{}/%s/encoded", "{}/action", ("{}/endeffector_pos",))
DIALECTS = (SEED, PUSH, BAIR)
"""An index tells them by their place here."""

BAIR_CAMERA = "image_aux1"
"""The camera that published experiments on the data use, of two."""

_NUMBER = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
_CAMERA = re.compile(r"0/(image_[^/]+)/encoded")


@dataclass(frozen=True)
class Record:
    """The fields of one clip, images still encoded. ``fps`` is 0 where the record has none.

    ``labels`` are features as they stand in a record, by their keys (``tfrecord_labels.py``).
    """

    images: tuple[memoryview, ...]
    actions: Float32[np.ndarray, "t a"]
    poses: Float32[np.ndarray, "t p"]
    fps: float = 0.0
    dialect: Dialect = SEED
    labels: Mapping[str, bytes | memoryview] = field(default_factory=dict[str, bytes | memoryview])


def parse_record(payload: bytes, *, controls: bool = False, camera: str | None = "") -> Record:
    """Read a serialized Example; with ``controls`` actions and poses must be there.

    ``camera`` chooses between softmotion's pictures ("": ``BAIR_CAMERA``, or the only one; None:
    any).

    Raises:
        RecordError: if it is no Example, or in none of the schemas.
    """
    features = features_of(payload)
    dialect, image = _dialect(features, camera)
    count = _count(features, image)
    view = memoryview(payload)
    keys = [image.format(i) for i in range(count)]
    images = tuple(view[slice(*_image(payload, features, key, dialect))] for key in keys)
    if controls:
        _demand_controls(features, dialect)
    actions = _numbers(payload, features, dialect.action, count)
    parts = [_numbers(payload, features, key, count) for key in dialect.poses]
    if dialect is SEED and not any(part.shape[1] for part in (actions, *parts)):
        actions, parts = (
            np.zeros((count, ACTION), np.float32),
            [np.zeros((count, POSE), np.float32)],
        )
    labels = {k: view[slice(*span)] for k, span in features.items() if k.startswith(PREFIX)}
    return Record(
        images, actions, np.concatenate(parts, 1), _fps(payload, features), dialect, labels
    )


def pictures(record: Record, frames: Sequence[int]) -> Iterator[UInt8[np.ndarray, "_ _ 3"]]:
    """Decode some frames of a record, in order.

    Raises:
        ImageError: if one is broken.
    """
    if record.dialect is BAIR and len(record.images[0]) == _RAW:
        for t in frames:
            yield np.frombuffer(record.images[t], np.uint8).reshape(RAW_SIDE, RAW_SIDE, 3)
    else:
        yield from decode_images(record.images[t] for t in frames)


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


def _dialect(features: Features, camera: str | None) -> tuple[Dialect, str]:
    """The schema of a record, and its pictures' key with {} for the frame."""
    for dialect in (SEED, PUSH):
        if dialect.image.format(0) in features:
            return dialect, dialect.image
    cameras = sorted(m[1] for m in map(_CAMERA.fullmatch, features) if m)
    if not cameras:
        for dialect in (SEED, PUSH):
            _complain_of_gap(features, dialect.image, 0)
        keys = ", ".join(ascii(key[:40]) for key in sorted(features)[:3]) or "none"
        raise RecordError(f"there is no image_0: not the expected schema (keys: {keys}, ...)")
    chosen = camera or (BAIR_CAMERA if BAIR_CAMERA in cameras else cameras[0])
    guessed = camera == "" and chosen != BAIR_CAMERA and len(cameras) > 1
    if chosen not in cameras or guessed:
        asked = f"no camera {camera}" if camera else "several cameras"
        raise RecordError(f"it has {asked}: choose one of {', '.join(cameras)} by --data.camera")
    counts = {name: _count(features, BAIR.image % name) for name in cameras}
    if len(set(counts.values())) > 1:
        raise RecordError(f"its cameras have different numbers of pictures: {counts}")
    return BAIR, BAIR.image % chosen


def _count(features: Features, image: str) -> int:
    """How many pictures there are; gaps would cut a clip short without a word."""
    count = 0
    while image.format(count) in features:
        count += 1
    _complain_of_gap(features, image, count)
    return count


def _complain_of_gap(features: Features, image: str, count: int) -> None:
    head, tail = image.split("{}")
    end = -len(tail) or None
    found = (k[len(head) : end] for k in features if k.startswith(head) and k.endswith(tail))
    numbers = [int(n) for n in found if _NUMBER.fullmatch(n)]
    if len(numbers) > count:
        last = image.format(max(numbers))
        raise RecordError(f"{image.format(count)} is missing though {last} is there")


def _demand_controls(features: Features, dialect: Dialect) -> None:
    """Refuse a record that lacks actions, or all parts of the pose."""
    wanted = [dialect.action] if any(p.format(0) in features for p in dialect.poses) else []
    for key in wanted or [*dialect.poses[:1]]:
        if key.format(0) not in features:
            raise RecordError(
                f"{key.format(0)} is missing, and actions and poses are asked for (--data.controls "
                "auto does without)"
            )


def _image(payload: bytes, features: Features, key: str, dialect: Dialect) -> tuple[int, int]:
    start, end = one_value(payload, features, key)
    if dialect is BAIR and end - start == _RAW:
        return start, end
    if not payload.startswith((JPEG, PNG), start, end):
        raw = f", nor {_RAW} bytes of {RAW_SIDE}x{RAW_SIDE} RGB" if dialect is BAIR else ""
        raise RecordError(f"{key} is neither JPEG nor PNG{raw}")
    return start, end


def _numbers(
    payload: bytes, features: Features, key: str, count: int
) -> Float32[np.ndarray, "t n"]:
    """The rows of a key, for all frames or (of width 0) for none."""
    keys = [key.format(i) for i in range(count)]
    if not any(key in features for key in keys):
        return np.zeros((count, 0), np.float32)
    return float_rows(payload, features, keys, _MOST)


def _fps(payload: bytes, features: Features) -> float:
    """The rate that a record says it has, 0 if it says none."""
    if "fps" not in features:
        return 0.0
    if kind_of(payload, features, "fps") == 3:
        numbers = [float(n) for n in integers(payload, features, "fps")]
    else:  # by way of text: 29.97 and not its neighbour among the doubles
        data = floats(payload, features, "fps")
        numbers = [float(str(n)) for n in np.frombuffer(data[: len(data) // 4 * 4], "<f4")]
    if len(numbers) != 1 or not 0 < numbers[0] < math.inf:
        raise RecordError(f"fps holds {numbers[:3]}: must be one positive number")
    return numbers[0]
