"""A simulated world as a source of clips: made when they are read, scene by scene."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from farframe.data.source import Recording, check_frames
from farframe.types import Clip
from farframe.worlds.world import World


class WorldSource:
    """The first clips of each split of a world, as a ``ClipSource``.

    Reading the clips of a scene in their order makes each once; a step back, or to another scene,
    makes the scene anew from its beginning. So read in order where it matters.

    Args:
        world: the world.
        counts: split -> number of clips, in the order in which they are numbered here.
    """

    def __init__(self, world: World, counts: Mapping[str, int]) -> None:
        self.world = world
        self.kind = world.name
        self.frame_size = world.frame_size
        self.action_dim = world.action_dim
        self.pose_dim = world.pose_dim
        self.counts = dict(counts)
        self._recordings = _Recordings(world, self.counts)
        self._scene: tuple[str, int] | None = None
        self._coming: Iterator[Clip] = iter(())
        self._made: list[Clip] = []

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_scene": None, "_coming": iter(()), "_made": []}

    @property
    def recordings(self) -> Sequence[Recording]:
        """One recording a clip, split after split; made on demand."""
        return self._recordings

    def read(self, index: int, frames: range) -> Clip:
        """Make clip ``index`` if it isn't there already, and take ``frames`` of it.

        Raises:
            IndexError: if the clip or a frame does not exist.
            ValueError: if a package that the world needs is missing.
        """
        recording = self._recordings[index]
        check_frames(recording, frames)
        split, place = self._recordings.place(index)
        scene, number = divmod(place, self.world.clips_per_scene)
        clip = self._make(split, scene, number)
        chosen = list(frames)
        return replace(
            clip,
            id=recording.id,
            frames=clip.frames[chosen],
            actions=clip.actions[chosen],
            poses=clip.poses[chosen],
            labels={name: values[chosen] for name, values in clip.labels.items()},
        )

    def fingerprint(self) -> str:
        """Of the world and the numbers of clips."""
        text = f"{self.world.fingerprint()} {sorted(self.counts.items())}"
        return hashlib.sha256(text.encode()).hexdigest()

    def _make(self, split: str, scene: int, number: int) -> Clip:
        if self._scene != (split, scene):
            self._scene, self._made = (split, scene), []
            self._coming = self.world.scene(split, scene)
        while len(self._made) <= number:
            self._made.append(next(self._coming))
        return self._made[number]


class _Recordings(Sequence[Recording]):
    def __init__(self, world: World, counts: Mapping[str, int]) -> None:
        self._world, self._counts = world, counts

    def __len__(self) -> int:
        return sum(self._counts.values())

    def place(self, index: int) -> tuple[str, int]:
        """The split that a clip belongs to, and its number in it."""
        if index >= 0:
            for split, count in self._counts.items():
                if index < count:
                    return split, index
                index -= count
        raise IndexError(index)

    def __getitem__(self, index: int) -> Recording:  # type: ignore[override]
        split, place = self.place(index)
        scene, number = divmod(place, self._world.clips_per_scene)
        return Recording(
            id=f"{split}-{scene}-{number}",
            file="",
            length=self._world.clip_length,
            fps=self._world.fps,
            split=split if split in ("train", "validation") else "test",
        )
