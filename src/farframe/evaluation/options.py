"""What `farframe evaluate` can be asked for, and the standard protocols by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from farframe.config import check
from farframe.data.splits import Split

More = Literal["lpips", "lpips_vgg", "fvd"]


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What to measure, and on what."""

    data: str = ""
    """Path of the data (empty: what the run was trained on)."""
    split: Split | Literal["all"] = "test"
    """Part of the data; all for data that was no part of the training."""
    context: int = 0
    """Frames given (0: as many as the model was trained with; more are allowed)."""
    horizon: int = 20
    """Frames to predict after the context."""
    stride: int = 0
    """Take every n-th frame (0: as the run did)."""
    clips: int = 64
    """Clips to measure, spread evenly over the split."""
    metrics: tuple[More, ...] = ()
    """Beside PSNR, SSIM, MSE and MAE: lpips (AlexNet), lpips_vgg, fvd (`farframe weights get`)."""
    samples: int = 1
    """Futures of each clip that a stochastic model draws: best, mean and worst are reported."""
    seed: int = 0
    """Seed of a stochastic model's noise and of the bootstrap."""
    fvd_frames: int = 0
    """FVD of consecutive pieces of so many frames (0: of the whole horizon at once)."""
    fvd_context: bool = False
    """FVD compares the given frames too, as SRVP does: always a smaller number."""
    videos: int = 0
    """Videos to write, of the first clips: truth, prediction, mask and error side by side."""
    batch_size: int = 8
    """Clips predicted at once."""

    @staticmethod
    def of_same_clips(options: object) -> EvaluateOptions:
        """Those that choose and predict the clips that other options do, by fields of these names.

        Raises:
            ValueError: for a value out of range.
        """
        names = ("data", "split", "context", "horizon", "stride", "clips", "seed", "batch_size")
        return EvaluateOptions(**{name: getattr(options, name) for name in names})

    def __post_init__(self) -> None:
        least = {"horizon": 1, "clips": 1, "videos": 0, "batch_size": 1, "samples": 1}
        least |= {"context": 0, "stride": 0, "seed": 0, "fvd_frames": 0}
        for name, bound in least.items():
            value, flag = getattr(self, name), name.replace("_", "-")
            check(value >= bound, f"--{flag}", value, f"must be at least {bound}")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A way of measuring that others use too."""

    summary: str
    options: EvaluateOptions
    fps: float = 0.0
    """Frames per second that it means (0: any)."""
    world: str = ""
    """The generated world that it is about, and nothing else."""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields of the data's configuration that it sets."""

    def changed(self, options: EvaluateOptions) -> dict[str, Any]:
        """Options that differ from the protocol's, but for those that don't change a number."""
        free = {"data", "videos", "batch_size", "metrics"}
        names = [f.name for f in fields(options) if f.name not in free]
        mine = self.options
        return {n: getattr(options, n) for n in names if getattr(options, n) != getattr(mine, n)}


_SRVP = EvaluateOptions(samples=100, metrics=("lpips", "fvd"), fvd_context=True)
_ORIGINAL = EvaluateOptions(clips=256)

PROTOCOLS: Mapping[str, Protocol] = {
    "robot": Protocol(
        summary="the original's Robot Push: 2 frames given, 18 predicted",
        options=replace(_ORIGINAL, context=2, horizon=18),
    ),
    "human": Protocol(
        summary="the original's Human3.6M: 5 given, 27 predicted, every second stored frame",
        options=replace(_ORIGINAL, context=5, horizon=27, stride=2),
        fps=6.25,
    ),
    "human-long": Protocol(
        summary="the paper's 20 seconds of Human3.6M: 5 given, 122 predicted",
        options=replace(_ORIGINAL, context=5, horizon=122, stride=2, fvd_frames=32),
        fps=6.25,
    ),
    "srvp-human36m": Protocol(
        summary="SRVP's Human3.6M: 8 given, 45 predicted, 1,000 clips, best of 100 samples",
        options=replace(_SRVP, context=8, horizon=45, clips=1000, stride=8),
        fps=6.25,
        data={"split": "srvp"},
    ),
    "bair": Protocol(
        summary="BAIR as SVG and SRVP: 2 given, 28 predicted, 256 clips, best of 100 samples",
        options=replace(_SRVP, context=2, horizon=28, clips=256),
    ),
    "kth": Protocol(
        summary="KTH as SVG and SRVP: 10 given, 30 predicted, 1,000 clips, best of 100 samples",
        options=replace(_SRVP, context=10, horizon=30, clips=1000),
        fps=25.0,
    ),
    "shapes-1000": Protocol(
        summary="bouncing shapes: 5 given, 1,000 predicted (the paper's Table 1)",
        options=replace(_ORIGINAL, context=5, horizon=1000),
        world="shapes",
        data={"clip_length": 1024},
    ),
}
"""Every standard protocol by its name."""
