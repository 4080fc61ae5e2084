"""Clips to a TFRecord file in the original's schema, which TensorFlow reads as well.

Rate and labels go with them, under keys that the original passes over.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from farframe.atomic import replacing
from farframe.config import check
from farframe.data.tfrecord_example import Record
from farframe.data.tfrecord_file import FOOTER, HEADER, masked_crc
from farframe.data.tfrecord_serialize import label_features, serialize_record
from farframe.types import Clip


def write_tfrecords(
    path: Path,
    clips: Iterable[Clip],
    image_format: Literal["png", "jpeg"] = "png",
    quality: int = 95,
) -> int:
    """Write one record a clip and return how many; ``path`` appears when all are written.

    PNG keeps every pixel; JPEG (``quality`` 1 to 100) is several times smaller, as the original's
    data was. Poses and actions of any width, labels (``tfrecord_labels.py``) and a rate other than
    1.0 are written where the clips have them.

    Raises:
        ValueError: if there is no clip, one doesn't fit the schema, or their actions or poses are
            of different widths.
        OSError: if the file can't be written.
    """
    check(image_format in ("png", "jpeg"), "image_format", image_format, "must be png or jpeg")
    check(1 <= quality <= 100, "quality", quality, "must be from 1 to 100")
    count, widths = 0, None
    with replacing(path) as partial, partial.open("xb") as file:
        for clip in clips:
            mine = clip.actions.shape[1], clip.poses.shape[1]
            widths = mine if widths is None or not any(widths) else widths
            if any(mine) and mine != widths:
                raise ValueError(
                    f"clip {clip.id}: actions of {mine[0]} numbers and poses of {mine[1]}, the "
                    f"first clip has {widths[0]} and {widths[1]}: one file holds one width"
                )
            payload = _payload(clip, image_format, quality)
            length = HEADER.pack(len(payload), 0)[:8]
            file.write(length + FOOTER.pack(masked_crc(length)))
            file.write(payload + FOOTER.pack(masked_crc(payload)))
            count += 1
        if not count:
            raise ValueError(f"{path}: there are no clips to write")
    return count


def _payload(clip: Clip, image_format: str, quality: int) -> bytes:
    shape = clip.frames.shape
    check(shape[0] > 0 and shape[1] == 3, f"clip {clip.id}: shape", shape, "must be t 3 h w, t > 0")
    check(
        0 <= clip.fps < math.inf, f"clip {clip.id}: fps", clip.fps, "must be a number, 0 or above"
    )
    images = tuple(memoryview(encode_image(f, image_format, quality)) for f in clip.frames)
    actions, poses = (np.asarray(x, np.float32) for x in (clip.actions, clip.poses))
    # Records that say no rate are read as 1.0: clips of them are written as they were.
    fps = 0.0 if clip.fps == 1.0 else clip.fps
    return serialize_record(
        Record(images, actions, poses, fps=fps, labels=label_features(clip.labels))
    )


def encode_image(frame: UInt8[np.ndarray, "3 h w"], image_format: str, quality: int) -> bytes:
    """A frame as the bytes of a PNG or a JPEG file."""
    file = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0)))
    if image_format == "png":
        image.save(file, "PNG")
    else:
        image.save(file, "JPEG", quality=quality)
    return file.getvalue()
