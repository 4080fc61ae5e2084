"""``meta/info.json`` of a LeRobotDataset: version, rate, cameras, columns, where files lie."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from farframe.data.files import is_regular
from farframe.data.source import DataError, Split

INFO = "meta/info.json"
_ACTIONS, _POSES = ("action", "actions"), ("observation.state", "state")
_MAX_INFO = 2**26  # bytes
_OLD = {
    "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
    "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
}
_NEW = {
    "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
    "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
}
_FIELD = re.compile(r"\{(\w+)(?::0?(\d)d)?\}")


@dataclass(frozen=True, kw_only=True)
class Info:
    """What ``meta/info.json`` says.

    ``version`` is 2 (v2.0 and v2.1: a file an episode) or 3 (v3: several episodes a file).
    ``cameras`` are the names of features with pictures; true for those stored as video, false for
    pictures in the Parquet files. ``actions`` and ``poses`` are a column and its width, or None.
    ``splits`` are ranges of episodes that the data's makers named.
    """

    root: Path
    version: int
    fps: float
    chunks_size: int
    cameras: Mapping[str, bool]
    actions: tuple[str, int] | None
    poses: tuple[str, int] | None
    splits: Sequence[tuple[Split, int, int]]
    paths: Mapping[str, str]

    def place(self, which: str, fields: Mapping[str, int | str]) -> str:
        """The path of a file, relative to the data set, by the pattern ``which`` of info.json.

        Raises:
            DataError: if the pattern needs something else, or leads out of the data set.
        """
        pattern = self.paths[which]

        def fill(match: re.Match[str]) -> str:
            if match[1] not in fields:
                known = ", ".join(fields)
                raise DataError(
                    f"{self.root / INFO}: {which} asks for {match[1]}, known are {known}"
                )
            return str(fields[match[1]]).rjust(int(match[2] or 0), "0")

        path = PurePosixPath(_FIELD.sub(fill, pattern))
        if path.is_absolute() or ".." in path.parts:
            raise DataError(f"{self.root / INFO}: {which} {pattern!r} leads out of the data set")
        return path.as_posix()

    def camera(self, wanted: str) -> str:
        """The full name of a camera, given it or what follows ``observation.images.``.

        Raises:
            DataError: if there is none, or several and no name.
        """
        short = {_short(name): name for name in self.cameras}
        if wanted in self.cameras:
            return wanted
        if wanted in short:
            return short[wanted]
        listed = ", ".join(short)
        if wanted:
            near = get_close_matches(wanted, [*short, *self.cameras], 1, 0.0)
            hint = f"did you mean {near[0]}? It has {listed}" if near else "it has no camera at all"
            raise DataError(f"{self.root} has no camera {wanted!r}: {hint}")
        if not short:
            raise DataError(
                f"{self.root} has no camera: {INFO} names no feature of dtype video or image"
            )
        if len(short) > 1:
            raise DataError(
                f"{self.root} has {len(short)} cameras: choose one with --data.camera, of {listed}"
            )
        return next(iter(self.cameras))

    def split_of(self, episode: int) -> Split | None:
        """Where the data's makers put an episode, None if nowhere.

        An episode that is held out anywhere is not trained on.
        """
        within = {split for split, start, stop in self.splits if start <= episode < stop}
        return next((split for split in _HELD_OUT_FIRST if split in within), None)

    @property
    def says_splits(self) -> bool:
        """Whether it tells apart more than training episodes."""
        return any(split != "train" for split, _, _ in self.splits)


_HELD_OUT_FIRST: Sequence[Split] = ("test", "validation", "train")
_SPLIT_NAMES: Mapping[str, Split] = {
    "train": "train", "val": "validation", "eval": "validation", "test": "test"
}  # fmt: skip
"""What the name of a split begins with."""


def is_lerobot(path: Path) -> bool:
    """Whether a folder holds a LeRobotDataset, of any version."""
    file = path / INFO
    if not is_regular(file):
        return False
    try:
        with file.open("rb") as opened:
            return b'"codebase_version"' in opened.read(2**16)
    except OSError:
        return False


def read_info(root: Path, controls: bool = True) -> Info:
    """Read and check ``meta/info.json``; without ``controls`` as if there were only pictures.

    Raises:
        DataError: if it is missing, damaged or of a version that can't be read.
    """
    file = root / INFO
    try:
        if file.stat().st_size > _MAX_INFO:
            raise ValueError(f"it has more than {_MAX_INFO} bytes")
        data = json.loads(file.read_bytes())
    except OSError as error:
        raise DataError(f"{file} can't be read ({error.strerror}): name the data's folder") from (
            error
        )
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is no JSON ({str(error)[:80]}): copy it here again") from error
    try:
        return _parsed(root, data, controls)
    except _InfoError as error:
        raise DataError(f"{file}: {error}") from error


class _InfoError(ValueError):
    """What is wrong with info.json."""


def _parsed(root: Path, data: Any, controls: bool) -> Info:
    version = _version(data)
    features = data.get("features")
    if not isinstance(features, dict):
        raise _InfoError("has no table of features")
    kinds = {str(name): f.get("dtype") for name, f in features.items() if isinstance(f, dict)}
    fps, size = data.get("fps"), data.get("chunks_size", 1000)
    if not isinstance(fps, int | float) or not 0 < fps < math.inf:
        raise _InfoError(f"fps is {fps!r}: must be a positive number")
    if not isinstance(size, int) or size < 1:
        raise _InfoError(f"chunks_size is {size!r}: must be 1 or above")
    defaults = _OLD if version == 2 else _NEW
    return Info(
        root=root,
        version=version,
        fps=float(fps),
        chunks_size=size,
        cameras={n: kind == "video" for n, kind in kinds.items() if kind in ("video", "image")},
        actions=_column(features, _ACTIONS) if controls else None,
        poses=_column(features, _POSES) if controls else None,
        splits=_splits(data.get("splits") or {}),
        paths={name: str(data.get(name) or default) for name, default in defaults.items()},
    )


def _version(data: Any) -> int:
    text = data.get("codebase_version") if isinstance(data, dict) else None
    match = re.fullmatch(r"v?(\d+)\.(\d+)(\.\d+)?", str(text))
    major = int(match[1]) if match else 0
    if major in (2, 3):
        return major
    if major == 1:
        raise _InfoError(
            f"is of version {text}; read are v2.0, v2.1 and v3: convert it with lerobot 0.3's "
            "lerobot/datasets/v2/convert_dataset_v1_to_v2.py"
        )
    raise _InfoError(f"codebase_version is {text!r}; read are v2.0, v2.1 and v3")


def _column(features: Mapping[str, Any], names: Sequence[str]) -> tuple[str, int] | None:
    """The first of ``names`` that there is, and how many numbers a row of it has."""
    name = next((name for name in names if isinstance(features.get(name), dict)), None)
    if name is None:
        return None
    dtype, shape = features[name].get("dtype"), features[name].get("shape")
    if not re.fullmatch(r"float\d+|u?int\d+|bool", str(dtype)):
        raise _InfoError(
            f"{name} is of dtype {dtype!r}, numbers are needed; --data.controls zeros does without"
        )
    if not isinstance(shape, list) or not all(isinstance(n, int) and n > 0 for n in shape):
        raise _InfoError(f"{name} has the shape {shape!r}: must be a list of sizes")
    return name, math.prod(shape)


def _splits(data: Any) -> list[tuple[Split, int, int]]:
    """Ranges of episodes; names that tell nothing are left out, so their episodes are nowhere."""
    found: list[tuple[Split, int, int]] = []
    for name, text in data.items() if isinstance(data, dict) else ():
        split: Split | None = next(
            (s for word, s in _SPLIT_NAMES.items() if str(name).startswith(word)), None
        )
        match = re.fullmatch(r"\s*(\d{0,9})\s*:\s*(\d{0,9})\s*", str(text))
        if match is None:
            raise _InfoError(f"split {name} is {text!r}: must be a range of episodes like 0:50")
        if split:
            found.append((split, int(match[1] or 0), int(match[2] or 10**9)))
    return found


def _short(name: str) -> str:
    """A camera's name without what all of them begin with."""
    return name.removeprefix("observation.").removeprefix("images.")
