"""EPEV-GAN: EPEV whose predicted sequences of encodings must also look like real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from farframe.config import ModelConfig, check
from farframe.losses import add_noise, l1, mse
from farframe.models.cells import full_precision
from farframe.models.discriminator import Discriminator
from farframe.models.hierarchical import HierarchicalModel
from farframe.modes.base import Group, Networks, TrainingMode, Update
from farframe.types import Batch

PENALTY_WEIGHT = 10.0  # of the gradient penalty (WGAN-GP)
REAL_LABEL = 0.75  # one-sided label smoothing of 0.25

Sequence = tuple[Tensor, Tensor, Tensor]
"""What the discriminator sees of clips: encodings (b, t, e) and the decoder's L2 and L4 of them."""


@dataclass(frozen=True, kw_only=True)
class EPEVGAN(TrainingMode):
    """A discriminator tells true from predicted sequences of encodings (``epva_gan``).

    Iterations alternate: one trains encoder, predictor and decoder, the next
    ``discrim_steps_per_pred`` the discriminator.
    """

    tag: ClassVar[str] = "epev_gan"

    pred_lr: float = 3e-4
    """Learning rate of predictor and encoder (the seed's --pred_learning_rate)."""
    van_lr: float = 3e-5
    """Learning rate of decoder and encoder (--van_learning_rate)."""
    discrim_lr: float = 1e-2
    """Learning rate of the discriminator (--discrim_learning_rate)."""
    enc_pred_weight: float = 1e-2
    """Weight of the predictor's error beside the verdict (--enc_pred_loss_scale)."""
    enc_pred_l1: bool = False
    """L1 instead of squared error between encodings (--enc_pred_use_l1_loss)."""
    enc_noise_std: float = 0.0
    """Truncated normal noise on the encodings that the decoder draws (--enc_noise_stddev)."""
    discrim_steps_per_pred: int = 5
    """Iterations of the discriminator for each of the others (--discrim_steps_per_pred)."""
    discrim_context: int = 1
    """True frames that a predicted sequence starts with (--discrim_context)."""
    use_wgan: bool = True
    """Wasserstein distance with gradient penalty; else cross-entropy (--use_wgan)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self.discrim_context >= 1,
            "mode.discrim_context",
            self.discrim_context,
            "must be 1 or more: the first frame is never predicted",
        )
        check(
            self.discrim_steps_per_pred >= 1,
            "mode.discrim_steps_per_pred",
            self.discrim_steps_per_pred,
            "must be 1 or more, or the discriminator never learns",
        )

    @property
    def turns(self) -> int:
        """One iteration for what is predicted and drawn, the others for the discriminator."""
        return self.discrim_steps_per_pred + 1

    def check_clips(self, sequence_length: int) -> None:
        """The discriminator must see something predicted."""
        check(
            self.discrim_context < sequence_length,
            "mode.discrim_context",
            self.discrim_context,
            f"must be below data.sequence_length ({sequence_length}), or nothing predicted is left "
            "to tell from what is true: lower --mode.discrim-context",
        )

    def groups(self, nets: Networks) -> dict[str, Group]:
        """Encoder and decoder, encoder and predictor, discriminator (its gradients stay whole)."""
        model = nets.model
        return {
            "decoder": Group((model.encoder, model.decoder), self.van_lr),
            "predictor": Group((model.encoder, model.predictor), self.pred_lr),
            "discriminator": Group((nets.extra["discriminator"],), self.discrim_lr, clip=False),
        }

    def extra_networks(self, model_config: ModelConfig) -> dict[str, nn.Module]:
        """The discriminator."""
        return {"discriminator": Discriminator(model_config)}

    def updates(self, nets: Networks, batch: Batch, step: int) -> list[Update]:
        """Whose turn it is follows from ``step``; the first is not the discriminator's."""
        model, frames = nets.model, batch.images()
        discriminating = step % self.turns != 0
        with torch.set_grad_enabled(torch.is_grad_enabled() and not discriminating):
            enc = model.encode(frames)
            noisy = add_noise(enc, self.enc_noise_std)
            context = model.config.context_frames
            horizon = enc.shape[1] - context
            rollout = model.rollout(enc, batch.actions, context_frames=context, horizon=horizon)
            real, fake = self._sequences(model, noisy, rollout.enc_pred)
        if discriminating:
            loss = self.gan_disc(nets, real, fake)
            return [Update("discriminator", {"gan_disc": loss}, {"gan_disc": 1.0})]
        drawn = model.decode(model.anchor(frames[:, 0], enc[:, 0]), noisy[:, 1:])
        foreseen = {
            "enc_pred": (l1 if self.enc_pred_l1 else mse)(enc[:, 1:], rollout.enc_pred),
            "gan_gen": self.gan_gen(nets, real, fake),
        }
        return [
            Update(
                "decoder", {"van_on_enc": mse(drawn.frames, frames[:, 1:])}, {"van_on_enc": 1.0}
            ),
            Update("predictor", foreseen, {"enc_pred": self.enc_pred_weight, "gan_gen": 1.0}),
        ]

    def gan_gen(self, nets: Networks, real: Sequence, fake: Sequence) -> Float[Tensor, ""]:
        """What encoder and predictor lower: how well the discriminator tells them apart."""
        on_real, on_fake = _score(nets, real), _score(nets, fake)
        if self.use_wgan:
            return on_real.mean() - on_fake.mean()
        return -_cross_entropy(on_real, on_fake)

    def gan_disc(self, nets: Networks, real: Sequence, fake: Sequence) -> Float[Tensor, ""]:
        """What the discriminator lowers."""
        on_real, on_fake = _score(nets, real), _score(nets, fake)
        if not self.use_wgan:
            return _cross_entropy(on_real, on_fake)
        between = self.between(real, fake)
        return on_fake.mean() - on_real.mean() + PENALTY_WEIGHT * _penalty(nets, between)

    def between(self, real: Sequence, fake: Sequence) -> Sequence:
        """Sequences on the lines from real to fake ones, at a random place for each clip."""
        share = torch.rand(len(real[0]), device=real[0].device)
        low, mid, high = (
            f.float().lerp(r.float(), share.view(-1, *(1,) * (r.ndim - 1)))
            for r, f in zip(real, fake, strict=True)
        )
        return low, mid, high

    def _sequences(
        self, model: HierarchicalModel, enc: Tensor, enc_pred: Tensor
    ) -> tuple[Sequence, Sequence]:
        """The true sequence, and the predicted one after ``discrim_context`` true frames."""
        given = self.discrim_context
        predicted = torch.cat((enc[:, :given], enc_pred[:, given - 1 :]), 1)
        return _seen(model, enc), _seen(model, predicted)


def _seen(model: HierarchicalModel, enc: Float[Tensor, "b t e"]) -> Sequence:
    low, high = model.decoder.enc_encoder(enc.flatten(0, 1))
    return enc, low.unflatten(0, enc.shape[:2]), high.unflatten(0, enc.shape[:2])


def _score(nets: Networks, sequence: Sequence) -> Float[Tensor, "b 1"]:
    """The discriminator's verdict, in float32 also under autocast.

    Its norms stretch nearly constant vectors: in half precision their gradients overflow, and it
    would never take a step until loss scaling has gone down to nothing.
    """
    enc, low, high = (part.float() for part in sequence)
    with full_precision(enc):
        return nets.extra["discriminator"](enc, (low, high))


def _cross_entropy(on_real: Tensor, on_fake: Tensor) -> Float[Tensor, ""]:
    """Of the discriminator's verdicts, true sequences being so with 75 %."""
    real = F.binary_cross_entropy_with_logits(on_real, torch.full_like(on_real, REAL_LABEL))
    return real + F.binary_cross_entropy_with_logits(on_fake, torch.zeros_like(on_fake))


def _penalty(nets: Networks, sequence: Sequence) -> Float[Tensor, ""]:
    """How far the slope of the score is from 1, squared, averaged over clips (WGAN-GP).

    The slope is differentiated once more.
    """
    inputs = [part.detach().float().requires_grad_() for part in sequence]
    with torch.enable_grad(), full_precision(inputs[0]):
        score = _score(nets, (inputs[0], inputs[1], inputs[2])).sum()
        slopes = torch.autograd.grad(score, inputs, create_graph=True)
        squares = torch.stack([slope.square().flatten(1).sum(1) for slope in slopes]).sum(0)
        return ((squares + 1e-10).sqrt() - 1).square().mean()
