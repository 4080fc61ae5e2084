"""A run as one value: frozen dataclasses that validate themselves and never change.

Defaults of ``ModelConfig`` are the original's (width 64, encodings of 64, actions of 5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

FRAME_SIZES = (32, 64, 96, 128)


def check(ok: bool, field_name: str, value: object, rule: str) -> None:
    """Raise the one kind of error that configuration mistakes get."""
    if not ok:
        raise ValueError(f"{field_name} is {value!r}: {rule}")


def check_least(config: object, section: str, least: int, *names: str) -> None:
    """Check that fields of a section of the configuration are at least ``least``."""
    for name in names:
        value = getattr(config, name)
        check(value >= least, f"{section}.{name}", value, f"must be >= {least}")


def _positive(text: str) -> bool:
    """Whether a text is a number above 0."""
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes and variants of the three networks."""

    frame_size: int = 64
    """Height and width of frames in pixels: 32, 64, 96 or 128."""
    width: int = 64
    """Channels of the first convolution of encoder and decoder; the others are multiples."""
    enc_size: int = 64
    """Numbers in an encoding."""
    action_dim: int = 5
    """Numbers in an action (0: the predictor reads none)."""
    context_frames: int = 2
    """Frames given; the predictor reads true encodings for these, then its own."""
    encoder: Literal["vgg", "conv", "keypoint"] = "vgg"
    """vgg: the original's VGG-16; conv: small strided convolutions with group norm; keypoint: the
    same with a spatial softmax at the end."""
    encoder_layers: int = 0
    """Further convolutions of the conv and the keypoint encoder, at their smallest map: cheap, and
    each sees 16 pixels farther (of 64; what is articulated needs 3 or more; none for vgg)."""
    encoder_coords: bool = False
    """Give the encoder two more input channels with the pixel coordinates."""
    encoder_grey_in: bool = False
    """Make frames grey before they are encoded."""
    enc_norm: Literal["none", "l2", "batch"] = "none"
    """Encodings as they are, L2-normalised (--enc_pred_use_l2norm), or batch-normalised."""
    enc_keep_prob: float = 1.0
    """Share of the encoder's last features kept by dropout in training."""
    van_keep_prob: float = 1.0
    """Share of the decoder's features kept by dropout in training."""
    activation: Literal["relu", "silu"] = "relu"
    """Nonlinearity of the decoder."""
    decoder_parts: int = 0
    """Parts of the first frame that the decoder can move instead of drawing them (0: it draws all,
    as the original)."""
    decoder_first_frame: Literal["seen", "blank"] = "seen"
    """Whether the decoder is shown the first frame, as in the original, or a blank one instead, and
    draws every pixel from the encoding alone: an ablation (`farframe study ablations`)."""
    anchor_frame: Literal["first", "last"] = "first"
    """The given frame that predictions are drawn from: the first, as the original, or the last,
    which has seen most of what comes next. Training always draws from a clip's first frame, which
    may be any: a run may draw from another one than the run whose weights it starts from."""
    pred_cells: int = 21
    """LSTM cells in the predictor's stack: odd, at least 3."""
    pred_units: int = 0
    """Units of each of the predictor's cells; 0 takes enc_size + action_dim, as the original."""
    pred_init: Literal["small", "glorot"] = "small"
    """Weights of the predictor's cells: normal of std 0.01, as the original, or Glorot uniform."""
    pred_residual: Literal["none", "last", "velocity"] = "none"
    """What the predictor's output is added to: nothing, as the original; the encoding it read; or
    the straight line through the last two, whose difference it then reads too."""
    pred_noise_std: float = 0.0
    """Standard deviation of the 100 noise inputs of the predictor (0: none)."""
    lstm_state_noise_stddev: float = 0.0
    """Noise on recurrent state, as a share of the state's own spread."""

    def __post_init__(self) -> None:
        check(
            self.frame_size in FRAME_SIZES,
            "model.frame_size",
            self.frame_size,
            f"must be one of {', '.join(map(str, FRAME_SIZES))}",
        )
        check_least(self, "model", 1, "width", "enc_size", "context_frames")
        check_least(
            self,
            "model",
            0,
            "action_dim",
            "encoder_layers",
            "decoder_parts",
            "pred_units",
            "pred_noise_std",
            "lstm_state_noise_stddev",
        )
        check(
            self.decoder_first_frame == "seen" or self.decoder_parts == 0,
            "model.decoder_parts",
            self.decoder_parts,
            "must be 0 with model.decoder_first_frame 'blank', from which no part could be moved",
        )
        check(
            self.encoder != "vgg" or self.encoder_layers == 0,
            "model.encoder_layers",
            self.encoder_layers,
            "must be 0 with model.encoder 'vgg', which has its 13",
        )
        for name in ("enc_keep_prob", "van_keep_prob"):
            value = getattr(self, name)
            check(0 < value <= 1, f"model.{name}", value, "must be above 0 and at most 1")
        check(
            self.pred_cells >= 3 and self.pred_cells % 2 == 1,
            "model.pred_cells",
            self.pred_cells,
            "must be odd and >= 3",
        )

    def check_run(self, data: DataConfig, train: TrainConfig) -> None:
        """Refuse data and training that don't fit these networks.

        Raises:
            ValueError: naming the field that doesn't fit.
        """
        check(
            self.enc_norm != "batch" or data.batch_size * self.context_frames > 1,
            "data.batch_size",
            data.batch_size,
            f"must be above 1 for model.enc_norm 'batch' with model.context_frames "
            f"{self.context_frames}: a single encoding has no spread",
        )
        check(
            not train.encoder_weights or (self.encoder == "vgg" and not self.encoder_coords),
            "train.encoder_weights",
            train.encoder_weights,
            "needs --model.encoder vgg, without --model.encoder-coords: other encoders have no "
            "place for VGG-16's convolutions",
        )

    @property
    def whole_batch(self) -> str:
        """The field for which a batch can't be taken in micro-batches; empty if it can."""
        return "model.enc_norm 'batch'" if self.enc_norm == "batch" else ""

    @property
    def units(self) -> int:
        """Units of a predictor cell."""
        return self.pred_units or self.enc_size + self.action_dim

    @property
    def stochastic(self) -> bool:
        """Whether two rollouts of one clip differ."""
        return self.pred_noise_std > 0 or self.lstm_state_noise_stddev > 0


@dataclass(frozen=True, kw_only=True)
class ReadConfig:
    """How data is read, whatever it is read for."""

    kind: Literal[
        "auto", "tfrecord", "video", "frames", "lerobot", "hdf5", "human36m", "shapes"
    ] = "auto"
    """Which reader; auto looks at what the path holds."""
    fps: float = 0.0
    """Resample videos to this constant rate (0: the rate of each file). Other data isn't resampled:
    for it this is the rate it is said to have (0: what it says, or docs/data.md)."""
    crop: str = "center"
    """Videos, pictures, HDF5, Google's push: center (largest centred square), stretch (to a
    square), or X,Y,SIDE in pixels; Human3.6M: also person (the square around its joints), and srvp
    (100,100,800, as SRVP did)."""
    camera: str = ""
    """Data with several cameras: which one (empty: the only one; BAIR's softmotion: image_aux1)."""
    split: Literal["auto", "source", "folders", "pattern", "hash", "time", "srvp"] = "auto"
    """How train, validation and test are told apart; docs/data.md says what auto takes."""
    data_pattern: str = "*train*"
    """TFRecords: glob of the training files."""
    validation_pattern: str = "*validation*"
    """TFRecords: glob of the validation files (empty: there are none)."""
    test_pattern: str = "*test*"
    """TFRecords: glob of the test files (empty: there are none)."""
    controls: Literal["auto", "read", "zeros"] = "auto"
    """Actions and poses where the data has them; read: they must be there; zeros: none are read
    (TFRecords: zeros in their place, as in the original's human data)."""
    strict: bool = False
    """Stop at the first file that can't be read, or is shorter than a training clip, instead of
    leaving it out with a warning."""
    clips: int = 20000
    """shapes: number of generated clips."""
    clip_length: int = 140
    """shapes: frames of a generated clip."""
    world_seed: int = 0
    """shapes: seed of the world."""

    def __post_init__(self) -> None:
        check_least(self, "data", 1, "clips", "clip_length")
        check_least(self, "data", 0, "fps", "world_seed")


@dataclass(frozen=True, kw_only=True)
class DataConfig(ReadConfig):
    """Where clips come from and how they are cut."""

    path: str = "shapes"
    """A file or folder of a kind that docs/data.md lists (videos, pictures, TFRecords, LeRobot,
    ...), or the name of a world (shapes)."""
    sequence_length: int = 20
    """Frames of a training clip, counted after the stride: context and future together."""
    stride: int = 1
    """Take every n-th frame."""
    windows: Literal["every", "first"] = "every"
    """Training clips of a recording: one from every frame on, or only the one that begins with its
    first frame, as the original."""
    hue_jitter: float = 0.0
    """Training clips are turned in hue by up to this share of the colour circle, each by its own
    angle (0: not; 0.5: any hue, the original's --color_data_augment)."""
    cache: Literal["on", "off"] = "on"
    """Keep decoded frames of videos and pictures in a memory-mapped array in the run's folder; off
    streams them."""
    batch_size: int = 8
    """Clips of a batch, over all processes."""
    workers: int = 0
    """Processes that read clips ahead of the model (0: the training process itself)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, "data", 2, "sequence_length")
        check_least(self, "data", 1, "stride", "batch_size")
        check_least(self, "data", 0, "workers")
        check(
            0 <= self.hue_jitter <= 0.5,
            "data.hue_jitter",
            self.hue_jitter,
            "must be from 0 to 0.5: half the colour circle to either side is all of it",
        )


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long and on what a run trains, and what it writes."""

    steps: int = 4_800_000
    """Iterations in all."""
    seed: int = 0
    """Seed of weights, batches and noise."""
    start_from: str = ""
    """Start with the networks of this run's folder, or of the original's TensorFlow checkpoint of
    this prefix, instead of random ones (--epv_pretrain_ckpt)."""
    fresh_predictor: bool = False
    """Take encoder and decoder alone from train.start_from: the predictor starts from its seed, and
    may have other actions and sizes."""
    encoder_weights: str = ""
    """Start the encoder from this file of VGG-16 weights (.pth, .safetensors, .h5 or TF-slim's
    .ckpt; docs/weights.md), or from imagenet, which `farframe weights get vgg16` fetches."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes the GPU if there is one."""
    clip_gradient_norm: float = 0.0
    """Gradients are scaled down to this norm (0: not at all)."""
    clip_kind: Literal["tensor", "global"] = "tensor"
    """Clip every gradient tensor by itself, the original's way, or all of them together."""
    beta1: float = 0.9
    """Adam's first decay rate."""
    beta2: float = 0.999
    """Adam's second decay rate."""
    eps: float = 1e-8
    """Adam's epsilon, as TensorFlow means it."""
    warmup_steps: int = 0
    """Steps over which learning rates rise linearly from 0."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Learning rates after the warm-up: constant, or a cosine to zero at the last step."""
    amp: Literal["off", "bf16", "fp16"] = "off"
    """Automatic mixed precision."""
    compile: bool = False
    """Compile the networks with torch.compile."""
    memory_limit: str = "off"
    """Memory that a process may take in gigabytes (20), auto (what is free now), or off. To stay
    below it, batches are taken in micro-batches and activations are computed again."""
    micro_batch_size: int = 0
    """Clips of a process's share taken at once, gradients of its micro-batches accumulated (0: all,
    or as many as train.memory_limit has room for)."""
    activation_checkpointing: int = 0
    """Frames of each clip whose activations are held, others being computed again for gradients (0:
    all, or as many as train.memory_limit has room for)."""
    log_every: int = 20
    """Steps between scalars in TensorBoard."""
    evaluate_every: int = 500
    """Steps between evaluations on validation clips (0: never)."""
    evaluate_clips: int = 16
    """Validation clips of an evaluation."""
    evaluate_horizon: int = 20
    """Frames that an evaluation predicts."""
    checkpoint_every: int = 500
    """Steps between checkpoints (0: by the clock alone)."""
    checkpoint_secs: float = 0.0
    """Seconds between checkpoints (0: by steps alone)."""
    keep_checkpoints: int = 2
    """Newest checkpoints kept."""

    def __post_init__(self) -> None:
        check_least(self, "train", 1, "steps", "log_every", "evaluate_clips")
        check_least(self, "train", 1, "evaluate_horizon", "keep_checkpoints")
        check_least(
            self, "train", 0, "seed", "clip_gradient_norm", "warmup_steps", "evaluate_every"
        )
        for name in ("beta1", "beta2"):
            check(0 <= getattr(self, name) < 1, f"train.{name}", getattr(self, name), "in [0, 1)")
        check(
            not (self.start_from and self.encoder_weights),
            "train.encoder_weights",
            self.encoder_weights,
            "must be empty with train.start_from, which brings its own encoder: give one of them",
        )
        check(
            bool(self.start_from) or not self.fresh_predictor,
            "train.fresh_predictor",
            self.fresh_predictor,
            "must be false without train.start_from: everything starts from its seed then",
        )
        check(
            self.memory_limit in ("off", "auto") or _positive(self.memory_limit),
            "train.memory_limit",
            self.memory_limit,
            "must be off, auto, or gigabytes, as in 20",
        )
        check_least(self, "train", 0, "micro_batch_size", "activation_checkpointing")
        check(self.eps > 0, "train.eps", self.eps, "must be above 0")
        check_least(self, "train", 0, "checkpoint_every", "checkpoint_secs")
