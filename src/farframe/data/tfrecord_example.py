"""One clip as a ``tf.train.Example`` in the original's schema: bytes <-> fields.

Keys per frame i = 0, 1, ...: ``image_i`` (JPEG or PNG bytes); robot data also ``joint_positions_i``
float[7], ``state_i`` float[5], ``action_i`` float[5]. A pose is the joints, then the state; data
without them gets zeros, as in the original.

The protocol buffer is read by hand: the schema is three nested messages, the images stay views
into the record, and every length is checked against the bytes that are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from farframe.data.images import JPEG, PNG
from farframe.wire import WireError, field, spans

JOINTS, STATE, ACTION = 7, 5, 5
POSE = JOINTS + STATE

_IMAGE = re.compile(r"image_(0|[1-9]\d{0,8})")


class RecordError(ValueError):
    """What is wrong with a record; whoever knows file and record number adds them."""


@dataclass(frozen=True)
class Record:
    """The fields of one clip, images still encoded."""

    images: tuple[memoryview, ...]
    actions: Float32[np.ndarray, "t a"]
    poses: Float32[np.ndarray, "t p"]


def parse_record(payload: bytes, *, controls: bool = False) -> Record:
    """Read a serialized Example; with ``controls`` actions and poses must be there.

    Raises:
        RecordError: if it is no Example, or not one in this schema.
    """
    features = _features(payload)
    count = 0
    while f"image_{count}" in features:
        count += 1
    _check_keys(features, count)
    view = memoryview(payload)
    images = tuple(view[slice(*_image(payload, features, i))] for i in range(count))
    for key in ("joint_positions_0", "state_0", "action_0") if controls else ():
        if key not in features:
            raise RecordError(
                f"{key} is missing, and actions and poses are asked for (--data.controls auto "
                "takes zeros instead)"
            )
    joints = _floats(payload, features, "joint_positions", count, JOINTS)
    state = _floats(payload, features, "state", count, STATE)
    actions = _floats(payload, features, "action", count, ACTION)
    return Record(images, actions, np.concatenate((joints, state), 1))


def serialize_record(record: Record) -> bytes:
    """The Example of a clip; actions and poses of width 0 are left out."""
    features: dict[str, bytes] = {}
    for i, image in enumerate(record.images):
        features[f"image_{i}"] = field(1, field(1, bytes(image)))
        if record.poses.shape[1]:
            joints, state = np.split(record.poses[i], [JOINTS])
            features[f"joint_positions_{i}"] = _float_list(joints)
            features[f"state_{i}"] = _float_list(state)
        if record.actions.shape[1]:
            features[f"action_{i}"] = _float_list(record.actions[i])
    entries = (
        field(1, field(1, name.encode()) + field(2, value)) for name, value in features.items()
    )
    return field(1, b"".join(entries))


def _check_keys(features: Mapping[str, object], count: int) -> None:
    """Refuse other schemas, and gaps that would cut a clip short without a word."""
    numbers = [int(m[1]) for m in map(_IMAGE.fullmatch, features) if m]
    if len(numbers) > count:
        raise RecordError(f"image_{count} is missing though image_{max(numbers)} is there")
    if not count:
        keys = ", ".join(ascii(key[:40]) for key in sorted(features)[:3]) or "none"
        raise RecordError(f"there is no image_0: not the expected schema (keys: {keys}, ...)")


def _image(payload: bytes, features: Mapping[str, tuple[int, int]], i: int) -> tuple[int, int]:
    values = list(_values(payload, *features[f"image_{i}"], 1, f"image_{i}"))
    if len(values) != 1:
        raise RecordError(f"image_{i} holds {len(values)} values instead of one image")
    start, end = values[0]
    if not payload.startswith((JPEG, PNG), start, end):
        raise RecordError(f"image_{i} is neither JPEG nor PNG")
    return start, end


def _floats(
    payload: bytes, features: Mapping[str, tuple[int, int]], name: str, count: int, width: int
) -> Float32[np.ndarray, "t n"]:
    """``name_0`` to ``name_{count - 1}``, all of them or none (then zeros)."""
    keys = [f"{name}_{i}" for i in range(count)]
    missing = [key for key in keys if key not in features]
    if len(missing) == count:
        return np.zeros((count, width), np.float32)
    if missing:
        raise RecordError(f"{missing[0]} is missing though other frames have one")
    raw: list[bytes] = []
    usual = bytes((0x12, 4 * width + 2, 0x0A, 4 * width))  # the headers that TensorFlow writes
    for key in keys:
        start, end = features[key]
        if end - start == 4 * width + 4 and payload.startswith(usual, start):
            raw.append(payload[start + 4 : end])
            continue
        # Packed lists and single floats are the same bytes once their headers are gone.
        numbers = b"".join(payload[a:b] for a, b in _values(payload, start, end, 2, key))
        if len(numbers) != 4 * width:
            raise RecordError(f"{key} holds {len(numbers) / 4:g} numbers instead of {width}")
        raw.append(numbers)
    out = np.frombuffer(b"".join(raw), "<f4").reshape(count, width).astype(np.float32)
    if not np.isfinite(out).all():
        raise RecordError(f"{name} holds numbers that are not finite")
    return out


# Example is {1: Features}; Features {1: repeated {1: key, 2: Feature}}; Feature one of
# {1: BytesList, 2: FloatList, 3: Int64List}; a list {1: repeated value}.


def _features(payload: bytes) -> dict[str, tuple[int, int]]:
    """Key -> where its Feature starts and ends."""
    out: dict[str, tuple[int, int]] = {}
    for number, first, last in _spans(payload, 0, len(payload)):
        if number != 1:
            continue
        for entry, start, end in _spans(payload, first, last):
            if entry != 1:
                continue
            key, value = "", (end, end)
            for part, a, b in _spans(payload, start, end):
                if part == 1:
                    key = payload[a:b].decode("utf-8", "backslashreplace")
                elif part == 2:
                    value = (a, b)
            out[key] = value
    return out


def _values(payload: bytes, start: int, end: int, kind: int, key: str) -> Iterator[tuple[int, int]]:
    """Where each value of a feature's list of the given kind lies."""
    for found, first, last in _spans(payload, start, end):
        if found != kind:
            raise RecordError(f"{key} holds no {'bytes' if kind == 1 else 'floats'}")
        for number, a, b in _spans(payload, first, last):
            if number == 1:
                yield a, b


def _spans(payload: bytes, at: int, end: int) -> list[tuple[int, int, int]]:
    try:
        return spans(payload, at, end)
    except WireError as error:
        raise RecordError(f"no tf.train.Example: {error}") from None


def _float_list(values: Float32[np.ndarray, " n"]) -> bytes:
    return field(2, field(1, values.astype("<f4").tobytes()))
