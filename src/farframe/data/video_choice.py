"""Which files of a path are videos that can be used, and why the others can't."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from farframe.config import DataConfig
from farframe.data.files import VIDEO_SUFFIXES, is_regular, is_video, walk
from farframe.data.source import DataError
from farframe.data.square import Crop, View
from farframe.data.video_index import Entry
from farframe.data.video_times import VideoError
from farframe.data.video_track import Track

logger = logging.getLogger("farframe")


def find_videos(path: Path) -> dict[str, Path]:
    """The video files of a path by their names: relative, or just the name of a single file.

    Raises:
        DataError: if there are none.
    """
    if is_regular(path):
        return {path.name: path}
    if not path.is_dir():
        raise DataError(f"{path} does not exist: name a video file or a folder of videos")
    try:
        found = [file for file in walk(path) if is_video(file) and is_regular(file)]
    except OSError as error:
        raise DataError(f"{error.filename or path} can't be listed: {error.strerror}") from error
    if not found:
        raise DataError(
            f"{path} holds no videos: looked in it and below for {' '.join(sorted(VIDEO_SUFFIXES))}"
        )
    return {file.relative_to(path).as_posix(): file for file in found}


def complaints(
    entries: Mapping[str, Entry], crop_of: Callable[[str, Track], Crop], data: DataConfig
) -> dict[str, str]:
    """Why each unusable file is so, after a warning for each; "" for those that can be used.

    Where no file is left there are no warnings.

    Raises:
        DataError: for the first broken or damaged file if ``data.strict``.
    """
    reasons = {name: _complaint(name, entry, crop_of, data.fps) for name, entry in entries.items()}
    if all(reasons.values()) and not data.strict:
        return reasons  # nothing is left: the error says it all
    for name, reason in reasons.items():
        track, text = entries[name].track, f"skipping {name}: {reason}"
        if not reason:
            if track is None or not track.damage:
                continue
            reason = f"it goes bad after frame {track.length - 1} ({track.damage})"
            text = f"{name}: {reason}; the frames before are used"
        if data.strict:
            raise DataError(f"{name}: {reason}; mend or remove it, or drop --data.strict")
        logger.warning("%s", text)
    return reasons


def _complaint(name: str, entry: Entry, crop_of: Callable[[str, Track], Crop], fps: float) -> str:
    """Why a file can't be used, or ""."""
    track = entry.track
    if track is None:
        return entry.error
    view = View(crop_of(name, track), 1, track.aspect, track.turn)
    try:
        track.resampled(fps)
    except VideoError as error:
        return str(error)
    return next((c for c in (view.complaint(*size) for size in track.sizes) if c), "")
