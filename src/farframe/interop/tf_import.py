"""A TensorFlow checkpoint of the original as a model of ours, its sizes read from its shapes.

Every variable must be one of the networks', or one that only training needs: Adam's slots, and
scalars that count or scale. What shapes don't tell (whether encodings are normalised, how strong
noise is) the caller says.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from farframe.config import ModelConfig
from farframe.interop.tf_checkpoint import load_variables
from farframe.interop.tf_names import open_checkpoint
from farframe.models.discriminator import Discriminator
from farframe.models.hierarchical import HierarchicalModel
from farframe.models.predictor import NOISE_SIZE

_SLOT = re.compile(r"(?P<variable>.+)/Adam(_\d+)?")
_COUNTER = re.compile(r"(.*/)?(global_step|beta[12]_power(_\d+)?|Variable(_\d+)?)")
_ENCODER, _PREDICTOR = "timestep/encoder", "timestep/predict"


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What the variables of a checkpoint don't tell of its networks: the flags it was made with."""

    context_frames: int = 2
    """Frames given (the original's --context_frames)."""
    enc_norm: Literal["none", "l2"] = "none"
    """l2: encodings are normalised (--enc_pred_use_l2norm)."""
    encoder_grey_in: bool = False
    """Frames are made grey before they are encoded (--encoder_grey_in)."""
    pred_noise_std: float = 0.0
    """Standard deviation of the predictor's noise inputs (--pred_noise_std), where it has them."""
    lstm_state_noise_stddev: float = 0.0
    """Noise on recurrent state (--lstm_state_noise_stddev)."""


@dataclass(frozen=True)
class Imported:
    """The networks of a checkpoint, and what of it was left aside."""

    model: HierarchicalModel
    discriminator: Discriminator | None
    step: int
    skipped: tuple[str, ...]


def read_networks(prefix: Path, options: ImportOptions) -> Imported:
    """The networks of a checkpoint of the original.

    Raises:
        ValueError: if it can't be read, or its variables are not those of the original: one line
            that names them.
    """
    checkpoint = open_checkpoint(prefix)
    skipped = {name for name in checkpoint if _is_training(name, checkpoint)}
    arrays = {name: checkpoint[name] for name in checkpoint if name not in skipped}
    try:
        config = _config(arrays, options)
        with torch.random.fork_rng(devices=[]):  # drawing weights that are then overwritten
            model = HierarchicalModel(config)
            has_one = any(name.startswith("Discriminator/") for name in arrays)
            discriminator = Discriminator(config) if has_one else None
        load_variables(arrays, model, discriminator)
    except ValueError as error:
        raise ValueError(f"{prefix}: {error}") from None
    step = int(checkpoint["global_step"]) if "global_step" in skipped else 0
    return Imported(model.eval(), discriminator, max(step, 0), tuple(sorted(skipped)))


def _is_training(name: str, checkpoint: Mapping[str, np.ndarray]) -> bool:
    """Whether only training needs the variable: an Adam slot of another one, or a scalar of its."""
    if match := _SLOT.fullmatch(name):
        words = match["variable"].split("/")  # slots may stand in the optimizer's own scope
        return any("/".join(words[i:]) in checkpoint for i in range(len(words)))
    return bool(_COUNTER.fullmatch(name)) and checkpoint[name].shape == ()


def _config(arrays: Mapping[str, np.ndarray], options: ImportOptions) -> ModelConfig:
    """The sizes that the shapes of the variables tell.

    Raises:
        ValueError: if a variable that tells a size is missing, or sizes are impossible.
    """

    def shape(name: str, axes: int) -> tuple[int, ...]:
        if name not in arrays or arrays[name].ndim != axes:
            raise ValueError(
                f"no checkpoint of the original: it has no {name} with {axes} axes (it has "
                f"{len(arrays)} variables: {', '.join(sorted(arrays)[:3])}, ...)"
            )
        return arrays[name].shape

    width = shape(f"{_ENCODER}/vgg_16/conv1/conv1_1/weights", 4)[3]
    features, enc_size = shape(f"{_ENCODER}/dense/kernel", 2)
    inputs, units = shape(f"{_PREDICTOR}/dense/kernel", 2)
    noisy = f"{_PREDICTOR}/dense_2/kernel" in arrays
    if noisy and shape(f"{_PREDICTOR}/dense_1/kernel", 2)[0] != NOISE_SIZE:
        raise ValueError(f"{_PREDICTOR}/dense_1/kernel does not read {NOISE_SIZE} noise inputs")
    if noisy != (options.pred_noise_std > 0):
        way = "give its strength with --pred-noise-std" if noisy else "leave out --pred-noise-std"
        raise ValueError(f"its predictor has {'' if noisy else 'no '}noise inputs: {way}")
    prefix = f"{_PREDICTOR}/LSTMCell"
    cells = sum(name.startswith(prefix) and name.endswith("/B") for name in arrays)
    return ModelConfig(
        frame_size=32 * math.isqrt(features // (8 * width)) if width else 0,
        width=width,
        enc_size=enc_size,
        action_dim=inputs - enc_size,
        context_frames=options.context_frames,
        encoder_grey_in=options.encoder_grey_in,
        enc_norm=options.enc_norm,
        pred_cells=cells,
        pred_units=0 if units == inputs else units,
        pred_noise_std=options.pred_noise_std,
        lstm_state_noise_stddev=options.lstm_state_noise_stddev,
    )
