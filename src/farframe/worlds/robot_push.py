"""A robot that pushes toys about in a bin, as in Google's robot-pushing data (Finn et al. 2016)."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Float32, UInt8

from farframe.types import Clip
from farframe.worlds.bullet import Bullet, bullet_version
from farframe.worlds.robot_camera import SUPERSAMPLING
from farframe.worlds.robot_scene import RATE, ClipFailedError, Scene, Take

_CODE = 1  # to be raised with every change that changes clips
_TRIES = 20
_FPS = tuple(fps for fps in range(2, 31) if RATE % fps == 0)


@dataclass(frozen=True, kw_only=True)
class RobotPush:
    """..."""

    name: ClassVar[str] = "robot-push"
    splits: ClassVar[tuple[str, ...]] = ("train", "validation", "test", "testnovel")
    action_dim: ClassVar[int] = 5
    pose_dim: ClassVar[int] = 12

    frame_size: int = 64
    clip_length: int = 20
    clips_per_scene: int = 10
    fps: float = 10.0
    objects: int = 10
    seed: int = 0

    def scene(self, split: str, number: int) -> Iterator[Clip]:
        """x."""
        with Bullet(RATE) as bullet, tempfile.TemporaryDirectory(prefix="farframe-") as folder:
            key = (self.seed, self.splits.index(split), number)
            scene = Scene(
                bullet,
                np.random.default_rng(key),
                Path(folder),
                self.objects,
                self.frame_size,
                novel=split == "testnovel",
            )
            for n in range(self.clips_per_scene):
                take = self._take(scene, key, n)
                yield self._clip(take, f"{split}-{number}-{n}")

    def _take(self, scene: Scene, key, n: int) -> Take:
        for attempt in range(_TRIES):
            rng = np.random.default_rng((*key, n, attempt))
            try:
                return scene.take(rng, self.clip_length, self.fps)
            except ClipFailedError as e:
                print(key, n, e)
                scene.refill(rng)
        raise RuntimeError

    def _clip(self, take: Take, name: str) -> Clip:
        return Clip(
            frames=take.frames,
            actions=take.actions,
            poses=take.poses,
            fps=self.fps,
            id=name,
            labels={
                "mask": take.mask,
                "segmentation": take.segmentation,
                "objects": take.objects.reshape(len(take.objects), -1),
            },
        )
