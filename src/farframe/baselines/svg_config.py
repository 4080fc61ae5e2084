"""Sizes and variants of the baseline SVG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from farframe.config import FRAME_SIZES, DataConfig, TrainConfig, check, check_least


@dataclass(frozen=True, kw_only=True)
class SVGConfig:
    """Stochastic video generation with a learned prior, SVG-LP (Denton and Fergus, ICML 2018).

    The defaults of the authors' program: width 64, enc_size 128, units 256 in 2 layers,
    noise_size 10.
    """

    frame_size: int = 64
    """Height and width of frames in pixels: 32, 64, 96 or 128."""
    width: int = 16
    """Channels of the first convolution; the others have 2, 4 and 8 times as many."""
    enc_size: int = 128
    """Numbers in an encoding (the authors' g_dim)."""
    units: int = 128
    """Units of each LSTM (their rnn_size)."""
    pred_layers: int = 2
    """Layers of the LSTM that predicts encodings; prior and posterior have one."""
    noise_size: int = 16
    """Numbers drawn at random for each frame (their z_dim); 0: the deterministic variant, without
    prior, posterior and KL."""
    action_dim: int = 0
    """Numbers in an action, read by all LSTMs (0: none)."""
    context_frames: int = 5
    """Frames given; predicted frames are fed back after them."""
    skips: Literal["context", "last"] = "context"
    """Where the decoder's skip connections come from: the last given frame, or the frame before,
    true or predicted (their last_frame_skip)."""
    norm: Literal["batch", "group"] = "batch"
    """Norm after each convolution: over the batch, as theirs, or over 8 groups of channels."""

    def __post_init__(self) -> None:
        check(
            self.frame_size in FRAME_SIZES,
            "model.frame_size",
            self.frame_size,
            f"must be one of {', '.join(map(str, FRAME_SIZES))}",
        )
        check_least(self, "model", 1, "width", "enc_size", "units", "pred_layers", "context_frames")
        check_least(self, "model", 0, "noise_size", "action_dim")

    def check_run(self, data: DataConfig, train: TrainConfig) -> None:
        """Refuse data and training that don't fit these networks.

        Raises:
            ValueError: naming the field that doesn't fit.
        """
        del data
        held, random = "whose activations are all held", "which starts from random weights"
        for name, unset, said, why in (
            ("memory_limit", "off", "off", held),
            ("activation_checkpointing", 0, "0", held),
            ("start_from", "", "empty", random),
            ("encoder_weights", "", "empty", random),
        ):
            value, flag = getattr(train, name), f"--train.{name.replace('_', '-')}"
            rule = f"must be {said} for the baseline svg, {why}: leave out {flag}"
            check(value == unset, f"train.{name}", value, rule)

    @property
    def whole_batch(self) -> str:
        """The field for which a batch can't be taken in micro-batches; empty if it can."""
        return "model.norm 'batch'" if self.norm == "batch" else ""

    @property
    def stochastic(self) -> bool:
        """Whether two predictions of one clip differ."""
        return self.noise_size > 0
