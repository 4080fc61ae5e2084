"""Trainings whose numbers can be compared between one process and several.

Noise is off (every process draws its own), and what remains of chance is a function of the data.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from tiny_run import tiny
from torch import Tensor

from farframe.modes import MODES
from farframe.run import RunConfig
from farframe.types import Batch


def quiet(tag: str, norm: str = "none", mode: Mapping[str, Any] = {}, **train: Any) -> RunConfig:
    """Four clips a step, without noise; in a GAN every other step is the discriminator's."""
    config = tiny(tag, data={"batch_size": 4}, **train)
    still = {"enc_keep_prob": 1.0, "van_keep_prob": 1.0, "pred_noise_std": 0.0}
    there = {f.name for f in fields(config.mode)}
    often = {"discrim_steps_per_pred": 1} if "discrim_steps_per_pred" in there else {}
    return replace(
        config,
        model=replace(config.model, **still, enc_norm=norm),
        mode=replace(config.mode, **often, **mode),
    )


@contextmanager
def exactly() -> Generator[None, None, None]:
    """Compute in double precision, and let the gradient penalty look at the middle.

    What is left between one process and two is then what the mathematics says: rounding is 1e-16.
    """

    def middle(self: Any, real: Any, fake: Any) -> Any:
        return tuple((r.float() + f.float()) / 2 for r, f in zip(real, fake, strict=True))

    def wide(self: Batch, device: torch.device) -> Batch:
        return replace(self, actions=self.actions.double(), poses=self.poses.double())

    torch.set_default_dtype(torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, "float", Tensor.double)
        patch.setattr(MODES["epev_gan"], "between", middle)
        patch.setattr(Batch, "to", wide)
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float32)
