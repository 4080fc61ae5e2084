"""The paper's ablations of a training of EPEV: runs that differ from it in one thing each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from farframe.config import ModelConfig
from farframe.modes import E2E, EPEV, EPEVE2E, EPEVGAN
from farframe.run import RunConfig

BASE = "base"


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """A run, and what it is compared with.

    ``against`` is the ablation that differs from it in one thing alone, and ``start`` the one whose
    networks it starts with (empty: with random ones). ``config`` does not name that one's folder.
    """

    config: RunConfig
    summary: str
    against: str = BASE
    start: str = ""


def ablations(base: RunConfig) -> Mapping[str, Ablation]:
    """All ablations of ``base`` by name, ``base`` first.

    All train for as many steps, at the same learning rate and with the same seeds: on the same
    batches in the same order, but that more context needs longer clips. Only the GAN does not begin
    at random: as the authors', it goes on from the trained base, at the rates that they took for it
    compared with those of EPEV; its steps are those that train the predictor, as the original
    counted them.

    Raises:
        ValueError: if the base is not trained with EPEV, or already without something.
    """
    mode, model, data = base.mode, base.model, base.data
    if type(mode) is not EPEV or not isinstance(model, ModelConfig):
        raise ValueError(
            f"preset {base.name} can't be the base of ablations: it is of mode {mode.tag}; they "
            f"start from one of mode {EPEV.tag}"
        )
    if model.decoder_first_frame != "seen":
        raise ValueError(
            f"preset {base.name} can't be the base of ablations: it has "
            f"model.decoder_first_frame {model.decoder_first_frame!r}; they start from one with "
            "'seen'"
        )
    found = {BASE: Ablation(config=base, summary="EPEV as the preset has it")}
    whole = replace(model, decoder_parts=0)
    if model.decoder_parts:
        found["no-parts"] = Ablation(
            config=replace(base, model=whole),
            summary="the paper's decoder, which moves no parts of the first frame but draws all",
        )
    found["no-first-frame"] = Ablation(
        config=replace(base, model=replace(whole, decoder_first_frame="blank")),
        summary="the decoder never sees the first frame: every pixel from the encoding alone",
        against="no-parts" if model.decoder_parts else BASE,
    )
    found["e2e"] = Ablation(
        config=replace(base, mode=E2E(lr=mode.lr)),
        summary="E2E: trained on the error of predicted frames alone",
    )
    found["epev-e2e"] = Ablation(
        config=replace(base, mode=EPEVE2E(**asdict(mode))),
        summary="the sum of EPEV's and E2E's losses (the paper: blurry)",
    )
    found["epev-gan"] = _gan(base, mode)
    more = model.context_frames
    found[f"context-{model.context_frames + more}"] = Ablation(
        config=replace(
            base,
            model=replace(model, context_frames=model.context_frames + more),
            data=replace(data, sequence_length=data.sequence_length + more),
        ),
        summary=f"{model.context_frames + more} frames given instead of {more}, as many to predict",
    )
    return found


def _gan(base: RunConfig, mode: EPEV) -> Ablation:
    """The authors took 1e-4 for EPEV on one GPU; 1e-6, 3e-6 and 3e-6 for the GAN after it."""
    gan = EPEVGAN(
        pred_lr=0.01 * mode.lr,
        van_lr=0.03 * mode.lr,
        discrim_lr=0.03 * mode.lr,
        enc_pred_weight=10.0,
    )
    train = base.train
    counted = ("steps", "warmup_steps", "log_every", "evaluate_every", "checkpoint_every")
    turns = {name: getattr(train, name) * gan.turns for name in counted}
    return Ablation(
        config=replace(
            base,
            mode=gan,
            train=replace(train, encoder_weights="", **turns),
        ),
        summary="EPEV-GAN: the trained base goes on against a discriminator, for as many steps",
        start=BASE,
    )
