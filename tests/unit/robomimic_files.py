"""Files in robomimic's published layout, as its scripts write them (compressed pictures, masks)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from farframe.types import Clip
from farframe.video import pictures

ENV = {"env_name": "Lift", "type": 1, "env_kwargs": {"control_freq": 20, "robots": ["Panda"]}}


def write_demos(
    path: Path,
    clips: Sequence[Clip],
    masks: Mapping[str, Sequence[int]] | None = None,
    cameras: Sequence[str] = ("agentview",),
    env: dict[str, Any] | None = ENV,
) -> None:
    """One demonstration a clip: poses of 9 are position, quaternion and fingers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["total"] = sum(len(clip) for clip in clips)
        if env is not None:
            data.attrs["env_args"] = json.dumps(env, indent=4)
        for i, clip in enumerate(clips):
            demo = data.create_group(f"demo_{i}")
            demo.attrs["num_samples"] = len(clip)
            demo.attrs["model_file"] = "<mujoco/>"
            demo["actions"] = clip.actions.astype(np.float64)
            demo["states"] = np.zeros((len(clip), 32))
            demo["rewards"] = np.zeros(len(clip))
            demo["dones"] = np.zeros(len(clip), np.int64)
            for group in ("obs", "next_obs"):
                obs = demo.create_group(group)
                for number, camera in enumerate(cameras):
                    frames = np.roll(np.stack(list(pictures(clip.frames))), number, 3)
                    obs.create_dataset(f"{camera}_image", data=frames, compression="gzip")
                obs["object"] = np.zeros((len(clip), 10))
                parts = np.split(clip.poses[:, :9].astype(np.float64), [3, 7], 1)
                names = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos")
                for name, part in zip(names, parts, strict=True):
                    obs[name] = part
        for name, numbers in (masks or {}).items():
            file[f"mask/{name}"] = np.array([f"demo_{i}" for i in numbers], "S")
