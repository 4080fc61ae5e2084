"""What ``farframe predict`` can be asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from farframe.config import check


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """What to predict, and from which part of the input."""

    horizon: int
    """Frames to predict after the context."""
    every: int = 1
    """Draw every n-th of them only."""
    at: tuple[int, ...] = ()
    """Draw only these, counted from 1 after the context: 1000 is the 1,000th predicted frame."""
    start: int = 0
    """Frame of the input, counted from 0 (and after --fps), at which the context starts."""
    context: int = 0
    """Frames given to the model (0: as many as it was trained with)."""
    fps: float = 0.0
    """Resample a video to this rate first (0: its own). For pictures, TFRecords and HDF5 it only
    sets how fast the result plays (0: what the file says, or 10)."""
    crop: str = "center"
    """Videos, pictures, HDF5, Google's push: center, stretch, or X,Y,SIDE in pixels."""
    camera: str = ""
    """Data with several cameras: which one."""
    actions: Path | None = None
    """CSV, .npy or .npz with one action for each frame of the input and on into the future
    (default: those of the input; for a video the table beside it, for a folder of pictures
    actions.csv, .npy or .npz in it)."""
    samples: int = 1
    """Futures to draw from a stochastic model."""
    int8: bool = False
    """Draw in 8 bits: several times faster on CPUs that can, nearly as good."""
    npz: bool = False
    """Also write the numbers: frames, masks, encodings and times."""
    clip: int = 0
    """Number of the record in a TFRecord file, of the demonstration in an HDF5 file, or of the
    episode in a LeRobot folder."""
    overwrite: bool = False
    """Replace an earlier prediction in the same folder."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            check(getattr(self, name) >= least, f"--{name}", getattr(self, name), _at_least(least))
        check(math.isfinite(self.fps), "--fps", self.fps, "must be a finite number")
        last = self.horizon
        check(self.every <= last, "--every", self.every, f"must lie in 1 to {last}, the horizon")
        wrong = [frame for frame in self.at if not 1 <= frame <= last]
        rule = f"predicted frames are numbered 1 to {last}, the horizon; raise --horizon for later"
        check(not wrong, "--at", ",".join(map(str, wrong)), rule)
        check(not self.at or self.every == 1, "--every", self.every, "excludes --at: give one")


_LEAST = {"horizon": 1, "every": 1, "start": 0, "context": 0, "fps": 0, "samples": 1, "clip": 0}


def _at_least(least: int) -> str:
    return f"must be at least {least}"
