"""What `farframe import-checkpoint PREFIX --out DIR` does: a run's folder out of a checkpoint."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch

from farframe.config import ModelConfig
from farframe.interop.tf_import import Imported, ImportOptions, read_networks
from farframe.models.discriminator import Discriminator
from farframe.modes import MODES, Mode
from farframe.presets import IMPORTED_RUN
from farframe.run import IMPORTED, RunConfig, write_config
from farframe.training import checkpoint
from farframe.training.checkpoint import Checkpoint


@dataclass(frozen=True)
class ImportReport:
    """What was imported, and where to."""

    config: RunConfig
    path: Path
    discriminator: bool
    skipped: tuple[str, ...]

    def lines(self) -> list[str]:
        """The report in words."""
        model = self.config.model
        nets = "encoder, predictor, decoder" + (" and discriminator" if self.discriminator else "")
        slots = [name for name in self.skipped if "/Adam" in name]
        rest = sorted(set(self.skipped) - set(slots))
        return [
            f"{nets}: frames of {model.frame_size} pixels, width {model.width}, encodings of "
            f"{model.enc_size}, actions of {model.action_dim}",
            f"left aside, as only training needs them: {len(slots)} slots of Adam"
            + "".join(f", {name}" for name in rest),
            f"wrote {self.path}",
        ]


def import_checkpoint(prefix: Path, out: Path, options: ImportOptions) -> ImportReport:
    """Turn a TensorFlow checkpoint of the original into a run in the folder ``out``.

    The run is one of EPEV with the original's default flags (EPEV-GAN if there is a discriminator):
    what a checkpoint can't tell, and what predicting and evaluating don't read. It has no data of
    its own and no optimizers, and so it is not resumed: trainings start from it
    (``train.start_from``).

    Raises:
        ValueError: if the checkpoint can't be used, or ``out`` holds something already. Nothing is
            written then.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"--out {out} is there already and not empty: choose another --out")
    found = read_networks(prefix, options)
    config = _run_of(found)
    parent = out.absolute().parent
    partial = parent / f".{out.name}.importing"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        write_config(partial, config, IMPORTED)
        saved = _save(partial, found, config)
        partial.rename(out)
    except OSError as error:
        raise ValueError(f"--out {out} can't be written: {error.strerror}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    path = out / saved.path.relative_to(partial)
    return ImportReport(config, path, found.discriminator is not None, found.skipped)


def _run_of(found: Imported) -> RunConfig:
    """The configuration of a run with these networks."""
    model, base = found.model.config, IMPORTED_RUN
    length = max(base.data.sequence_length, 2 * model.context_frames)
    mode = base.mode
    if found.discriminator is not None:
        modes = [kind() for kind in MODES.values()]
        training = [mode for mode in modes if _name_of_discriminator(mode, model)]
        if not training:
            raise ValueError("it has a discriminator, and no mode of this farframe trains one")
        mode = training[0]
    return replace(
        base,
        model=model,
        data=replace(base.data, sequence_length=length),
        train=replace(base.train, steps=max(found.step, 1)),
        mode=mode,
    )


def _name_of_discriminator(mode: Mode, model: ModelConfig) -> str | None:
    """What a mode calls its discriminator; None if it has none."""
    with torch.device("meta"):
        extra = mode.extra_networks(model)
    return next((name for name, net in extra.items() if isinstance(net, Discriminator)), None)


def _save(run: Path, found: Imported, config: RunConfig) -> Checkpoint:
    extra = {} if found.discriminator is None else found.discriminator.state_dict()
    scope = _name_of_discriminator(cast("Mode", config.mode), found.model.config)
    return checkpoint.save(
        run,
        found.step,
        weights=found.model.state_dict(),
        extra={f"{scope}.{name}": tensor for name, tensor in extra.items()},
        training={"step": found.step, "batches": 0, "optimizers": {}, "scaler": {}},
        keep=1,
    )
