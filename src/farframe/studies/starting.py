"""What studies train: a preset or another run's configuration, in stretches that can be resumed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from farframe.cli_words import unknown
from farframe.config import check
from farframe.data.source import actions_in
from farframe.presets import PRESETS
from farframe.run import RunConfig, load_config
from farframe.training.checkpoint import Checkpoint
from farframe.training.loop import train
from farframe.training.progress import Reporter


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What a study trains."""

    preset: str = "shapes-tiny"
    """A preset, or the folder of a run whose configuration is taken."""
    data: str = ""
    """What to train on (empty: what the preset says)."""
    steps: int = 0
    """Iterations (0: as many as the preset says)."""

    def __post_init__(self) -> None:
        check(self.steps >= 0, "--steps", self.steps, "must be at least 0")

    def config(self, device: str) -> RunConfig:
        """The run to be trained.

        Raises:
            ValueError: if there is no such preset or run, or it names no data.
            DataError: if the data can't be read.
        """
        named = self.preset in PRESETS
        if not named and not Path(self.preset).is_dir():
            raise ValueError(f"{unknown('preset', self.preset, PRESETS)}; a run's folder will do")
        config = PRESETS[self.preset].config if named else load_config(self.preset)
        if self.data:
            config = replace(config, data=replace(config.data, path=self.data, kind="auto"))
        if not config.data.path:
            raise ValueError(f"preset {self.preset} has no data of its own: name some with --data")
        if named:  # as in `farframe train`
            model = replace(config.model, action_dim=actions_in(config.data))
            config = replace(config, model=model)
        steps = self.steps or config.train.steps
        return replace(config, train=replace(config.train, steps=steps, device=device))


def trained(config: RunConfig, out: Path, reporter: Reporter) -> Checkpoint:
    """Train in ``out`` to the last step, going on from where an earlier call stopped.

    Raises:
        ValueError: if ``out`` holds another run.
        Interrupted, TrainingError: as ``training.loop.train``.
    """
    return train(config, out, resume=True, reporter=reporter)
