"""The original's commands as presets: runs equal to what their flags come to.

``robot-e2e`` to ``human-epev`` are the five commands of its README, ``human-epev-1gpu`` and
``human-epev-gan`` the later published ones; a test holds them against the flags. Their learning
rates are for 32 machines that push gradients without waiting for each other, except in the
``-1gpu`` presets. The authors published one command for both: from ``human-epev`` to one GPU they
took learning rates ten times as high, 120,000 steps, and the ramp at step 20,000. The other
``-1gpu`` presets are scaled by the same rule; nobody has tuned them. Of the GAN's iterations the
original counted one in six, those that train predictor and decoder: its 1,000,000 are 6,000,000.
"""

from __future__ import annotations

from dataclasses import replace

from farframe.config import DataConfig, ModelConfig, TrainConfig
from farframe.modes import E2E, EPEV
from farframe.modes.epev_gan import EPEVGAN
from farframe.modes.individual import Individual
from farframe.run import RunConfig

_DATA = DataConfig(
    path="",
    kind="tfrecord",
    split="pattern",
    windows="first",
    strict=True,
    batch_size=8,
)
"""Records as the original read them: one clip each, from its first frame on."""

_ROBOT = replace(_DATA, controls="read", sequence_length=20)
_HUMAN = replace(_DATA, controls="zeros", sequence_length=32, stride=2)

_DROPOUT = ModelConfig(enc_keep_prob=0.65, van_keep_prob=0.9)
_HUMAN_MODEL = replace(_DROPOUT, context_frames=5)

_TRAIN = TrainConfig(
    steps=3_000_000,
    clip_gradient_norm=0.01,
    log_every=100,
    evaluate_every=0,
    checkpoint_every=0,
    checkpoint_secs=60.0,
    keep_checkpoints=5,
)
_IMAGENET = replace(_TRAIN, encoder_weights="imagenet")
_ONE_GPU_STEPS = 120_000

_ROBOT_E2E = RunConfig(
    name="robot-e2e",
    model=replace(_DROPOUT, enc_size=16),
    data=_ROBOT,
    train=_TRAIN,
    mode=E2E(lr=1e-5),
)
_ROBOT_EPEV = RunConfig(
    name="robot-epev",
    model=replace(_DROPOUT, enc_size=32),
    data=_ROBOT,
    train=_IMAGENET,
    mode=EPEV(lr=1e-5, enc_pred_weight=1.0, enc_pred_delay=6e5),
)
_ROBOT_INDIVIDUAL = RunConfig(
    name="robot-individual",
    model=ModelConfig(enc_size=12, enc_keep_prob=0.75),
    data=_ROBOT,
    train=_TRAIN,
    mode=Individual(enc_lr=1e-5, pred_lr=3e-4, van_lr=3e-5),
)
_HUMAN_E2E = RunConfig(
    name="human-e2e",
    model=replace(_HUMAN_MODEL, enc_size=32),
    data=_HUMAN,
    train=_TRAIN,
    mode=E2E(lr=1e-5),
)
_HUMAN_EPEV = RunConfig(
    name="human-epev",
    model=replace(_HUMAN_MODEL, enc_size=32),
    data=_HUMAN,
    train=_IMAGENET,
    mode=EPEV(lr=1e-5, enc_pred_weight=0.1, enc_pred_delay=6e5),
)
_HUMAN_EPEV_1GPU = RunConfig(
    name="human-epev-1gpu",
    model=replace(_HUMAN_MODEL, enc_size=64),
    data=_HUMAN,
    train=replace(_IMAGENET, steps=_ONE_GPU_STEPS),
    mode=EPEV(lr=1e-4, enc_pred_weight=0.1, enc_pred_delay=2e4),
)
_GAN = EPEVGAN(pred_lr=1e-6, van_lr=3e-6, discrim_lr=3e-6, enc_pred_weight=10.0)
_HUMAN_EPEV_GAN = RunConfig(
    name="human-epev-gan",
    model=replace(_HUMAN_MODEL, enc_size=64, enc_norm="l2", pred_noise_std=1.0),
    data=replace(_HUMAN, batch_size=16),
    train=replace(_TRAIN, steps=1_000_000 * _GAN.turns, log_every=100 * _GAN.turns),
    mode=_GAN,
)

_E2E_1GPU = E2E(lr=1e-4)
_TRAIN_1GPU = replace(_TRAIN, steps=_ONE_GPU_STEPS)
_ROBOT_E2E_1GPU = replace(_ROBOT_E2E, name="robot-e2e-1gpu", train=_TRAIN_1GPU, mode=_E2E_1GPU)
_ROBOT_EPEV_1GPU = replace(
    _ROBOT_EPEV,
    name="robot-epev-1gpu",
    train=replace(_IMAGENET, steps=_ONE_GPU_STEPS),
    mode=EPEV(lr=1e-4, enc_pred_weight=1.0, enc_pred_delay=2e4),
)
_ROBOT_INDIVIDUAL_1GPU = replace(
    _ROBOT_INDIVIDUAL,
    name="robot-individual-1gpu",
    train=_TRAIN_1GPU,
    mode=Individual(enc_lr=1e-4, pred_lr=3e-3, van_lr=3e-4),
)
_HUMAN_E2E_1GPU = replace(_HUMAN_E2E, name="human-e2e-1gpu", train=_TRAIN_1GPU, mode=_E2E_1GPU)

SEED_RUNS: tuple[tuple[RunConfig, str], ...] = (
    (_ROBOT_E2E, "the original's command (its README), for 32 machines: Robot Push, E2E"),
    (_ROBOT_EPEV, "the original's command, for 32 machines: Robot Push, EPEV from ImageNet"),
    (_ROBOT_INDIVIDUAL, "the original's command, for 32 machines: Robot Push, true poses"),
    (_HUMAN_E2E, "the original's command, for 32 machines: Human3.6M, E2E"),
    (_HUMAN_EPEV, "the original's command, for 32 machines: Human3.6M, EPEV from ImageNet"),
    (_HUMAN_EPEV_1GPU, "the authors' own setting for one GPU (published in 2018): Human3.6M, EPEV"),
    (
        _HUMAN_EPEV_GAN,
        "the authors' command of 2018: Human3.6M, from an EPEV run with enc-norm l2",
    ),
    (_ROBOT_E2E_1GPU, "robot-e2e for one GPU: rates x 10, 120,000 steps, as human-epev-1gpu"),
    (_ROBOT_EPEV_1GPU, "robot-epev for one GPU: rates x 10, ramp at 20,000, as human-epev-1gpu"),
    (_ROBOT_INDIVIDUAL_1GPU, "robot-individual for one GPU: rates x 10, as human-epev-1gpu"),
    (_HUMAN_E2E_1GPU, "human-e2e for one GPU: rates x 10, 120,000 steps, as human-epev-1gpu"),
)
"""Runs and the line that `farframe train --help` has on each."""
