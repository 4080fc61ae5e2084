"""Clips as TFRecords in the published schemas of Google's push and BAIR's softmotion."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from farframe.data.tfrecord_file import FOOTER, HEADER, masked_crc
from farframe.data.tfrecord_serialize import bytes_feature, example, float_feature
from farframe.data.tfrecord_writer import encode_image
from farframe.types import Clip


def write_examples(path: Path, payloads: Iterable[bytes]) -> None:
    """Payloads as the records of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    out = b""
    for payload in payloads:
        length = HEADER.pack(len(payload), 0)[:8]
        out += length + FOOTER.pack(masked_crc(length)) + payload + FOOTER.pack(masked_crc(payload))
    path.write_bytes(out)


def push_features(clip: Clip) -> dict[str, bytes]:
    """JPEG frames, poses of 12 as joints and end effector, actions."""
    out: dict[str, bytes] = {}
    for i, frame in enumerate(clip.frames):
        at = f"move/{i}"
        out[f"{at}/image/encoded"] = bytes_feature(encode_image(frame, "jpeg", 90))
        out[f"{at}/commanded_pose/vec_pitch_yaw"] = float_feature(clip.actions[i])
        out[f"{at}/joint/positions"] = float_feature(clip.poses[i, :7])
        out[f"{at}/endeffector/vec_pitch_yaw"] = float_feature(clip.poses[i, 7:])
    return out


def write_push(path: Path, clips: Iterable[Clip]) -> None:
    write_examples(path, (example(push_features(clip)) for clip in clips))


def softmotion_features(clip: Clip) -> dict[str, bytes]:
    """Two cameras, the main one upside down; actions of 4, positions of 3."""
    out: dict[str, bytes] = {}
    for i, frame in enumerate(clip.frames):
        pixels = np.asarray(Image.fromarray(frame.transpose(1, 2, 0)).resize((64, 64)))
        out[f"{i}/image_aux1/encoded"] = bytes_feature(pixels.tobytes())
        out[f"{i}/image_main/encoded"] = bytes_feature(pixels[::-1].tobytes())
        out[f"{i}/action"] = float_feature(clip.actions[i, :4])
        out[f"{i}/endeffector_pos"] = float_feature(clip.poses[i, :3])
    return out


def write_softmotion(path: Path, clips: Iterable[Clip]) -> None:
    write_examples(path, (example(softmotion_features(clip)) for clip in clips))
