"""A clip source in memory: a module of its own, so that loader workers can import it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from farframe.data.source import DataError, Recording
from farframe.types import Clip


def recordings(*lengths: int, file: str = "{}.mp4") -> list[Recording]:
    """Recordings ``r0``, ``r1``, ... in files named by ``file``."""
    return [
        Recording(id=f"r{i}", file=file.format(i), length=length, fps=10.0)
        for i, length in enumerate(lengths)
    ]


@dataclass(frozen=True)
class MemorySource:
    """Frame f of recording r has pixels (r, f % 256, f // 256) in its three channels."""

    recordings: Sequence[Recording]
    kind: str = "video"
    frame_size: int = 2
    action_dim: int = 1
    pose_dim: int = 0
    broken: frozenset[int] = frozenset()
    """Recordings that can't be read."""

    def read(self, index: int, frames: range) -> Clip:
        if not 0 <= frames.start <= frames[-1] < self.recordings[index].length:
            raise IndexError(f"{frames} of recording {index}")
        if index in self.broken:
            raise DataError(f"{self.recordings[index].file} is broken")
        t = np.array(frames)
        pixels = np.stack([np.full_like(t, index), t % 256, t // 256], 1).astype(np.uint8)
        square = np.broadcast_to(pixels[:, :, None, None], (len(t), 3, *2 * [self.frame_size]))
        return Clip(
            frames=square.copy(),
            actions=t[:, None].astype(np.float32),
            poses=np.zeros((len(t), 0), np.float32),
            fps=10.0,
            id=self.recordings[index].id,
        )

    def fingerprint(self) -> str:
        return "memory"
