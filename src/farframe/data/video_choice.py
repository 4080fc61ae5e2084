"""Which files of a path are videos that can be used, with which tables, and why others can't."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from farframe.config import DataConfig
from farframe.data.files import VIDEO_SUFFIXES, is_regular, is_video, walk
from farframe.data.source import DataError
from farframe.data.square import Crop, View
from farframe.data.video_index import Entry
from farframe.data.video_table import SUFFIXES, Table, read_table, table_beside
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


@dataclass(frozen=True, kw_only=True)
class Video:
    """A video file that can be used, and the table beside it."""

    name: str
    path: Path
    track: Track
    crop: Crop
    table: Table | None
    told: str
    """What the fingerprint needs to know of both."""


def usable_videos(
    files: Mapping[str, Path],
    entries: Mapping[str, Entry],
    crop_of: Callable[[str, Track], Crop],
    data: DataConfig,
) -> tuple[list[Video], dict[str, str]]:
    """The videos that can be used, and why each of the others can't, after a warning for each.

    Where no file is left there are no warnings.

    Raises:
        DataError: for the first broken or damaged file if ``data.strict``; if some videos have
            tables and others don't, or other columns.
    """
    tables = tables_of(files, data.controls)
    videos: list[Video] = []
    reasons: dict[str, str] = {}
    for name, entry in entries.items():
        told = f"{name}\0{entry.size}\0{entry.digest}"
        table = None
        try:
            if entry.track is None:
                raise VideoError(entry.error)
            crop = crop_of(name, entry.track)
            _fits(entry.track, crop, float(data.fps))
            if tables:
                table = _table(tables[name], entry.track)
                told += f"\0{sha256(tables[name].read_bytes()).hexdigest()}"
        except (VideoError, OSError) as error:
            reasons[name] = str(error)
            continue
        found = Video(
            name=name, path=files[name], track=entry.track, crop=crop, table=table, told=told
        )
        videos.append(found)
    _agree([(tables[v.name], v.table) for v in videos if v.table is not None])
    _tell(entries, reasons, data.strict)
    return videos, reasons


def tables_of(files: Mapping[str, Path], controls: str) -> dict[str, Path]:
    """The tables beside videos, by the videos' names: one for each, or none at all.

    Raises:
        DataError: if some have one and others don't, or none has and ``controls`` is "read".
    """
    if controls == "zeros":
        return {}
    found = {name: table for name, path in files.items() if (table := table_beside(path))}
    if lacking := [name for name in files if name not in found]:
        wanted = f"{Path(lacking[0]).stem}{{{','.join(SUFFIXES)}}}"
        if controls == "read":
            raise DataError(
                f"{files[lacking[0]]} has no table of actions beside it ({wanted}), which "
                "--data.controls read demands"
            )
        if found:
            name = next(iter(found))
            raise DataError(
                f"{files[lacking[0]]} has no table beside it ({wanted}), but {name} has "
                f"{found[name].name}: give one to every video, or ignore all with "
                "--data.controls zeros"
            )
    return found


def _table(path: Path, track: Track) -> Table:
    """The table of a video.

    Raises:
        VideoError: if it can't be read or hasn't got a row for every frame.
    """
    try:
        table = read_table(path)
    except VideoError:
        raise
    except DataError as error:
        raise VideoError(str(error)) from error
    try:
        table.rows(track)
    except VideoError as error:
        raise VideoError(f"{path.name}: {error}") from error
    return table


def _agree(tables: Sequence[tuple[Path, Table]]) -> None:
    """Raise a DataError unless all tables have the same columns."""
    for path, table in tables:
        first, names = tables[0][0], tables[0][1].names
        widths = tables[0][1].actions.shape[1], tables[0][1].poses.shape[1]
        if table.names != names or (table.actions.shape[1], table.poses.shape[1]) != widths:
            raise DataError(
                f"{path} has the columns {', '.join(table.names)} "
                f"({table.actions.shape[1]} + {table.poses.shape[1]} numbers), {first} has "
                f"{', '.join(names)} ({widths[0]} + {widths[1]}): tables of one folder must agree"
            )


def _tell(entries: Mapping[str, Entry], reasons: Mapping[str, str], strict: bool) -> None:
    """Warn of each file that is skipped or damaged; with ``strict`` raise for the first."""
    if len(reasons) == len(entries) and not strict:
        return  # nothing is left: the error says it all
    for name, entry in entries.items():
        reason = reasons.get(name, "")
        text = f"skipping {name}: {reason}"
        if not reason:
            track = entry.track
            if track is None or not track.damage:
                continue
            reason = f"it goes bad after frame {track.length - 1} ({track.damage})"
            text = f"{name}: {reason}; the frames before are used"
        if strict:
            raise DataError(f"{name}: {reason}; mend or remove it, or drop --data.strict")
        logger.warning("%s", text)


def _fits(track: Track, crop: Crop, fps: float) -> None:
    """Raise a VideoError if a track can't be resampled or cropped so."""
    view = View(crop, 1, track.aspect, track.turn)
    track.resampled(fps)
    for size in track.sizes:
        if complaint := view.complaint(*size):
            raise VideoError(complaint)
