"""Human3.6M as its owners distribute it, as a source of clips."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from farframe.config import DataConfig
from farframe.data.human36m_files import find_videos, pose_name, split_of
from farframe.data.human36m_poses import NUMBERS, around, can_read, in_square, read_joints
from farframe.data.source import DataError, Recording
from farframe.data.square import Crop
from farframe.data.video_folder import VideoFolder
from farframe.data.video_track import Track
from farframe.types import Clip

logger = logging.getLogger("farframe")

KEPT = 64  # recordings whose joints a process remembers, about half a megabyte each


class Human36M:
    """The videos of Human3.6M, with their subjects' split and, where there are any, 2-D joints.

    Frames are those of ``VideoFolder``. A recording with a file of joints has the label ``joints``
    (t, 64): x and y of 32 joints in fractions of the square's side, NaN in frames after the last
    that the file has. ``data.crop`` has one more value, ``person``: the square around all joints
    of a recording, which stands still as the camera does.
    """

    kind = "human36m"
    action_dim = 0
    pose_dim = 0

    def __init__(self, root: Path, videos: VideoFolder) -> None:
        self.frame_size = videos.frame_size
        self._root, self._videos = root, videos
        self._recordings = tuple(replace(r, split=split_of(r.file)) for r in videos.recordings)
        self._poses = [_present(root, recording.file) for recording in self._recordings]
        self._joints: OrderedDict[int, Float[np.ndarray, "n 64"]] = OrderedDict()
        if not can_read() and any(self._poses):
            logger.info(
                "%s has joints, which stay unread without pip install 'farframe[human36m]'", root
            )

    @classmethod
    def open(cls, data: DataConfig, frame_size: int, cache_dir: Path | None) -> Human36M:
        """Index and decode the videos below ``data.path``; see ``VideoFolder.open``.

        Raises:
            ValueError: if ``data.crop`` is none.
            DataError: as ``VideoFolder.open``; with ``crop`` ``person`` also if there are no
                joints, or none can be read.
        """
        root = Path(data.path).expanduser()
        files = find_videos(root)
        if data.crop != "person":
            return cls(root, VideoFolder.open(data, frame_size, cache_dir, files=files))
        squares: dict[str, Crop] = {}

        def square(name: str, track: Track) -> Crop:
            if name not in squares:
                width, height = track.sizes[0]
                joints = read_joints(root / pose_name(name))
                squares[name] = around(joints, width, height, name)
            return squares[name]

        posed = {name: file for name, file in files.items() if _present(root, name)}
        if not posed:
            raise DataError(
                f"{root}: data.crop is 'person', but there are no joints: unpack the archives of "
                f"D2 poses there ({pose_name(next(iter(files)))}), or give --data.crop center"
            )
        if len(posed) < len(files):
            first = next(name for name in files if name not in posed)
            logger.warning(
                "%d of %d videos have no joints to crop to and are left out (the first: %s)",
                len(files) - len(posed),
                len(files),
                first,
            )
        videos = VideoFolder.open(data, frame_size, cache_dir, files=posed, crop_of=square)
        return cls(root, videos)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_joints": OrderedDict()}

    @property
    def recordings(self) -> Sequence[Recording]:
        """The readable videos, by name."""
        return self._recordings

    def read(self, index: int, frames: range) -> Clip:
        """Frames of one video; see ``ClipSource.read``."""
        index = range(len(self._recordings))[index]
        clip = self._videos.read(index, frames)
        if not self._poses[index] or not can_read():
            return clip
        track = self._videos.track(index)
        box = self._videos.view(index).box(*track.sizes[0])
        stored = track.nearest(frames, clip.fps)
        joints = self._joints_of(index)
        rows = np.full((len(frames), NUMBERS), np.nan, np.float32)
        there = stored < len(joints)
        rows[there] = in_square(joints[stored[there]], box)
        return replace(clip, labels={"joints": rows})

    def fingerprint(self) -> str:
        """Changes with that of the videos, and with the names and sizes of files of joints."""
        text = f"{self.kind}\0{self._videos.fingerprint()}\0{self._poses}"
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def stored_sizes(self) -> set[tuple[int, int]]:
        """Width and height of the pictures in the files."""
        return self._videos.stored_sizes()

    def _joints_of(self, index: int) -> Float[np.ndarray, "n 64"]:
        joints = self._joints.pop(index, None)
        if joints is None:
            joints = read_joints(self._root / pose_name(self._recordings[index].file))
        self._joints[index] = joints
        while len(self._joints) > KEPT:
            self._joints.popitem(last=False)
        return joints


def _present(root: Path, video: str) -> tuple[str, int] | None:
    """The file of joints of a video and its size, if it is there."""
    name = pose_name(video)
    try:
        return name, os.stat(root / name).st_size
    except OSError:
        return None
