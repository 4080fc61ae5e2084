"""A robot that pushes toys about in a bin, as in Google's robot-pushing data (Finn et al. 2016)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from farframe.types import Clip
from farframe.worlds.bullet import Bullet, bullet_version
from farframe.worlds.robot_camera import SUPERSAMPLING
from farframe.worlds.robot_scene import RATE, ClipFailedError, Scene, Take

_CODE = 1  # raise it with every change that changes clips
_TRIES = 20
_RATES = (5, 6, 8, 10, 12, 15, 20, 24, 30)  # divide RATE


@dataclass(frozen=True, kw_only=True)
class RobotPush:
    """A KUKA iiwa with a closed gripper pushes random toys about in a bin, by random commands.

    Every clip has, for each frame t:

    - ``frames``: the picture, rendered in two to three times the size and averaged;
    - ``poses`` (12): angles of the seven joints (rad), then the measured place of the gripper:
      x, y, z of the point between the fingertips (m), pitch, yaw (rad). The origin is the middle
      of the bin's floor, x points away from the robot's base, y to its left, z up. At pitch and
      yaw 0 the gripper points straight down; see `robot_arm`;
    - ``actions`` (5): the commanded place, in the same five numbers and the same frame, that the
      gripper is to reach at frame t + 1. It is an absolute target (Google's ``commanded_pose``),
      not a change. The arm lags behind it by some millimetres and gives in to what it meets, so
      that the place measured at t + 1 is near the action at t, and not equal to it. The last
      frame's action is the command that would have come next.

    Labels, for each frame: ``mask`` (h, w) uint8, the share of a pixel, 255 for all of it, that is
    covered by the arm with its gripper or by a toy that has moved (5 mm, or 0.1 rad) since the
    clip's first frame; ``segmentation`` (h, w) uint8, what covers most of a pixel: 0 the room, 1
    the arm with its gripper, 2 and above the toys; ``objects`` (7 numbers a toy) float32, the
    position of its centre of mass (m) and its rotation, a quaternion x, y, z, w.

    Toys, bin, table, colours, light and camera change from scene to scene. The toys of
    ``testnovel`` are of kinds, patterns and hues that no other split has. A clip in which the
    simulation went wrong is made again from other numbers, the same ones every time.
    """

    name: ClassVar[str] = "robot-push"
    splits: ClassVar[tuple[str, ...]] = ("train", "validation", "test", "testnovel")
    action_dim: ClassVar[int] = 5

    frame_size: int = 64
    """Side of the frames in pixels: 32, 64, 96 or 128."""
    clip_length: int = 20
    """Frames of a clip."""
    clips_per_scene: int = 10
    """Clips filmed of one filled bin; the gripper starts each somewhere else."""
    fps: float = 10.0
    """Frames per second: 5, 6, 8, 10, 12, 15, 20, 24 or 30."""
    objects: int = 10
    """Toys in the bin, 1 to 16."""
    seed: int = 0
    """Seed of the world."""

    def __post_init__(self) -> None:
        """Refuse what can't be made."""
        _one_of("frame_size", self.frame_size, tuple(SUPERSAMPLING))
        _one_of("fps", self.fps, _RATES)
        _one_of("objects", self.objects, range(1, 17), "1 to 16")
        _one_of("clip_length", self.clip_length, range(2, 10_001), "2 to 10000")
        _one_of("clips_per_scene", self.clips_per_scene, range(1, 1001), "1 to 1000")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}: must be 0 or above")

    @property
    def pose_dim(self) -> int:
        """Numbers of a pose: seven joints, and where the gripper is."""
        return 12

    def scene(self, split: str, number: int) -> Iterator[Clip]:
        """Fill a bin, and push in it ``clips_per_scene`` times.

        Raises:
            ValueError: for an unknown split or a negative number, or if PyBullet is missing.
        """
        _one_of("split", split, self.splits)
        if number < 0:
            raise ValueError(f"scene number is {number}: must be 0 or above")
        bullet_version()  # the complaint comes with the call, not with the first clip
        return self._clips(split, number)

    def fingerprint(self) -> str:
        """Digest of the fields, PyBullet's version and this code's.

        Raises:
            ValueError: if PyBullet is missing.
        """
        parts = (self.name, _CODE, bullet_version(), sorted(asdict(self).items()))
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def _clips(self, split: str, number: int) -> Iterator[Clip]:
        key = (self.seed, self.splits.index(split), number)
        with Bullet(RATE) as bullet:
            scene = Scene(
                bullet,
                np.random.default_rng(key),
                self.objects,
                self.frame_size,
                novel=split == "testnovel",
            )
            for n in range(self.clips_per_scene):
                yield self._clip(self._take(scene, (*key, n)), f"{split}-{number}-{n}")

    def _take(self, scene: Scene, key: tuple[int, ...]) -> Take:
        """Film a clip, again from a refilled bin as long as it fails."""
        reason = ClipFailedError()
        for attempt in range(_TRIES):
            rng = np.random.default_rng((*key, attempt))
            try:
                return scene.take(rng, self.clip_length, self.fps)
            except ClipFailedError as error:
                reason = error
                scene.refill(rng)
        raise RuntimeError(f"robot-push, clip {key}: {reason}, {_TRIES} times in a row")

    def _clip(self, take: Take, name: str) -> Clip:
        return Clip(
            frames=take.frames,
            actions=take.actions,
            poses=take.poses,
            fps=float(self.fps),
            id=name,
            labels={
                "mask": take.mask,
                "segmentation": take.segmentation,
                "objects": take.objects.reshape(len(take.objects), -1),
            },
        )


def _one_of(field: str, value: object, allowed: Sequence[object], words: str = "") -> None:
    if value not in allowed:
        words = words or f"one of {', '.join(map(str, allowed))}"
        raise ValueError(f"{field} is {value!r}: must be {words}")
