"""One clip of a TFRecord: which pictures, which numbers, and all that can be wrong with them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, UInt8

from farframe.data.images import JPEG, PNG, decode_images
from farframe.data.tfrecord_dialects import (
    BAIR,
    RAW,
    RAW_SIDE,
    SEED,
    Dialect,
    count_of,
    dialect_of,
)
from farframe.data.tfrecord_features import (
    PREFIX,
    Features,
    RecordError,
    features_of,
    float_rows,
    floats,
    integers,
    kind_of,
    one_value,
)

_MOST = 4096  # numbers of an action or a pose


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
    dialect, image = dialect_of(features, camera)
    count = count_of(features, image)
    view = memoryview(payload)
    keys = [image.format(i) for i in range(count)]
    images = tuple(view[slice(*_image(payload, features, key, dialect))] for key in keys)
    if controls:
        _demand_controls(features, dialect)
    actions = _numbers(payload, features, dialect.action, count)
    parts = [_numbers(payload, features, key, count) for key in dialect.poses]
    labels = {k: view[slice(*span)] for k, span in features.items() if k.startswith(PREFIX)}
    return Record(
        images, actions, np.concatenate(parts, 1), _fps(payload, features), dialect, labels
    )


def pictures(record: Record, frames: Sequence[int]) -> Iterator[UInt8[np.ndarray, "_ _ 3"]]:
    """Decode some frames of a record, in order.

    Raises:
        ImageError: if one is broken.
    """
    if record.dialect is BAIR and len(record.images[0]) == RAW:
        for t in frames:
            yield np.frombuffer(record.images[t], np.uint8).reshape(RAW_SIDE, RAW_SIDE, 3)
    else:
        yield from decode_images(record.images[t] for t in frames)


def _demand_controls(features: Features, dialect: Dialect) -> None:
    """Refuse a record that lacks actions, or all parts of the pose."""
    wanted = [dialect.action] if any(p.format(0) in features for p in dialect.poses) else []
    for key in wanted or [*dialect.poses[:1]]:
        if key.format(0) not in features:
            raise RecordError(
                f"{key.format(0)} is missing, and actions and poses are asked for "
                "(--data.controls auto does without)"
            )


def _image(payload: bytes, features: Features, key: str, dialect: Dialect) -> tuple[int, int]:
    start, end = one_value(payload, features, key)
    if dialect is BAIR and end - start == RAW:
        return start, end
    if not payload.startswith((JPEG, PNG), start, end):
        raw = f", nor {RAW} bytes of {RAW_SIDE}x{RAW_SIDE} RGB" if dialect is BAIR else ""
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
