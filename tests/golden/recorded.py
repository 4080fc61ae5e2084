"""Arrays recorded from the original program (TensorFlow, width 4), and our networks made from them.

``<mode>.npz`` holds inputs, variables, outputs, losses, gradient norms and the state after some
training steps; ``<mode>.json`` the flags. Keys are explained in README.md beside this file.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import torch

from farframe.config import ModelConfig
from farframe.interop.tf_checkpoint import load_variables
from farframe.models.discriminator import Discriminator
from farframe.models.hierarchical import HierarchicalModel
from farframe.types import Batch

HERE = Path(__file__).parent


@cache
def arrays(name: str) -> dict[str, np.ndarray]:
    """Everything recorded for a mode; what it does not repeat comes from ``epev``."""
    recorded = dict(np.load(HERE / f"{name}.npz"))
    if "in/images" not in recorded:
        for key, value in arrays("epev").items():
            if key.startswith(("in/", "var/")):
                recorded[key] = value
    return recorded


@cache
def flags(name: str) -> dict[str, object]:
    """The original's flags of the recording."""
    return json.loads((HERE / f"{name}.json").read_text())


def networks(name: str) -> tuple[HierarchicalModel, Discriminator | None]:
    """Our networks with the recorded weights."""
    settings = flags(name)
    config = ModelConfig(
        width=4,
        enc_size=int(str(settings["enc_size"])),
        enc_norm="l2" if settings.get("enc_pred_use_l2norm") else "none",
    )
    values = {key[4:]: value for key, value in arrays(name).items() if key.startswith("var/")}
    has_discriminator = any(key.startswith("Discriminator/") for key in values)
    model = HierarchicalModel(config)
    discriminator = Discriminator(config) if has_discriminator else None
    load_variables(values, model, discriminator)
    return model, discriminator


def batch(name: str) -> Batch:
    """The recorded batch: 2 clips of 6 frames, 2 of them context."""
    recorded = arrays(name)
    return Batch(
        frames=torch.from_numpy(recorded["in/images"]).permute(0, 1, 4, 2, 3).contiguous(),
        actions=torch.from_numpy(recorded["in/actions"]),
        poses=torch.from_numpy(recorded["in/poses"]),
        ids=("0", "1"),
    )


def relative_error(ours: torch.Tensor, recorded: np.ndarray) -> float:
    """Largest deviation relative to the largest recorded value; frames may be channel-first."""
    values = ours.detach().double().numpy()
    if values.ndim == 5:
        values = values.transpose(0, 1, 3, 4, 2)
    assert values.shape == recorded.shape
    return float(np.abs(values - recorded).max() / np.abs(recorded).max())
