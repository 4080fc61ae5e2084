"""Batch number i as a pure function: which windows it holds, and reading them.

The global stream of samples k = 0, 1, 2, ... reads window ``shuffled(k % n, epoch=k // n)`` of n.
Batch i of rank r holds samples ``i * B + r * B / W`` onwards, so W processes see together what one
would, epochs follow each other without a seam, and going on at batch i needs no saved state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.utils.data import Dataset

from farframe.data.clips import ClipWindows
from farframe.data.shuffle import shuffled
from farframe.data.source import DataError
from farframe.types import Batch, Clip

BAD_IN_A_ROW = 100  # unreadable windows tried for one sample before giving up


def collate(clips: Sequence[Clip]) -> Batch:
    """Stack clips of equal length; frames stay uint8, actions and poses become float32."""
    return Batch(
        frames=torch.as_tensor(np.stack([c.frames for c in clips])),
        actions=torch.as_tensor(np.stack([c.actions for c in clips]), dtype=torch.float32),
        poses=torch.as_tensor(np.stack([c.poses for c in clips]), dtype=torch.float32),
        ids=tuple(c.id for c in clips),
    )


@dataclass(frozen=True, kw_only=True)
class Read:
    """What reading one batch came to: a batch or an error.

    Errors of the data travel as values, or torch would put a worker's traceback into the message.
    ``replaced`` counts samples that another window stands in for, ``bad`` has a file and a reason
    for each file that failed.
    """

    batch: Batch | None = None
    error: str = ""
    replaced: int = 0
    bad: tuple[tuple[str, str], ...] = ()

    def pin_memory(self) -> Read:
        """The same with the batch in page-locked memory; torch's DataLoader calls it, too."""
        return self if self.batch is None else replace(self, batch=self.batch.pin_memory())


@dataclass(frozen=True, kw_only=True)
class BatchReader(Dataset[Read]):
    """Reads batch number i of one rank. It has no state: any process may do it, in any order."""

    windows: ClipWindows
    batch_size: int
    seed: int
    rank: int
    world_size: int
    strict: bool

    def __getitem__(self, index: int) -> Read:
        clips: list[Clip] = []
        replaced, bad = 0, dict[str, str]()
        for window in self.chosen(index):
            try:
                clip, failures = self._read(window)
            except DataError as error:
                return Read(error=str(error))
            clips.append(clip)
            replaced += bool(failures)
            bad |= failures
        return Read(batch=collate(clips), replaced=replaced, bad=tuple(bad.items()))

    def chosen(self, index: int) -> list[int]:
        """The windows of batch ``index``."""
        n, share = len(self.windows), self.batch_size // self.world_size
        first = index * self.batch_size + self.rank * share
        chosen: list[int] = []
        while len(chosen) < share:
            epoch, position = divmod(first + len(chosen), n)
            stop = min(position + share - len(chosen), n)
            positions = np.arange(position, stop, dtype=np.int64)
            chosen += shuffled(positions, n, seed=self.seed, epoch=epoch).tolist()
        return chosen

    def _read(self, window: int) -> tuple[Clip, dict[str, str]]:
        """Window ``window``, or its stand-in, and why what was tried before it failed.

        Stand-ins are drawn from all windows, each window has its own: a neighbour would mostly
        belong to the same broken file, and a fixed distance would put one other file in its place.
        """
        n = len(self.windows)
        failures: dict[str, str] = {}
        index = window
        for attempt in range(BAD_IN_A_ROW):
            try:
                return self.windows[index], failures
            except DataError as error:
                if self.strict:
                    raise
                failures.setdefault(self.windows.name(index), str(error))
            index = int(shuffled(np.array([window]), n, seed=attempt, epoch=-1)[0])
        reason = next(iter(failures.values()))
        raise DataError(
            f"{reason}; the first of {BAD_IN_A_ROW} clips in a row that can't be read: repair or "
            "remove the bad files"
        )
