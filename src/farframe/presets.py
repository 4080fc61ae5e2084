"""Named runs to start from: ``farframe train NAME``. Every field can be overridden by a flag.

``farframe train`` takes ``model.action_dim`` from the data. ``data.path`` is empty where it must be
given.
The original's own commands are in presets_seed.py.
The recipe for small machines, and what else was tried, is in docs/recipes.md.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from farframe.baselines.svg_config import SVGConfig
from farframe.baselines.svg_mode import SVGMode
from farframe.config import DataConfig, ModelConfig, TrainConfig
from farframe.modes import EPEV
from farframe.modes.epev_pose import EPEVPose
from farframe.presets_seed import SEED_RUNS
from farframe.run import RunConfig


@dataclass(frozen=True)
class Preset:
    """A run to start from, and one line on what it is for."""

    config: RunConfig
    summary: str


_RECIPE = ModelConfig(
    action_dim=0,
    context_frames=5,
    encoder="keypoint",
    activation="silu",
    anchor_frame="last",
    pred_cells=3,
    pred_init="glorot",
    pred_residual="velocity",
)
"""What made EPEV learn in minutes; the sizes are each preset's own."""

_SMALL_EPEV = EPEV(
    lr=2e-3,
    enc_pred_weight=0.05,
    enc_pred_delay=200.0,
    enc_pred_relative=True,
    enc_pred_ramp="encoder",
    decode_frames=5,
    mask_weight=0.002,
)
"""The predictor learns from the first step; the encoder heeds it once the decoder draws."""

_ADAM = TrainConfig(
    steps=1000, beta2=0.99, warmup_steps=100, schedule="cosine", clip_gradient_norm=1.0
)

_SHAPES_TINY = RunConfig(
    name="shapes-tiny",
    model=replace(_RECIPE, frame_size=32, width=16, enc_size=8, pred_units=96, decoder_parts=2),
    data=DataConfig(path="shapes", sequence_length=20, batch_size=16),
    train=replace(_ADAM, steps=1000, evaluate_every=500, checkpoint_every=250),
    mode=_SMALL_EPEV,
)

_SHAPES = RunConfig(
    name="shapes",
    model=replace(_RECIPE, frame_size=64, width=16, enc_size=8, pred_units=128, decoder_parts=2),
    data=DataConfig(path="shapes", sequence_length=16, batch_size=16),
    train=replace(_ADAM, steps=2000, evaluate_every=1000, evaluate_horizon=50),
    mode=replace(_SMALL_EPEV, enc_pred_delay=1000.0, decode_frames=3),
)

_VIDEO_SMALL = RunConfig(
    name="video-small",
    model=replace(_RECIPE, width=24, enc_size=64, pred_units=128, decoder_parts=8),
    data=DataConfig(path="", sequence_length=20, batch_size=8),
    train=replace(_ADAM, steps=3000, checkpoint_secs=300.0),
    mode=replace(_SMALL_EPEV, lr=1e-3, enc_pred_delay=800.0, mask_weight=0.001),
)

_ROBOT_PUSH = RunConfig(
    name="robot-push",
    model=replace(
        _RECIPE, context_frames=2, width=24, enc_size=32, pred_units=128, decoder_parts=8
    ),
    data=DataConfig(path="", sequence_length=20, batch_size=16),
    train=replace(_ADAM, steps=4000, evaluate_horizon=18, checkpoint_secs=300.0),
    mode=EPEVPose(
        **asdict(replace(_SMALL_EPEV, lr=1e-3, enc_pred_delay=800.0, decode_frames=3)),
        pose_weight=0.3,
    ),
)
"""Poses say where the arm is; --mode.lpips-weight 0.02 keeps toys sharp: docs/recipes.md."""

_HUMANS = replace(
    _ROBOT_PUSH,
    name="humans",
    model=replace(_ROBOT_PUSH.model, context_frames=5, enc_size=64, encoder_layers=3),
    data=DataConfig(path="", sequence_length=24, batch_size=24, hue_jitter=0.1),
    train=replace(_ROBOT_PUSH.train, evaluate_horizon=20),
    mode=replace(_ROBOT_PUSH.mode, decode_frames=2, pose_size=34, pose_weight=3.0),
)
"""Joints say where limbs are (`farframe data make humans --poses joints`)."""

_VIDEO = RunConfig(
    name="video",
    model=replace(_RECIPE, encoder="vgg"),
    data=DataConfig(path="", sequence_length=37, batch_size=8, workers=4),
    train=replace(
        _ADAM, steps=120_000, evaluate_every=2000, checkpoint_every=2000, checkpoint_secs=600.0
    ),
    mode=EPEV(lr=1e-4, enc_pred_weight=0.1, enc_pred_delay=20_000.0),
)

_DEBUG = RunConfig(
    name="debug",
    model=replace(_RECIPE, frame_size=32, width=4, enc_size=8, context_frames=2, pred_cells=3),
    data=DataConfig(path="shapes", sequence_length=6, batch_size=2, clips=200, clip_length=64),
    train=replace(
        _ADAM,
        steps=4,
        warmup_steps=0,
        log_every=1,
        evaluate_every=2,
        evaluate_clips=2,
        evaluate_horizon=4,
        checkpoint_every=2,
    ),
    mode=EPEV(lr=1e-3, enc_pred_weight=0.1, enc_pred_delay=2.0),
)

_SVG_SMALL = RunConfig(
    name="svg-small",
    model=SVGConfig(),
    data=DataConfig(path="", sequence_length=20, batch_size=16),
    train=replace(_ADAM, steps=20_000, beta2=0.999, clip_kind="global", checkpoint_secs=300.0),
    mode=SVGMode(lr=2e-3, decode_frames=5),
)

_SVG_TINY = replace(
    _SVG_SMALL,
    name="svg-tiny",
    model=SVGConfig(frame_size=32),
    data=DataConfig(path="shapes", sequence_length=20, batch_size=16),
    train=replace(_SVG_SMALL.train, steps=2500),
)

PRESETS: dict[str, Preset] = {
    preset.config.name: preset
    for preset in (
        Preset(_SHAPES_TINY, "bouncing shapes, 32x32: the demo, minutes on two CPU cores"),
        Preset(_SHAPES, "bouncing shapes, 64x64, for a thousand frames: some 20 minutes on a CPU"),
        Preset(_VIDEO_SMALL, "your videos, 64x64, a small network: an hour on a CPU or one GPU"),
        Preset(_ROBOT_PUSH, "a robot's actions and poses, 64x64, a small network: CPU hours"),
        Preset(_HUMANS, "people and their joints, 64x64, a small network: CPU hours"),
        Preset(_VIDEO, "your videos, 64x64, networks of the original's size: for a GPU"),
        Preset(_DEBUG, "bouncing shapes, everything tiny: seconds, to see that all works"),
        Preset(_SVG_SMALL, "the baseline SVG-LP (docs/baselines.md) on your videos, 64x64"),
        Preset(_SVG_TINY, "the baseline SVG-LP on bouncing shapes, 32x32"),
        *(Preset(config, summary) for config, summary in SEED_RUNS),
    )
}
"""Every preset by its name."""

IMPORTED_RUN = RunConfig(
    name="imported",
    model=ModelConfig(),
    data=DataConfig(path="", sequence_length=10),
    train=TrainConfig(),
    mode=EPEV(),
)
"""What a run imported from a checkpoint of the original is said to be: its default flags."""
