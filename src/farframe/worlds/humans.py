"""A dressed person who replays recorded motions in a room, before a camera that stands still.

In place of Human3.6M (Ionescu et al., 2014), whose people the original program was trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from farframe.types import Clip
from farframe.worlds.body import Body, dressed, placed, random_body
from farframe.worlds.bullet import Bullet, bullet_version
from farframe.worlds.camera import random_view, seen
from farframe.worlds.motion import Motion
from farframe.worlds.performance import perform, walked
from farframe.worlds.repertoire import bvh_files, motions, pairs
from farframe.worlds.room import FLOOR_COLOURS, WALL_COLOURS, random_room
from farframe.worlds.skeleton import JOINT_NAMES, Posed, joints, lowest, outline, pose
from farframe.worlds.stage import Stage
from farframe.worlds.wardrobe import SHIRTS, TROUSERS, picture, random_outfit

CODE = 1  # goes up whenever the same fields come to give other bytes
FRAME_SIZES = (32, 64, 96, 128)


@dataclass(frozen=True, kw_only=True)
class Humans:
    """Settings of the world of dressed people.

    A scene is a person (build, skin, hair, clothes) in a room; each of its clips shows another
    motion or chain of motions, from another viewpoint and in another light. There are no actions,
    and poses only if asked for, as in the original's human data; labels are

    - ``mask`` (t, h, w) uint8: the share of each pixel that the person covers, 255 for all of it,
    - ``joints`` (t, 34) float32: x and y of the 17 joints of ``JOINT_NAMES`` in sides of the
      frame, (0, 0) its upper left corner.

    Splits share neither motions nor appearances. Test clips show the motions dance_b,
    getup_faceup, kick and run of PyBullet's data, all others the remaining eleven. Combinations of
    shirt and trousers, and of wall and floor colours, belong to one split each; validation shows
    the motions of train in combinations of its own.
    """

    name: ClassVar[str] = "humans"
    splits: ClassVar[tuple[str, ...]] = ("train", "validation", "test")
    action_dim: ClassVar[int] = 0

    frame_size: int = 64
    """Side of the frames in pixels: 32, 64, 96 or 128."""
    clip_length: int = 80
    """Frames of every clip."""
    clips_per_scene: int = 4
    """Clips of one person in one room."""
    motions: str = ""
    """A BVH file, or a folder of them, to replay besides the built-in motions."""
    poses: Literal["none", "joints"] = "none"
    """Whether the joints are the clips' poses, too, for modes that learn from poses."""
    seed: int = 0
    """Seed of the world: another seed, other people, rooms and motions."""

    def __post_init__(self) -> None:
        if self.frame_size not in FRAME_SIZES:
            raise ValueError(f"frame_size is {self.frame_size}; it must be one of {FRAME_SIZES}")
        for field, least in (("clip_length", 2), ("clips_per_scene", 1), ("seed", 0)):
            if getattr(self, field) < least:
                raise ValueError(f"{field} is {getattr(self, field)}; it must be {least} or more")

    @property
    def pose_dim(self) -> int:
        """Numbers of a pose."""
        return 2 * len(JOINT_NAMES) if self.poses == "joints" else 0

    @property
    def fps(self) -> float:
        """A quarter of Human3.6M's 50, so that every second frame makes the original's 6.25."""
        return 12.5

    def scene(self, split: str, number: int) -> Iterator[Clip]:
        """The clips of a scene one after another.

        Raises:
            ValueError: for an unknown split, or if PyBullet is missing.
            DataError: if ``motions`` can't be used.
        """
        if split not in self.splits:
            raise ValueError(f"split is '{split}'; it must be one of {', '.join(self.splits)}")
        bullet_version()
        return self._scene(split, number, motions(split, self.motions))

    def _scene(self, split: str, number: int, repertoire: tuple[Motion, ...]) -> Iterator[Clip]:
        key = (self.seed, self.splits.index(split), number)
        body, outfit = (np.random.default_rng((*key, n)) for n in (0, 1))
        around, camera = (np.random.default_rng((*key, n)) for n in (2, 3))
        person = random_body(body)
        clothes = random_outfit(pairs(split, len(SHIRTS), len(TROUSERS)), outfit)
        room = random_room(pairs(split, len(FLOOR_COLOURS), len(WALL_COLOURS)), around)
        takes = [
            self._take(person, repertoire, np.random.default_rng((*key, 4, n)))
            for n in range(self.clips_per_scene)
        ]
        with Bullet(240) as bullet:
            stage = Stage(bullet, room, dressed(person, clothes), picture(clothes, outfit))
            for n, take in enumerate(takes):
                view = random_view(outline(person.frame, take), person.frame, camera)
                shots = [
                    stage.shoot(places, turns, view, self.frame_size)
                    for places, turns in zip(*placed(person, take), strict=True)
                ]
                empty = np.zeros((len(shots), 0), np.float32)
                points = seen(view, joints(person.frame, take)).reshape(len(shots), -1)
                points = points.astype(np.float32)
                yield Clip(
                    frames=np.stack([frame for frame, _ in shots]),
                    actions=empty,
                    poses=points if self.pose_dim else empty,
                    fps=self.fps,
                    id=f"{split}-{number}-{n}",
                    labels={
                        "mask": np.stack([mask for _, mask in shots]),
                        "joints": points,
                    },
                )

    def _take(
        self, person: Body, repertoire: tuple[Motion, ...], rng: np.random.Generator
    ) -> Posed:
        """A performance by a person, on the floor of the room."""
        first = int(rng.integers(len(repertoire)))
        told = perform(repertoire, first, self.clip_length, self.fps, rng)
        frame = person.frame
        local, path = walked(told, frame.leg, self.fps, rng)
        level = np.stack([path[:, 0], np.zeros(len(path)), path[:, 1]], 1)
        posed = pose(frame, local, level)
        lift = told.clearance * frame.leg - lowest(frame, posed)
        return posed.moved(lift[:, None] * np.array([0.0, 1.0, 0.0]))

    def fingerprint(self) -> str:
        """Digest of the fields, of the code's and PyBullet's version, and of the BVH files.

        Raises:
            ValueError: if PyBullet is missing.
            DataError: if ``motions`` can't be used.
        """
        parts = [CODE, bullet_version(), self.frame_size, self.clip_length, self.clips_per_scene]
        parts += [self.poses] if self.pose_dim else []
        own = [
            (path.name, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in (bvh_files(self.motions) if self.motions else [])
        ]
        return hashlib.sha256(repr((*parts, self.seed, own)).encode()).hexdigest()[:16]
