"""The table beside a video, as ``clip.csv`` beside ``clip.mp4``: its actions and poses.

Columns say what they are by the beginning of their names: ``action...`` is an action;
``state...``, ``pose...`` and ``observation...`` are a pose; ``frame`` (number of a stored frame,
from 0) or ``time`` / ``timestamp`` (seconds from the first frame) says which frame a row belongs
to. Any other name is an error: nothing is guessed. Numbers without names are actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from farframe.data.actions import BROKEN, load_arrays
from farframe.data.arrow import ParquetError, numbers, read_columns
from farframe.data.files import is_regular
from farframe.data.number_text import read_number_text
from farframe.data.source import DataError
from farframe.data.video_times import VideoError
from farframe.data.video_track import Track

SUFFIXES = (".csv", ".parquet", ".npy", ".npz")
_FRAME, _TIME = ("frame", "frame_index"), ("time", "timestamp")
_POSE = ("state", "pose", "observation")
_EARLY = 0.001  # seconds that rounding may put a frame before its row


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of actions and poses. ``names`` are their columns', actions first.

    ``frames`` or ``times`` say where rows belong; without either row k is stored frame k.
    """

    actions: Float[np.ndarray, "r a"]
    poses: Float[np.ndarray, "r p"]
    names: tuple[str, ...]
    frames: Int[np.ndarray, " r"] | None = None
    times: Float[np.ndarray, " r"] | None = None

    def rows(self, track: Track, part: bool = False) -> Int[np.ndarray, " n"]:
        """The row of every stored frame of a video, of which ``track`` may know but a ``part``.

        By ``frames``: the row of that very frame. By ``times``: the latest row at or before the
        frame's own time, as the command that was in force.

        Raises:
            VideoError: if a frame has none; it says nothing of the table's file.
        """
        count = track.length
        if self.frames is not None:
            return _exact(self.frames, count)
        if self.times is not None:
            return _latest(self.times, track)
        have = len(self.actions)
        if have < count or (have > count and not part and not track.damage):
            raise VideoError(
                f"it has {have} rows and the video {count} frames: give it a row for every frame, "
                "or a column frame or time"
            )
        return np.arange(count)


def table_beside(video: Path) -> Path | None:
    """The table of a video: a file of the same name but for the suffix.

    Raises:
        DataError: if there are several.
    """
    found = [video.with_suffix(suffix) for suffix in SUFFIXES]
    found = [file for file in found if file != video and is_regular(file)]
    if len(found) > 1:
        raise DataError(f"{found[0]} and {found[1].name} are both tables of {video.name}: keep one")
    return found[0] if found else None


def read_table(path: Path) -> Table:
    """Read a table by its suffix: CSV, Parquet, or NumPy's .npy and .npz.

    In an ``.npz`` the arrays ``actions``, ``poses``, ``frame`` and ``time`` are looked for, a
    ``.npy`` holds actions. Parquet columns may hold lists.

    Raises:
        DataError: one line for whatever is wrong.
    """
    try:
        columns = _columns(path)
    except ParquetError as error:
        raise DataError(f"{path}: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror or error})") from error
    return _table(path, columns)


def _columns(path: Path) -> dict[str, np.ndarray]:
    """The file's columns by name, each "rows numbers"."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        stored = read_columns(path)
        return {name: numbers(name, stored[name]) for name in stored if _kind(path, name)}
    if suffix == ".csv":
        names, values = read_number_text(path)
        if not names:
            return {"action": values}
        if len({*names}) != len(names) or len(names) != values.shape[1]:
            raise DataError(
                f"{path}: its {values.shape[1]} columns need a name each, all different, not "
                f"{', '.join(names)}"
            )
        return {name: values[:, i : i + 1] for i, name in enumerate(names)}
    try:
        return {name: _column(path, array) for name, array in load_arrays(path).items()}
    except BROKEN as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: is no file of plain numbers ({str(error)[:80]})") from error


def _column(path: Path, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "fiub" or array.ndim not in (1, 2):
        raise DataError(
            f"{path}: holds {array.dtype} of shape {array.shape}, not (rows, numbers) of numbers"
        )
    return array.reshape(len(array), -1)


def _table(path: Path, columns: Mapping[str, np.ndarray]) -> Table:
    """Sort columns by what their names begin with."""
    kinds: dict[str, list[str]] = {"action": [], "pose": [], "frame": [], "time": []}
    for name in columns:
        kinds[_kind(path, name)].append(name)
    if len({len(values) for values in columns.values()}) > 1:
        raise DataError(f"{path}: its columns have different numbers of rows")
    if not kinds["action"] and not kinds["pose"]:
        raise DataError(f"{path}: has no column that begins with action or state")
    place = [*kinds["frame"], *kinds["time"]]
    if len(place) > 1:
        raise DataError(f"{path}: {place[0]} and {place[1]} both say where rows belong: keep one")
    for name, values in columns.items():
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
        wrong = np.flatnonzero(~np.isfinite(values).all(1))
        if wrong.size:
            raise DataError(f"{path}: {name} holds NaN or infinity in row {wrong[0]}, from 0")
    at = columns[place[0]][:, 0].astype(np.float64) if place else None
    if at is not None and (np.diff(at) <= 0).any():
        later = int(np.flatnonzero(np.diff(at) <= 0)[0]) + 1
        raise DataError(f"{path}: {place[0]} must rise from row to row, row {later} is not above")
    if at is not None and kinds["frame"] and (at != np.rint(at)).any():
        raise DataError(f"{path}: {place[0]} must hold whole numbers of frames")
    return Table(
        actions=_block(columns, kinds["action"]),
        poses=_block(columns, kinds["pose"]),
        names=(*kinds["action"], *kinds["pose"]),
        frames=at.astype(np.int64) if at is not None and kinds["frame"] else None,
        times=at if kinds["time"] else None,
    )


def _kind(path: Path, name: str) -> str:
    word = name.strip().lower()
    if word in _FRAME:
        return "frame"
    if word in _TIME:
        return "time"
    if word.startswith("action"):
        return "action"
    if word.startswith(_POSE):
        return "pose"
    raise DataError(
        f"{path}: column {name!r} is neither frame, time, an action nor a pose: let its name begin "
        "with action or state (action_0, state_x), or remove it; --data.controls zeros does "
        "without tables"
    )


def _block(columns: Mapping[str, np.ndarray], names: Sequence[str]) -> np.ndarray:
    rows = len(next(iter(columns.values())))
    parts = [np.zeros((rows, 0)), *(columns[name] for name in names)]
    return np.concatenate(parts, 1).astype(np.float32)


def _exact(frames: Int[np.ndarray, " r"], count: int) -> Int[np.ndarray, " n"]:
    wanted = np.arange(count)
    rows = np.minimum(np.searchsorted(frames, wanted), len(frames) - 1)
    missing = np.flatnonzero(frames[rows] != wanted)
    if missing.size:
        raise VideoError(f"it has no row for frame {missing[0]} of the video's 0 to {count - 1}")
    return rows


def _latest(times: Float[np.ndarray, " r"], track: Track) -> Int[np.ndarray, " n"]:
    shown, period = track.times, 1 / track.rate
    rows = np.searchsorted(times, shown + min(_EARLY, period / 4), side="right") - 1
    if rows[0] < 0:
        raise VideoError(
            f"its first row is at {times[0]:.6g} s, times count from the video's first frame: "
            "subtract that frame's time, or add a row for it"
        )
    gap = float(np.diff(times).max(initial=period))
    if shown[-1] - times[-1] > 1.5 * gap:
        raise VideoError(
            f"its last row is at {times[-1]:.6g} s, but the video goes on to {shown[-1]:.6g} s"
        )
    return rows
