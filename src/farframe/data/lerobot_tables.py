"""The tables of a LeRobotDataset v3.0 as lerobot writes them, down to their types."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from farframe.data.arrow import parquet
from farframe.data.lerobot_stats import Stats
from farframe.data.source import DataError
from farframe.data.writing import Shard
from farframe.types import Clip

CAMERA = "observation.images.camera"
_ACTION, _STATE = "action", "observation.state"
_FILES = 1000  # files in a chunk
PLACE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
DATA, VIDEO = f"data/{PLACE}.parquet", f"videos/{{video_key}}/{PLACE}.mp4"
_TASK = "unspecified"
_COUNTERS = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}


def place_of(number: int) -> dict[str, int]:
    """The chunk and the file of a shard."""
    return {"chunk_index": number // _FILES, "file_index": number % _FILES}


def columns_of(clip: Clip, episode: int, first: int) -> dict[str, np.ndarray]:
    """The columns of an episode, each "t k"."""
    count = np.arange(len(clip))
    columns: dict[str, np.ndarray] = {}
    if clip.actions.shape[1]:
        columns[_ACTION] = clip.actions
    if clip.poses.shape[1]:
        columns[_STATE] = clip.poses
    values = (count / clip.fps, count, count * 0 + episode, first + count, count * 0)
    counters = zip(_COUNTERS.items(), values, strict=True)
    return columns | {name: value.astype(kind)[:, None] for (name, kind), value in counters}


def write_rows(path: Path, tables: list[dict[str, np.ndarray]]) -> None:
    """One row group an episode, as lerobot writes them: each is read alone."""
    import pyarrow as pa

    module = parquet()
    writer = None
    try:
        for columns in tables:
            table: Any = pa.table({name: _arrow(values) for name, values in columns.items()})
            writer = writer or module.ParquetWriter(path, table.schema, compression="snappy")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _arrow(values: np.ndarray) -> Any:
    """A column: plain numbers if there is one a row, else lists of fixed length."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(values).ravel())
    width = values.shape[1]
    return flat if width == 1 else pa.FixedSizeListArray.from_arrays(flat, width)


def episode_rows(shard: Shard, facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What ``meta/episodes`` tells of each episode of a shard."""
    place, start, frame = place_of(shard.number), 0, shard.first_frame
    fps = facts["shape"]["fps"]
    for episode in facts["episodes"]:
        length: int = episode["length"]
        row: dict[str, Any] = {
            "episode_index": episode["number"],
            "tasks": [_TASK],
            "length": length,
            "dataset_from_index": frame,
            "dataset_to_index": frame + length,
        }
        for which in ("data", f"videos/{CAMERA}"):
            row |= {f"{which}/{name}": value for name, value in place.items()}
        row[f"videos/{CAMERA}/from_timestamp"] = start / fps
        row[f"videos/{CAMERA}/to_timestamp"] = (start + length) / fps
        stats: Mapping[str, Stats] = episode["stats"]
        for name, values in stats.items():
            row |= {f"stats/{name}/{key}": value for key, value in values.items()}
        yield row | {f"meta/episodes/{name}": value for name, value in place_of(0).items()}
        start, frame = start + length, frame + length


def write_table(path: Path, columns: Mapping[str, list[Any]]) -> None:
    """Write a Parquet file of columns, whose types are told by their values."""
    import pyarrow as pa

    parquet().write_table(pa.table(dict(columns)), path, compression="snappy")


def write_tasks(path: Path) -> None:
    """The tasks' names are the index of a pandas table: lerobot looks them up there."""
    import pyarrow as pa

    index = "__index_level_0__"
    columns = [
        {
            "name": name,
            "field_name": field,
            "pandas_type": kind,
            "numpy_type": numpy,
            "metadata": None,
        }
        for name, field, kind, numpy in (
            ("task_index", "task_index", "int64", "int64"),
            (None, index, "unicode", "object"),
        )
    ]
    described = {"index_columns": [index], "column_indexes": [], "columns": columns}
    table: Any = pa.table({"task_index": pa.array([0]), index: pa.array([_TASK])})
    table = table.replace_schema_metadata({"pandas": json.dumps(described)})
    parquet().write_table(table, path, compression="snappy")


def info_of(shards: list[tuple[Shard, dict[str, Any]]]) -> dict[str, Any]:
    """``meta/info.json``."""
    splits: dict[str, tuple[int, int]] = {}
    for shard, facts in shards:
        stop = shard.first_clip + facts["clips"]
        start, before = splits.get(shard.split, (shard.first_clip, shard.first_clip))
        if before != shard.first_clip:
            raise DataError(f"the shards of split {shard.split} don't stand together")
        splits[shard.split] = start, stop
    shape, colours = shards[0][1]["shape"], shards[0][1]["colours"]
    return {
        "codebase_version": "v3.0",
        "robot_type": None,
        "total_episodes": sum(facts["clips"] for _, facts in shards),
        "total_frames": sum(facts["frames"] for _, facts in shards),
        "total_tasks": 1,
        "chunks_size": _FILES,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": _whole(shape["fps"]),
        "splits": {name: f"{start}:{stop}" for name, (start, stop) in splits.items()},
        "data_path": DATA,
        "video_path": VIDEO,
        "features": _features(shape, colours),
    }


def _features(shape: Mapping[str, Any], colours: str) -> dict[str, Any]:
    height, width = shape["size"]
    features: dict[str, Any] = {
        name: {
            "dtype": "float32",
            "shape": [count],
            "names": [f"{name.rpartition('.')[2]}_{i}" for i in range(count)],
        }
        for name, count in ((_ACTION, shape["actions"]), (_STATE, shape["poses"]))
        if count
    }
    features[CAMERA] = {
        "dtype": "video",
        "shape": [height, width, 3],
        "names": ["height", "width", "channels"],
        "info": {
            "video.height": height,
            "video.width": width,
            "video.codec": "h264",
            "video.pix_fmt": "gbrp" if colours == "rgb" else colours,
            "video.is_depth_map": False,
            "video.fps": _whole(shape["fps"]),
            "video.channels": 3,
            "has_audio": False,
        },
    }
    counters = {n: {"dtype": kind, "shape": [1], "names": None} for n, kind in _COUNTERS.items()}
    return features | counters


def _whole(fps: float) -> float | int:
    return int(fps) if fps == int(fps) else fps
