"""TFRecords as a source of clips: no TensorFlow, random access.

Opening checks both checksums and the fields of every record once (``tfrecord_index`` remembers);
reading checks the record again and decodes only the frames that are asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from farframe.data.images import ImageError
from farframe.data.resize import resized
from farframe.data.source import DataError, Recording, check_frames
from farframe.data.square import Crop, View
from farframe.data.tfrecord_choice import choose_records
from farframe.data.tfrecord_dialects import BAIR, DIALECTS, widths_read
from farframe.data.tfrecord_example import Record, parse_record, pictures
from farframe.data.tfrecord_features import RecordError
from farframe.data.tfrecord_file import read_record
from farframe.data.tfrecord_index import PLACE, FileIndex
from farframe.data.tfrecord_labels import Labels
from farframe.types import Clip

Controls = Literal["auto", "read", "zeros"]

_READING = "tfrecord 1"  # raise it when the same records come to give other pixels


class TFRecordSource:
    """Every good record below a folder, or of one file: a clip each.

    A recording is called ``<file relative to the folder>:<number of the record in it>``. Frames are
    resized as the original did (``resize.py``), in the published schemas after ``data.crop``.
    Actions and poses are as wide as those of the first record that has any; records without get
    zeros, and if none has any, widths are 0. ``controls`` is ``DataConfig.controls``; with "zeros",
    data that has neither gets the original's, of 5 and 12 numbers.
    """

    kind = "tfrecord"

    def __init__(
        self,
        root: Path,
        files: Sequence[tuple[str, FileIndex]],
        frame_size: int,
        *,
        fps: float = 0.0,
        default_fps: float = 1.0,
        controls: Controls = "auto",
        camera: str = "",
        crop: str = "center",
    ) -> None:
        self.frame_size = frame_size
        self._controls, self._camera, self._crop = controls, camera, Crop.parse(crop)
        self._root = root
        self._files = tuple(name for name, _ in files)
        self._rows: NDArray[Any] = np.concatenate([index.rows for _, index in files])
        self._file = np.repeat(np.arange(len(files)), [len(index.rows) for _, index in files])
        widest = int(self._rows["actions"].max()), int(self._rows["poses"].max())
        self.action_dim, self.pose_dim = widths_read(widest, controls)
        self._said_fps = fps or default_fps
        rows = (row for _, index in files for row in index.rows)
        names = (name for name, index in files for _ in index.rows)
        self._recordings = tuple(
            Recording(
                id=f"{name}:{row['number']}",
                file=name,
                length=int(row["frames"]),
                fps=fps or float(row["fps"]) or default_fps,
            )
            for name, row in zip(names, rows, strict=True)
        )

    @classmethod
    def open(
        cls,
        path: Path,
        frame_size: int,
        *,
        fps: float = 0.0,
        default_fps: float = 1.0,
        strict: bool = False,
        controls: Controls = "auto",
        camera: str = "",
        crop: str = "center",
        cache_dir: Path | None = None,
        store_index: bool = True,
    ) -> TFRecordSource:
        """Open a TFRecord file (whatever its name) or all of them below a folder.

        ``fps`` is what the clips are said to have and resamples nothing; 0 stands for what a
        record says, or ``default_fps``. ``cache_dir`` takes the index where the data's folder can't
        be written; without ``store_index`` none is written anywhere. Bad records are left out with
        one warning a file, unless ``strict``. Whether there are the actions and poses that
        ``controls`` asks for, and the ``camera``, is looked up in the first record.

        Raises:
            ValueError: if ``crop`` is none.
            DataError: if there is no readable record, with ``strict`` at the first bad one, or if
                the first one lacks actions and poses or the camera that must be there.
        """
        root, files = choose_records(
            path, strict=strict, cache_dir=cache_dir, store_index=store_index
        )
        source = cls(
            root,
            files,
            frame_size,
            fps=fps,
            default_fps=default_fps,
            controls=controls,
            camera=camera,
            crop=crop,
        )
        source._check_first()
        return source

    @property
    def recordings(self) -> Sequence[Recording]:
        """Files sorted by name, records in the order of the file."""
        return self._recordings

    @property
    def crops(self) -> bool:
        """Whether any record is in a schema whose pictures ``data.crop`` cuts."""
        return any(DIALECTS[n].crops for n in set(self._rows["dialect"].tolist()))

    def read(self, index: int, frames: range) -> Clip:
        """Decode these frames of a record.

        Raises:
            IndexError: if a frame lies outside of the record.
            DataError: if the record has gone bad since it was indexed, or an image doesn't decode.
        """
        recording = self._recordings[index]
        check_frames(recording, frames)
        row = self._rows[index]
        path = self._root / recording.file
        where = f"{path}: record {row['number']}"
        pixels = np.empty((len(frames), 3, self.frame_size, self.frame_size), np.uint8)
        try:
            payload = read_record(path, int(row["offset"]), int(row["length"]), int(row["crc"]))
            record = parse_record(payload, controls=self._controls == "read", camera=self._camera)
            self._check(record, row)
            for out, square in zip(pixels, self._squares(record, frames), strict=True):
                out[:] = square.transpose(2, 0, 1)
        except ImageError as error:
            number = frames[error.position]
            raise DataError(f"{where}: image_{number} can't be decoded: {error}") from error
        except (RecordError, OSError) as error:
            raise DataError(f"{where}: {error}; mend the file and start again") from error
        chosen = np.arange(frames.start, frames.stop, frames.step)
        actions, poses = record.actions[chosen], record.poses[chosen]
        if self._controls == "zeros" or not (row["actions"] or row["poses"]):
            actions = np.zeros((len(chosen), self.action_dim), np.float32)
            poses = np.zeros((len(chosen), self.pose_dim), np.float32)
        return Clip(
            frames=pixels,
            actions=actions,
            poses=poses,
            fps=recording.fps,
            id=recording.id,
            labels=Labels(record.labels, recording.length, frames, self.frame_size, where)
            if record.labels
            else {},
        )

    def fingerprint(self) -> str:
        """Of the names, every record's checksum, the frame size and rate, and what is read."""
        zeros = " zeros" if self._controls == "zeros" else ""
        head = f"{_READING} {self.frame_size} {self._said_fps}{zeros}"
        if self.crops:
            head += f" {self._crop} {self._camera}"
        digest = hashlib.sha256(head.encode())
        for i, name in enumerate(self._files):
            rows = self._rows[self._file == i]
            places = np.empty(len(rows), PLACE)  # all else about a record follows from its bytes
            for column in PLACE.names or ():
                places[column] = rows[column]
            digest.update(repr((name, len(rows))).encode())
            digest.update(places.tobytes())
        return digest.hexdigest()

    def _squares(self, record: Record, frames: range) -> Iterator[UInt8[np.ndarray, "side side 3"]]:
        for picture in pictures(record, frames):
            part = picture
            if record.dialect.crops:
                height, width = picture.shape[:2]
                view = View(self._crop, self.frame_size)
                if complaint := view.complaint(width, height):
                    raise RecordError(complaint)
                left, top, right, bottom = (int(x) for x in view.box(width, height))
                part = picture[top:bottom, left:right]
            yield resized(part, self.frame_size)

    @staticmethod
    def _check(record: Record, row: Any) -> None:
        """That a record is what the index says."""
        if len(record.images) != row["frames"]:
            raise RecordError("it has another number of frames than when it was indexed")
        if (record.actions.shape[1], record.poses.shape[1]) != (row["actions"], row["poses"]):
            raise RecordError("it has other actions or poses than when it was indexed")

    def _check_first(self) -> None:
        """That what is asked for is there, looked up in the first record that can have it."""
        shot = np.flatnonzero(self._rows["dialect"] == DIALECTS.index(BAIR))
        if self._camera and not shot.size:
            raise DataError(
                f"data.camera is {self._camera}: {self._root / self._files[0]} has one camera "
                "only; leave it out"
            )
        if self._controls == "read":
            self.read(0, range(0))
        if self.crops:
            self.read(int(np.flatnonzero(self._rows["dialect"] > 0)[0]), range(1))
