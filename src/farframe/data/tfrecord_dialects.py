"""The schemas that clips come in as ``tf.train.Example``, told by their keys.

Keys per frame i = 0, 1, ...; pictures are JPEG or PNG:

- the original's: ``image_i``; robot data also ``joint_positions_i``, ``state_i``, ``action_i``.
- Google's push: ``move/i/image/encoded``, ``.../commanded_pose/vec_pitch_yaw`` (the action),
  ``.../joint/positions`` and ``.../endeffector/vec_pitch_yaw`` (the pose).
- BAIR's softmotion: ``i/CAMERA/encoded``, raw RGB of 64x64, ``i/action``, ``i/endeffector_pos``.

A pose is the joints, then the state, as far as they are there; action and pose have any width.

farframe adds to the original's schema, which passes over other keys, ``fps`` and labels
(``tfrecord_labels.py``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from farframe.data.tfrecord_features import Features, RecordError

JOINTS, STATE, ACTION = 7, 5, 5
POSE = JOINTS + STATE
"""The original's widths."""

RAW_SIDE = 64
"""Softmotion's pictures without a header are squares of this side."""

RAW = 3 * RAW_SIDE * RAW_SIDE
"""Their bytes."""


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


def dialect_of(features: Features, camera: str | None) -> tuple[Dialect, str]:
    """The schema of a record, and its pictures' key with {} for the frame.

    ``camera`` is that of ``parse_record``.

    Raises:
        RecordError: if it is in none, or lacks pictures or the camera.
    """
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
    counts = {name: count_of(features, BAIR.image % name) for name in cameras}
    if len(set(counts.values())) > 1:
        raise RecordError(f"its cameras have different numbers of pictures: {counts}")
    return BAIR, BAIR.image % chosen


def count_of(features: Features, image: str) -> int:
    """How many pictures there are.

    Raises:
        RecordError: for gaps, which would cut a clip short without a word.
    """
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


def widths_read(stored: tuple[int, int], controls: str) -> tuple[int, int]:
    """Numbers of an action and a pose, of what records hold: with "zeros" never none at all.

    The original gave human data, which has neither, zeros of its robot's widths.
    """
    return (ACTION, POSE) if controls == "zeros" and not any(stored) else stored
