"""TFRecords in the original's schema as a source of clips: no TensorFlow, random access.

Opening checks both checksums and the fields of every record once (``tfrecord_index`` remembers);
reading checks the record again and decodes only the frames that are asked for.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from farframe.data.files import is_regular, walk
from farframe.data.images import ImageError, decode_images
from farframe.data.resize import resized
from farframe.data.source import DataError, Recording
from farframe.data.tfrecord_example import ACTION, POSE, RecordError, parse_record
from farframe.data.tfrecord_file import NAMES, is_tfrecord, read_record
from farframe.data.tfrecord_index import ROW, FileIndex, index_file
from farframe.types import Clip

_log = logging.getLogger("farframe")
Controls = Literal["auto", "read", "zeros"]

_READING = "tfrecord 1"  # raise it when the same records come to give other pixels


class TFRecordSource:
    """Every good record below a folder, or of one file: a clip each.

    A recording is called ``<file relative to the folder>:<number of the record in it>``. Frames are
    resized as the original did (``resize.py``). Human data has neither poses nor actions: zeros.
    ``controls`` is ``DataConfig.controls``.
    """

    kind = "tfrecord"
    action_dim = ACTION
    pose_dim = POSE

    def __init__(
        self,
        root: Path,
        files: Sequence[tuple[str, FileIndex]],
        frame_size: int,
        fps: float,
        controls: Controls = "auto",
    ) -> None:
        self.frame_size = frame_size
        self._controls = controls
        self._root = root
        self._files = tuple(name for name, _ in files)
        self._rows: NDArray[Any] = np.concatenate([index.rows for _, index in files])
        self._file = np.repeat(np.arange(len(files)), [len(index.rows) for _, index in files])
        self._recordings = tuple(
            Recording(id=f"{name}:{number}", file=name, length=int(frames), fps=fps)
            for name, index in files
            for number, frames in zip(index.rows["number"], index.rows["frames"], strict=True)
        )

    @classmethod
    def open(
        cls,
        path: Path,
        frame_size: int,
        *,
        fps: float = 0.0,
        strict: bool = False,
        controls: Controls = "auto",
        cache_dir: Path | None = None,
        store_index: bool = True,
    ) -> TFRecordSource:
        """Open a TFRecord file (whatever its name) or all of them below a folder.

        ``fps`` is what the clips are said to have, for the schema stores none; 0 stands for 1.0.
        It resamples nothing. ``cache_dir`` takes the index where the data's folder can't be
        written; without ``store_index`` none is written anywhere. Bad records are left out with
        one warning a file, unless ``strict``. Whether there are the actions and poses that
        ``controls`` asks for is looked up in the first record.

        Raises:
            DataError: if there is no readable record, with ``strict`` at the first bad one, or if
                the first one lacks actions and poses that must be there.
        """
        root, names = _files(path)
        files: list[tuple[str, FileIndex]] = []
        bad: list[tuple[Path, FileIndex]] = []
        complaint = ""
        for name in names:
            index = _index(root / name, cache_dir, store_index)
            if index.problems:
                complaint = complaint or f"{root / name}: {index.problems[0]}"
                if strict:
                    raise DataError(
                        f"{complaint}; mend or remove the file, or leave out --data.strict to "
                        "skip bad records"
                    )
                bad.append((root / name, index))
            if len(index.rows):
                files.append((name, index))
        if not files:
            raise DataError(f"{path} holds no readable clip: {complaint.removeprefix(f'{path}: ')}")
        for file, index in bad:  # where nothing is left, the error alone says it
            _warn(file, index)
        source = cls(root, files, frame_size, fps or 1.0, controls)
        if controls == "read":
            source.read(0, range(0))
        return source

    @property
    def recordings(self) -> Sequence[Recording]:
        """Files sorted by name, records in the order of the file."""
        return self._recordings

    def read(self, index: int, frames: range) -> Clip:
        """Decode these frames of a record.

        Raises:
            IndexError: if a frame lies outside of the record.
            DataError: if the record has gone bad since it was indexed, or an image doesn't decode.
        """
        recording = self._recordings[index]
        if len(frames) and not (
            min(frames[0], frames[-1]) >= 0 and max(frames[0], frames[-1]) < recording.length
        ):
            raise IndexError(f"{recording.id} has {recording.length} frames, asked for {frames}")
        row = self._rows[index]
        path = self._root / recording.file
        where = f"{path}: record {row['number']}"
        pixels = np.empty((len(frames), 3, self.frame_size, self.frame_size), np.uint8)
        try:
            payload = read_record(path, int(row["offset"]), int(row["length"]), int(row["crc"]))
            record = parse_record(payload, controls=self._controls == "read")
            if len(record.images) != recording.length:
                raise RecordError("it has another number of frames than when it was indexed")
            images = decode_images(record.images[t] for t in frames)
            for out, image in zip(pixels, images, strict=True):
                out[:] = resized(image, self.frame_size).transpose(2, 0, 1)
        except ImageError as error:
            number = frames[error.position]
            raise DataError(f"{where}: image_{number} can't be decoded: {error}") from error
        except (RecordError, OSError) as error:
            raise DataError(f"{where}: {error}; mend the file and start again") from error
        chosen = np.arange(frames.start, frames.stop, frames.step)
        zeros = self._controls == "zeros"
        return Clip(
            frames=pixels,
            actions=np.zeros_like(record.actions[chosen]) if zeros else record.actions[chosen],
            poses=np.zeros_like(record.poses[chosen]) if zeros else record.poses[chosen],
            fps=recording.fps,
            id=recording.id,
        )

    def fingerprint(self) -> str:
        """Of the names, every record's checksum, the frame size and rate, and what is read."""
        zeros = " zeros" if self._controls == "zeros" else ""
        head = f"{_READING} {self.frame_size} {self._recordings[0].fps}{zeros}"
        digest = hashlib.sha256(head.encode())
        for i, name in enumerate(self._files):
            rows = self._rows[self._file == i]
            digest.update(repr((name, len(rows))).encode())
            digest.update(rows.tobytes())
        return digest.hexdigest()


def _files(path: Path) -> tuple[Path, list[str]]:
    """A folder and the names of the TFRecord files below it that ``path`` stands for."""
    if is_regular(path):
        return path.parent, [path.name]
    try:
        names = [f.relative_to(path).as_posix() for f in walk(path) if is_tfrecord(f)]
    except OSError as error:
        raise DataError(f"{error.filename or path} can't be listed: {error.strerror}") from error
    if not names:
        raise DataError(f"{path} holds no TFRecords ({NAMES}): name a folder or file that does")
    return path, names


def _index(path: Path, cache_dir: Path | None, store: bool) -> FileIndex:
    try:
        return index_file(path, cache_dir, store)
    except OSError as error:
        return FileIndex(np.empty(0, ROW), (f"can't be read: {error.strerror or error}",))


def _warn(path: Path, index: FileIndex) -> None:
    shown = "; ".join(index.problems[:3])
    more = len(index.problems) - 3
    _log.warning("%s: skipped %s%s", path, shown, f"; and {more} more records" if more > 0 else "")
