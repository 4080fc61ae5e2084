"""robomimic's layout of HDF5 files: what a demonstration is, and what is wrong with one.

``data/demo_N/obs/<camera>_image`` uint8 "t h w 3", ``data/demo_N/actions`` "t a", other ``obs``
"t n"; ``data``'s attribute ``env_args`` is JSON; ``mask/train`` and ``mask/valid`` name the
demonstrations of a split. docs/data.md tells the same for users.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from farframe.data.files import natural
from farframe.data.hdf5_files import h5py_or_line
from farframe.data.source import DataError, Split

POSES = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos")
"""Observations that make up a pose, as far as they are there: robomimic's standard ones."""

FPS = 20.0
"""robosuite's usual control rate, for files that say none."""

_MASKS: Mapping[str, Split] = {"train": "train", "valid": "validation", "test": "test"}


@dataclass(frozen=True, kw_only=True)
class Demo:
    """One demonstration: what was found of it, or the one line that says why it can't be used."""

    name: str
    length: int = 0
    camera: str = ""
    width: int = 0
    height: int = 0
    action_dim: int = 0
    poses: tuple[tuple[str, int], ...] = ()
    split: Split | None = None
    digest: str = ""
    problem: str = ""

    @property
    def pose_dim(self) -> int:
        """Numbers in a pose."""
        return sum(width for _, width in self.poses)


def rate_of(file: Any) -> float:
    """Frames per second, from the environment's ``control_freq``, or ``FPS``."""
    try:
        text = file["data"].attrs["env_args"]
        rate = float(json.loads(text)["env_kwargs"]["control_freq"])
    except (KeyError, ValueError, TypeError):
        return FPS
    return rate if 0 < rate < math.inf else FPS


def demos_of(file: Any, camera: str) -> Iterator[Demo]:
    """The demonstrations of a file in natural order.

    Raises:
        DataError: if it has none.
    """
    h5py = h5py_or_line()
    data = file.get("data")
    if not isinstance(data, h5py.Group):
        names = ", ".join(sorted(file)[:5]) or "nothing"
        raise DataError(f"there is no group data: not robomimic's layout (it holds {names})")
    names = sorted((n for n in data if isinstance(data[n], h5py.Group)), key=natural)
    if not names:
        raise DataError("the group data holds no demonstrations")
    splits = _splits(file)
    for name in names:
        try:
            yield _demo(data[name], name, camera, splits.get(name))
        except DataError as error:
            yield Demo(name=name, problem=str(error))


def _splits(file: Any) -> dict[str, Split]:
    """Name of a demonstration -> its split; what is held out is never trained on."""
    out: dict[str, Split] = {}
    masks = file.get("mask", {})
    for mask, split in _MASKS.items():
        for name in masks.get(mask, ()):
            out[name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)] = split
    return out


def _demo(demo: Any, name: str, camera: str, split: Split | None) -> Demo:
    h5py = h5py_or_line()
    obs = demo.get("obs")
    if not isinstance(obs, h5py.Group):
        raise DataError(
            "there is no group obs: robomimic's scripts/dataset_states_to_obs.py makes it, with "
            "pictures if it is given --camera_names"
        )
    images = [k for k in obs if isinstance(obs[k], h5py.Dataset) and obs[k].shape[3:] == (3,)]
    chosen = _camera(images, camera)
    pictures = obs[chosen]
    if pictures.dtype != np.uint8:
        raise DataError(
            f"obs/{chosen} holds {pictures.dtype} numbers: pictures must be uint8, 0 to 255"
        )
    length, height, width = pictures.shape[:3]
    if not (length and height and width):
        raise DataError(f"obs/{chosen} holds no pictures")
    digest = hashlib.sha256(repr((name, chosen, pictures.shape)).encode())
    tables = {"actions": demo.get("actions")}
    tables |= {f"obs/{key}": obs[key] for key in POSES if key in obs}
    widths: list[int] = []
    for key, table in tables.items():
        widths.append(0 if table is None else _width(key, table, length))
        if table is not None:
            digest.update(table[()].tobytes())
    poses = tuple(zip((k.removeprefix("obs/") for k in list(tables)[1:]), widths[1:], strict=True))
    return Demo(
        name=name,
        length=length,
        camera=chosen,
        width=width,
        height=height,
        action_dim=widths[0],
        poses=poses,
        split=split,
        digest=digest.hexdigest(),
    )


def _camera(images: list[str], camera: str) -> str:
    listed = ", ".join(sorted(image.removesuffix("_image") for image in images))
    if not images:
        raise DataError('there are no pictures in obs: no array "t h w 3"')
    if camera:
        for name in (camera, f"{camera}_image"):
            if name in images:
                return name
        raise DataError(f"there is no camera {camera}: choose one of {listed} by --data.camera")
    if len(images) > 1:
        raise DataError(f"it has several cameras: choose one of {listed} by --data.camera")
    return images[0]


def _width(key: str, table: Any, length: int) -> int:
    if table.ndim != 2 or table.dtype.kind not in "fiub":
        raise DataError(f"{key} has shape {table.shape} of {table.dtype}: must be numbers (t, n)")
    if len(table) != length:
        raise DataError(f"{key} has {len(table)} rows for {length} pictures")
    if not np.isfinite(table[()]).all():
        raise DataError(f"{key} holds numbers that are not finite")
    return int(table.shape[1])
