"""The episodes of a LeRobotDataset and where each lies: v2's files of lines, v3's tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from farframe.data.arrow import ParquetError, numbers, read_columns
from farframe.data.lerobot_info import Info
from farframe.data.source import DataError


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One episode: its files relative to the data set, and when it begins in its video.

    ``video`` is "" where the camera's pictures are in the Parquet file ``data``; ``start`` is in
    seconds from the video's first frame.
    """

    number: int
    length: int
    data: str
    video: str
    start: float

    @property
    def id(self) -> str:
        """Its name as a recording."""
        return f"episode_{self.number:06d}"


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of one Parquet file that belong to an episode, in order of time.

    ``place`` is where each row lies in the file.
    """

    place: Int[np.ndarray, " n"]
    times: Float[np.ndarray, " n"]
    actions: Float[np.ndarray, "n a"]
    poses: Float[np.ndarray, "n p"]


def episodes_of(info: Info, camera: str) -> list[Episode]:
    """All episodes in ascending order, as the data set's lists say.

    Raises:
        DataError: if a list is missing or damaged, or names an episode twice.
    """
    found = (_old if info.version == 2 else _new)(info, camera)
    found.sort(key=lambda episode: episode.number)
    twice = [a.number for a, b in pairwise(found) if a.number == b.number]
    if twice:
        raise DataError(f"{info.root}: episode {twice[0]} is listed twice under meta")
    if not found:
        raise DataError(f"{info.root}: no episode is listed under meta")
    return found


def _old(info: Info, camera: str) -> list[Episode]:
    """v2: a line of JSON for each."""
    path = info.root / "meta" / "episodes.jsonl"
    found: list[Episode] = []
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read ({error}): copy it here again") from error
    for line, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            data = json.loads(text)
            number, length = _whole(data["episode_index"]), _whole(data["length"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(
                f"{path}: line {line} has no whole numbers episode_index and length"
            ) from error
        fields = {"episode_chunk": number // info.chunks_size, "episode_index": number}
        found.append(_episode(info, camera, number, length, fields, fields, 0.0))
    return found


def _new(info: Info, camera: str) -> list[Episode]:
    """v3: rows of one or more Parquet files."""
    folder, found = info.root / "meta" / "episodes", list[Episode]()
    names = ["episode_index", "length", "data/chunk_index", "data/file_index"]
    if info.cameras[camera]:
        names += [f"videos/{camera}/{n}" for n in ("chunk_index", "file_index", "from_timestamp")]
    files = sorted(folder.glob("*/*.parquet"))
    if not files:
        raise DataError(f"{folder} holds no list of episodes (*/*.parquet): copy it here again")
    for path in files:
        try:
            columns = read_columns(path, names)
            table = np.hstack([numbers(n, columns[n]).astype(np.float64) for n in names])
        except ParquetError as error:
            raise DataError(f"{path}: {error}") from error
        if not np.isfinite(table).all() or (table < 0).any():
            raise DataError(f"{path}: it holds numbers below 0, or NaN")
        for row in table.tolist():
            number, length, *files_of = (int(value) for value in row[:6])
            data, video = _pair(files_of[:2]), _pair(files_of[2:] or [0, 0])
            start = row[6] if info.cameras[camera] else 0.0
            found.append(_episode(info, camera, number, length, data, video, start))
    return found


def _pair(places: Sequence[int]) -> dict[str, int]:
    return dict(zip(("chunk_index", "file_index"), places, strict=True))


def _episode(
    info: Info,
    camera: str,
    number: int,
    length: int,
    data: dict[str, int],
    video: dict[str, int],
    start: float,
) -> Episode:
    stored = info.cameras[camera]
    return Episode(
        number=number,
        length=length,
        data=info.place("data_path", data),
        video=info.place("video_path", {**video, "video_key": camera}) if stored else "",
        start=start,
    )


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def read_rows(info: Info, data: str) -> dict[int, Rows]:
    """The rows of a Parquet file by episode.

    Raises:
        ParquetError: if it can't be read, or a column isn't what info.json says.
    """
    names = ["episode_index", "frame_index", "timestamp"]
    widths = dict(column for column in (info.actions, info.poses) if column)
    columns = read_columns(info.root / data, [*names, *widths])
    of, order, times = (numbers(name, columns[name])[:, 0] for name in names)

    def block(column: tuple[str, int] | None) -> Float[np.ndarray, "n k"]:
        if column is None:
            return np.zeros((len(of), 0), np.float32)
        name, width = column
        with np.errstate(over="ignore"):  # what becomes infinite is refused
            values = numbers(name, columns[name]).astype(np.float32)
        if values.shape[1] != width and len(values):
            raise ParquetError(
                f"its column {name} has {values.shape[1]} numbers a row, info.json says {width}"
            )
        return values.reshape(len(of), width)

    actions, poses = block(info.actions), block(info.poses)
    sorted_ = np.lexsort((order, of))
    bounds = np.flatnonzero(np.diff(of[sorted_], prepend=-1)) if len(of) else np.zeros(0, int)
    parts = np.split(sorted_, bounds[1:]) if len(of) else []
    evened = _evener(info.fps)
    return {
        int(of[part[0]]): Rows(
            place=part,
            times=evened(times[part].astype(np.float64), order[part]),
            actions=actions[part],
            poses=poses[part],
        )
        for part in parts
    }


def _evener(fps: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    def evened(times: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Times as exact multiples of 1 / fps where that is what they are, but for rounding."""
        exact = order / fps
        return exact if np.allclose(times, exact, rtol=1e-6, atol=1e-4) else times

    return evened


def complaint(episode: Episode, rows: Rows | None) -> str:
    """Why an episode's rows can't be used, or ""."""
    if rows is None or len(rows.times) != episode.length or not episode.length:
        have = 0 if rows is None else len(rows.times)
        return f"it has {have} rows of the {episode.length} that meta/episodes says"
    if not np.isfinite(rows.times).all() or (np.diff(rows.times) <= 0).any():
        return "its timestamps don't rise"
    for name, values in (("action", rows.actions), ("state", rows.poses)):
        wrong = np.flatnonzero(~np.isfinite(values).all(1))
        if wrong.size:
            return f"its {name} of frame {wrong[0]} holds NaN or infinity"
    return ""
