"""What a simulated world is: scenes of a few clips each, every one a function of its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Protocol, runtime_checkable

from farframe.types import Clip


@runtime_checkable
class World(Protocol):
    """Settings of a generator of clips: a frozen dataclass whose fields are its options.

    A scene is what is set up once and filmed several times (objects in a bin that is pushed in ten
    times, a dressed person in a room). Scenes are the unit of work: any process makes any of them
    alone, and the same fields, split and number give the same bytes. Must be picklable.

    Clips carry ground truth as labels: ``mask`` (t, h, w) uint8, 255 where what moves on its own
    covers the pixel; and whatever else the world knows, arrays whose first axis is ``t``.
    """

    name: ClassVar[str]
    """What the command line calls it: ``robot-push``."""
    splits: ClassVar[tuple[str, ...]]
    """Splits that share nothing which generalisation is to be tested on, train first."""
    action_dim: ClassVar[int]

    @property
    def pose_dim(self) -> int:
        """Numbers of a pose (0: clips have none)."""
        ...

    @property
    def frame_size(self) -> int:
        """Side of the frames in pixels."""
        ...

    @property
    def clip_length(self) -> int:
        """Frames of every clip."""
        ...

    @property
    def clips_per_scene(self) -> int:
        """Clips that a scene gives."""
        ...

    @property
    def fps(self) -> float:
        """Frames per second of the clips."""
        ...

    @property
    def seed(self) -> int:
        """Seed of the world: another seed, another world."""
        ...

    def scene(self, split: str, number: int) -> Iterator[Clip]:
        """Make the clips of a scene one after another, called ``<split>-<number>-<clip>``.

        Raises:
            ValueError: for an unknown split, or if a package that the world needs is missing.
        """
        ...

    def fingerprint(self) -> str:
        """Hex digest of all that decides the bytes: the fields, versions of engine and code."""
        ...
