"""What ``farframe study ablations`` can be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from farframe.cli_words import unknown
from farframe.config import check
from farframe.evaluation.options import EvaluateOptions, More
from farframe.presets_ablations import BASE, Ablation


@dataclass(frozen=True, kw_only=True)
class AblationsOptions:
    """Which ablations, and how they are measured."""

    only: tuple[str, ...] = ()
    """Names of ablations to train and show beside base (none: all)."""
    horizon: int = 50
    """Frames to predict after the base's context: the same frames of the same clips for all."""
    clips: int = 64
    """Test clips to measure, spread evenly."""
    metrics: tuple[More, ...] = ()
    """Beside PSNR, SSIM, MSE, MAE and sharpness: lpips, lpips_vgg, fvd (`farframe weights get`)."""
    strips: int = 3
    """Clips in the picture."""
    seed: int = 0
    """Seed of the bootstrap, and of a stochastic model's noise."""
    batch_size: int = 8
    """Clips predicted at once."""

    def __post_init__(self) -> None:
        for name in ("horizon", "clips", "strips", "batch_size"):
            value = getattr(self, name)
            check(value >= 1, f"--{name.replace('_', '-')}", value, "must be at least 1")
        check(self.seed >= 0, "--seed", self.seed, "must be at least 0")

    def chosen(self, known: Mapping[str, Ablation]) -> list[str]:
        """Names of what is to be trained, in their order: the base, and those asked for.

        Raises:
            ValueError: for a name that there isn't, or a horizon that leaves nothing to compare.
        """
        for name in self.only:
            if name not in known:
                raise ValueError(f"--only: {unknown('ablation', name, list(known))}")
        names = [n for n in known if n == BASE or n in self.only or not self.only]
        for name in names:
            more = self.later(known, name)
            check(
                self.horizon > more,
                "--horizon",
                self.horizon,
                f"must be above {more}: {name} is given {more} frames more than {BASE}",
            )
        return names

    def later(self, known: Mapping[str, Ablation], name: str) -> int:
        """How many frames more than the base an ablation is given."""
        given = (known[n].config.model.context_frames for n in (name, BASE))
        return next(given) - next(given)

    def measuring(self, later: int) -> EvaluateOptions:
        """What `farframe evaluate` is asked: windows of the same length, so the same ones."""
        return EvaluateOptions(
            horizon=self.horizon - later,
            clips=self.clips,
            metrics=self.metrics,
            seed=self.seed,
            batch_size=self.batch_size,
        )
