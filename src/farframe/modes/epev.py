"""EPEV (EPVA): encodings that are easy to predict, and informative enough to draw the frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from farframe.config import ModelConfig, check
from farframe.evaluation.lpips import LPIPS
from farframe.losses import add_noise, l1, mse, scale_gradient, sigmoid_ramp
from farframe.modes.base import Group, Networks, TrainingMode, Update
from farframe.types import Batch


@dataclass(frozen=True, kw_only=True)
class EPEV(TrainingMode):
    """van_on_enc + alpha enc_pred -> all networks (the original's ``epva``)."""

    tag: ClassVar[str] = "epev"

    lr: float = 1e-5
    """Learning rate of all networks (the seed's --all_learning_rate)."""
    enc_pred_weight: float = 1e-2
    """Weight of the predictor's loss once the ramp is up (--enc_pred_loss_scale)."""
    enc_pred_delay: float = 0.0
    """Step at which the ramp is half way up (--enc_pred_loss_scale_delay)."""
    enc_pred_l1: bool = False
    """L1 instead of squared error between encodings (--enc_pred_use_l1_loss)."""
    enc_pred_relative: bool = False
    """Measure the predictor's errors against how much encodings change within their clips, so that
    encodings can't lower the loss by shrinking."""
    enc_pred_ramp: Literal["loss", "encoder"] = "loss"
    """What the ramp raises: the loss, as the original, or only its gradient into the encoder; then
    the predictor learns at full weight from the first step."""
    enc_noise_std: float = 0.0
    """Truncated normal noise on the encodings that the decoder draws (--enc_noise_stddev)."""
    decode_frames: int = 0
    """Frames of each clip, chosen at random, that the decoder draws in a step (0: all)."""
    mask_weight: float = 0.0
    """Weight of the mean of the masks: above 0, what has not changed is copied from the first frame
    and the mask shows what has."""
    lpips_weight: float = 0.0
    """Weight of LPIPS (AlexNet; `farframe weights get lpips`) of what is drawn: above 0, sharper
    frames for a little PSNR. Evaluate with lpips_vgg then, which nothing was fitted to."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            not (self.enc_pred_l1 and self.enc_pred_relative),
            "mode.enc_pred_l1",
            self.enc_pred_l1,
            "must be false with mode.enc_pred_relative, which measures squared errors",
        )

    @property
    def whole_batch(self) -> str:
        """Relative errors divide by variances over the batch."""
        return "mode.enc_pred_relative" if self.enc_pred_relative else ""

    def extra_networks(self, model_config: ModelConfig) -> dict[str, nn.Module]:
        """None that are trained; what the loss needs is looked for before anything is written."""
        if self.lpips_weight > 0:
            perceptual(torch.device("cpu"))
        return super().extra_networks(model_config)

    def groups(self, nets: Networks) -> dict[str, Group]:
        """One group: everything."""
        return {"all": Group((nets.model,), self.lr)}

    def updates(self, nets: Networks, batch: Batch, step: int) -> list[Update]:
        """Decoder on true encodings, predictor on encodings; no frame is drawn from predictions."""
        model, frames = nets.model, batch.images()
        enc = model.encode(frames)
        anchor = model.anchor(frames[:, 0], enc[:, 0])
        drawn_enc, target = enc[:, 1:], frames[:, 1:]
        if 0 < self.decode_frames < target.shape[1]:
            drawn_enc, target = choose_frames(self.decode_frames, drawn_enc, target)
        drawn = model.decode(anchor, add_noise(drawn_enc, self.enc_noise_std))
        alpha = self.enc_pred_weight * sigmoid_ramp(step, self.enc_pred_delay)
        losses = {
            "van_on_enc": mse(drawn.frames, target),
            "enc_pred": self._enc_pred(nets, enc, batch.actions, alpha),
        }
        weights: dict[str, float | Float[Tensor, ""]] = {
            "van_on_enc": 1.0,
            "enc_pred": 1.0 if self.enc_pred_ramp == "encoder" else alpha,
        }
        if self.mask_weight > 0:
            losses["mask"], weights["mask"] = drawn.masks.float().mean(), self.mask_weight
        if self.lpips_weight > 0:
            losses["lpips"] = perceptual(frames.device).loss(drawn.frames, target)
            weights["lpips"] = self.lpips_weight
        for name, (weight, loss) in self.losses_of_encodings(enc, batch).items():
            losses[name], weights[name] = loss, weight
        return [Update("all", losses, weights)]

    def losses_of_encodings(
        self, enc: Float[Tensor, "b t e"], batch: Batch
    ) -> dict[str, tuple[float, Float[Tensor, ""]]]:
        """Name -> weight and loss: what else encodings must be, in modes that build on this one."""
        del enc, batch
        return {}

    def _enc_pred(
        self, nets: Networks, enc: Tensor, actions: Tensor, alpha: float
    ) -> Float[Tensor, ""]:
        if self.enc_pred_ramp == "encoder":
            enc = scale_gradient(enc, alpha)
        kind = "relative" if self.enc_pred_relative else "l1" if self.enc_pred_l1 else "mse"
        return rollout_error(nets, enc, actions, kind)


@lru_cache(maxsize=4)
def perceptual(device: torch.device) -> LPIPS:
    """The published network, read once a device.

    Raises:
        ValueError: if its weights are not in the cache.
    """
    return LPIPS.load("alex", device)


def choose_frames(
    count: int, enc: Float[Tensor, "b t e"], frames: Float[Tensor, "b t c h w"]
) -> tuple[Float[Tensor, "b n e"], Float[Tensor, "b n c h w"]]:
    """``count`` frames of each clip, drawn without repetition, with their encodings."""
    b, t = enc.shape[:2]
    times = torch.rand(b, t, device=enc.device).topk(count, 1).indices
    clip = torch.arange(b, device=enc.device)[:, None]
    return enc[clip, times], frames[clip, times]


def rollout_error(
    nets: Networks,
    enc: Float[Tensor, "b t e"],
    actions: Float[Tensor, "b s a"],
    kind: Literal["mse", "l1", "relative"],
) -> Float[Tensor, ""]:
    """How far encodings predicted from those of the context are from the true ones."""
    model = nets.model
    context = model.config.context_frames
    horizon = enc.shape[1] - context
    enc_pred = model.rollout(enc, actions, context_frames=context, horizon=horizon).enc_pred
    if kind == "relative":
        return relative_error(enc_pred, enc, nets.mean_over_processes)
    return (l1 if kind == "l1" else mse)(enc[:, 1:], enc_pred)


def relative_error(
    enc_pred: Float[Tensor, "b s e"],
    enc: Float[Tensor, "b t e"],
    mean_over_processes: Callable[[Tensor], Tensor] = lambda x: x,
) -> Float[Tensor, ""]:
    """Squared errors as shares of each number's variance within clips, averaged.

    A fiftieth of the variance over all clips is added below: numbers that only tell clips apart
    would divide by nothing. Both variances are those of the whole batch, whatever number of
    processes share it. In float32 also under autocast, as ``losses.mse``.
    """
    enc_pred, enc = enc_pred.float(), enc.float()
    within = mean_over_processes((enc - enc.mean(1, keepdim=True)).square().mean((0, 1)))
    mean = enc.mean((0, 1))
    between = (mean - mean_over_processes(mean)).square()  # of the processes: 0 if there is one
    overall = mean_over_processes(enc.var((0, 1), correction=0) + between)
    errors = (enc_pred - enc[:, 1:]).square().mean((0, 1))
    return (errors / (within + 0.02 * overall + 1e-4)).mean()
