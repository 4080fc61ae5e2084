"""The bouncing-shape world as a ``World``, so that it can be written to files like the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from farframe.config import FRAME_SIZES, check
from farframe.types import Clip
from farframe.worlds.shapes import ShapesSource

_APART = 1_000_000_000  # numbers of clips that a split has to itself


@dataclass(frozen=True, kw_only=True)
class ShapesWorld:
    """Clips of ``ShapesSource``; each split draws motions of its own.

    None of them occurs in ``--data shapes`` either, whose clips are numbered below a billion.
    """

    name: ClassVar[str] = "shapes"
    splits: ClassVar[tuple[str, ...]] = ("train", "validation", "test")
    action_dim: ClassVar[int] = 0

    frame_size: int = 64
    """Height and width of frames in pixels."""
    clip_length: int = 140
    """Frames of a clip."""
    seed: int = 0
    """Seed of the world: another seed, other clips."""

    def __post_init__(self) -> None:
        sizes = ", ".join(map(str, FRAME_SIZES))
        check(self.frame_size in FRAME_SIZES, "--frame-size", self.frame_size, f"one of {sizes}")
        check(self.clip_length >= 2, "--clip-length", self.clip_length, "must be at least 2")
        check(self.seed >= 0, "--seed", self.seed, "must be at least 0")

    @property
    def pose_dim(self) -> int:
        """Numbers of a pose: none."""
        return 0

    @property
    def clips_per_scene(self) -> int:
        """A shape alone is a scene."""
        return 1

    @property
    def fps(self) -> float:
        """What the clips are said to have: nothing in them is in seconds."""
        return 10.0

    def scene(self, split: str, number: int) -> Iterator[Clip]:
        """One clip."""
        check(split in self.splits, "split", split, f"must be one of {', '.join(self.splits)}")
        first = (1 + self.splits.index(split)) * _APART
        clip = self._source().read(first + number, range(self.clip_length))
        yield replace(clip, id=f"{split}-{number}-0")

    def fingerprint(self) -> str:
        """That of the clips' source."""
        return self._source().fingerprint()

    def _source(self) -> ShapesSource:
        return ShapesSource(
            clips=(1 + len(self.splits)) * _APART,
            length=self.clip_length,
            frame_size=self.frame_size,
            seed=self.seed,
        )
