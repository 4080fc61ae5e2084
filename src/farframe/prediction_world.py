"""Clips of the worlds as what a prediction starts from: `shapes:0`, `robot-push:3`, `humans:0`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from farframe.config import DataConfig
from farframe.types import Clip

WORLDS = ("shapes", "robot-push", "humans")
_NAME = re.compile(rf"({'|'.join(WORLDS)}):(\d{{1,6}})")


@dataclass(frozen=True)
class WorldClip:
    """Clip number ``index`` of a world's test split, which no run is ever trained on."""

    world: str
    index: int

    @staticmethod
    def named(source: Path) -> WorldClip | None:
        """The clip that an input's name means; None if it means a file."""
        match = _NAME.fullmatch(str(source))
        return WorldClip(match[1], int(match[2])) if match and not os.path.exists(source) else None

    def make(self, frame_size: int, start: int, count: int, stride: int) -> Clip:
        """``count`` frames, ``stride`` apart, from frame ``start`` on (counted after the stride).

        Raises:
            ValueError: if a package that the world needs is missing.
        """
        frames = range(start * stride, (start + count) * stride, stride)
        length = frames[-1] + 1
        if self.world == "shapes":
            return self._shapes(frame_size, length, frames)
        from farframe.worlds.catalogue import WORLDS as KINDS
        from farframe.worlds.world_source import WorldSource

        # Clip 0 of a scene of its own: others would show the same bin, or the same person.
        kind = KINDS[self.world]
        length = self._length(length)
        world = replace(kind(frame_size=frame_size, clip_length=length), clips_per_scene=1)
        return WorldSource(world, {"test": self.index + 1}).read(self.index, frames)

    def _length(self, needed: int) -> int:
        """Frames to simulate.

        A robot's clip goes on as it began, however long it is. A person's motions and camera are
        chosen for a whole clip, so clips are as long as those of `farframe data make`, or twice,
        four times, ... as long: the same number is the same clip for most horizons.
        """
        if self.world != "humans":
            return max(needed, 2)
        length = 80
        while length < needed:
            length *= 2
        return length

    def _shapes(self, frame_size: int, length: int, frames: range) -> Clip:
        from farframe.data.splits import segments
        from farframe.worlds.shapes import ShapesSource

        clips = 20 * self.index + 200  # a tenth of them are test clips
        source = ShapesSource(clips=clips, length=length, frame_size=frame_size, seed=0)
        tested = segments(source, DataConfig(path="shapes", split="hash"), "test")
        return source.read(tested[self.index].recording, frames)
