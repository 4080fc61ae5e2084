"""The motion clips that PyBullet's data package brings: real captures of one person, cleaned up.

A file is JSON: ``Loop`` (``wrap`` for a motion that ends as it begins) and ``Frames``, each of 44
numbers: its duration, the place and turn of the hips, then turns of joints (knees and elbows by
one angle about z). They were made for DeepMimic (Peng et al., 2018), whose skeleton is ours.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from farframe.worlds.motion import Motion, grounded
from farframe.worlds.quaternions import IDENTITY, about, normalised, slerp

NAMES = (
    "backflip", "cartwheel", "crawl", "dance_a", "dance_b", "getup_facedown", "getup_faceup",
    "jump", "kick", "punch", "roll", "run", "spin", "spinkick", "walk",
)  # fmt: skip
RATE = 30.0
_LEG = 0.9  # hip to floor of the person recorded, in metres
# first column of each segment; knees, elbows and hands are not quaternions there
_COLUMNS = {0: 4, 1: 8, 2: 12, 3: 16, 5: 21, 6: 25, 9: 30, 11: 35, 12: 39}
_HINGES = {4: 20, 7: 29, 10: 34, 13: 43}


@lru_cache(maxsize=len(NAMES))
def motion_clip(name: str) -> Motion:
    """One of ``NAMES``, at even times.

    Raises:
        ValueError: if PyBullet's data is not installed.
    """
    spec = find_spec("pybullet_data")
    if spec is None or spec.origin is None:
        raise ValueError("motion clips need PyBullet: pip install 'farframe[worlds]'")
    path = Path(spec.origin).parent / "data" / "motions" / f"humanoid3d_{name}.txt"
    told = json.loads(path.read_text(encoding="utf-8"))
    frames = np.array(told["Frames"], np.float64)
    local = np.tile(IDENTITY, (len(frames), 15, 1))
    for segment, column in _COLUMNS.items():
        local[:, segment] = normalised(frames[:, column : column + 4])
    for segment, column in _HINGES.items():
        local[:, segment] = about((0.0, 0.0, 1.0), frames[:, column])
    # durations differ within some clips
    ends = np.concatenate([[0.0], np.cumsum(frames[:-1, 0])])
    times = np.arange(int(ends[-1] * RATE) + 1) / RATE
    high = np.clip(np.searchsorted(ends, times, side="right"), 1, len(ends) - 1)
    weight = (times - ends[high - 1]) / (ends[high] - ends[high - 1])
    local = slerp(local[high - 1], local[high], np.repeat(weight[:, None], 15, 1))
    root = np.stack([np.interp(times, ends, frames[:, 1 + n]) for n in range(3)], 1)
    return grounded(name, RATE, local, root / _LEG, wraps=told["Loop"] == "wrap")
