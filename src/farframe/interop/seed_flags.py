"""The flags of the original program, and what each is here: the one table that all else reads.

``prediction_train.py`` defines them with absl, ``seed_run.py`` turns their values into a run,
``docs/seed.md`` and ``--help`` list them. Defaults are the original's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from farframe.modes import SEED_DEFAULT, SEED_NAMES

Value = bool | int | float | str
Fate = Literal["used", "machinery", "dead", "ours"]


@dataclass(frozen=True)
class SeedFlag:
    """One flag: its default, and what it means here."""

    name: str
    default: Value
    meaning: str
    field: str = ""
    """The field of a RunConfig that takes its value as it is ("mode.lr": if the mode has it); of
    steps, as many iterations as the mode has turns."""
    values: tuple[str, ...] = ()
    """What a text may be (empty: anything)."""
    same_as: str = ""
    """The flag that this is another spelling of."""
    fate: Fate = "used"


Flag = SeedFlag

WHAT = "What is trained"
FILES = "Data and folders"
NETWORKS = "Networks"
RATES = "Losses and learning rates"
OURS = "Of farframe, not of the original"
MACHINERY = "Accepted and without effect: TensorFlow 1's machinery"

FLAGS: dict[str, tuple[SeedFlag, ...]] = {
    WHAT: (
        Flag(
            "model_mode",
            SEED_DEFAULT,
            "how the networks are trained together",
            values=tuple(SEED_NAMES),
        ),
        Flag(
            "run_mode",
            "train",
            "train, or evaluate a training's checkpoints",
            values=("train", "eval"),
        ),
        Flag("is_training", False, "must be on in train and off (--nois_training) in eval"),
        Flag(
            "train_steps",
            4_800_000,
            "steps in all; eval ends there (GAN: of the networks that predict)",
            "train.steps",
        ),
        Flag("batch_size", 8, "clips of a batch, over all processes", "data.batch_size"),
        Flag("debug", False, "show where in the program an error came from"),
    ),
    FILES: (
        Flag("data_dir", "", "folder of TFRecords in the original's schema", "data.path"),
        Flag("data_pattern", "*train*", "glob of the files to read; a bare word matches anywhere"),
        Flag(
            "dataset_type",
            "human",
            "robot: with actions and poses; human: zeros",
            values=("robot", "human"),
        ),
        Flag("sequence_length", 10, "frames of a record to look at, from its first one on"),
        Flag("skip_num", 1, "take every n-th of these frames", "data.stride"),
        Flag("context_frames", 2, "frames given, before those predicted", "model.context_frames"),
        Flag("color_data_augment", False, "turn the hues of each training clip at random"),
        Flag("model_dir", "", "folder of checkpoints; training goes on from what is there"),
        Flag(
            "event_log_dir",
            "",
            "folder of TensorBoard events (else model_dir/logs); eval writes into its eval/",
        ),
        Flag("save_summary_steps", 100, "steps between scalars in TensorBoard", "train.log_every"),
        Flag("save_checkpoints_secs", 60.0, "seconds between checkpoints", "train.checkpoint_secs"),
        Flag("use_image_summary", True, "eval: write predicted frames into TensorBoard too"),
    ),
    NETWORKS: (
        Flag("enc_size", 64, "numbers in an encoding", "model.enc_size"),
        Flag("enc_size_set", 64, "the seed's spelling of --enc_size", same_as="enc_size"),
        Flag(
            "enc_keep_prob",
            1.0,
            "share of the encoder's features kept by dropout",
            "model.enc_keep_prob",
        ),
        Flag(
            "van_keep_prob",
            1.0,
            "share of the decoder's features kept by dropout",
            "model.van_keep_prob",
        ),
        Flag(
            "encoder_grey_in",
            False,
            "make frames grey before they are encoded",
            "model.encoder_grey_in",
        ),
        Flag("enc_pred_use_l2norm", False, "L2-normalise encodings and their predictions"),
        Flag(
            "pred_noise_std",
            0.0,
            "standard deviation of the predictor's noise input",
            "model.pred_noise_std",
        ),
        Flag(
            "lstm_state_noise_stddev",
            0.0,
            "noise on the predictor's state, as a share of its spread",
            "model.lstm_state_noise_stddev",
        ),
        Flag("pose_dim", 5, "numbers of the end effector in a pose; the schema's 5"),
        Flag("joint_pos_dim", 7, "joint positions in a pose; the schema's 7"),
        Flag("imgnet_pretrain", False, "start the encoder from VGG-16 trained on ImageNet"),
        Flag(
            "pretrain_path",
            "",
            "VGG-16's weights (else those that `farframe weights get vgg16` has fetched)",
        ),
        Flag(
            "epv_pretrain_ckpt",
            "",
            "run or checkpoint to take the networks' first weights from",
            "train.start_from",
        ),
    ),
    RATES: (
        Flag("all_learning_rate", 1e-5, "where networks are trained together", "mode.lr"),
        Flag("enc_learning_rate", 1e-5, "of the encoder trained by itself", "mode.enc_lr"),
        Flag("pred_learning_rate", 3e-4, "of the predictor trained by itself", "mode.pred_lr"),
        Flag(
            "pred_learning_rate_map",
            3e-4,
            "the seed's spelling of --pred_learning_rate",
            same_as="pred_learning_rate",
        ),
        Flag("van_learning_rate", 3e-5, "of the decoder trained by itself", "mode.van_lr"),
        Flag("discrim_learning_rate", 1e-2, "of the discriminator", "mode.discrim_lr"),
        Flag("enc_pred_loss_scale", 1e-2, "weight of the predictor's loss", "mode.enc_pred_weight"),
        Flag(
            "enc_pred_loss_scale_delay",
            0.0,
            "step at which that weight is half way up",
            "mode.enc_pred_delay",
        ),
        Flag(
            "enc_pred_use_l1_loss",
            False,
            "L1 instead of squared error between encodings",
            "mode.enc_pred_l1",
        ),
        Flag(
            "enc_noise_stddev",
            0.0,
            "noise on the encodings that the decoder draws",
            "mode.enc_noise_std",
        ),
        Flag("pose_weight", 1.0, "weight of the pose losses", "mode.pose_weight"),
        Flag(
            "discrim_steps_per_pred",
            5,
            "steps of the discriminator for one of the predictor",
            "mode.discrim_steps_per_pred",
        ),
        Flag(
            "use_wgan",
            True,
            "Wasserstein GAN with gradient penalty, else the sigmoid one",
            "mode.use_wgan",
        ),
        Flag(
            "discrim_context",
            1,
            "true frames at the start of what the discriminator sees",
            "mode.discrim_context",
        ),
        Flag(
            "clip_gradient_norm",
            0.0,
            "norm to which every gradient tensor is clipped by itself (0: not)",
            "train.clip_gradient_norm",
        ),
        Flag(
            "van_r_weight", 0.01, "the original computed this loss and threw it away", fate="dead"
        ),
    ),
    OURS: (
        Flag("eval_once", False, "eval: end after the newest checkpoint", fate="ours"),
        Flag("eval_clips", 64, "eval: clips to measure, spread over all (0: all)", fate="ours"),
        Flag(
            "width",
            64,
            "channels of the first convolutions; the others are multiples",
            "model.width",
            fate="ours",
        ),
        Flag(
            "device",
            "auto",
            "cpu, cuda, cuda:1, ...; auto takes a GPU if there is one",
            "train.device",
            fate="ours",
        ),
        Flag("seed", 0, "seed of weights, batches and noise", "train.seed", fate="ours"),
        Flag("workers", 0, "processes that read clips ahead", "data.workers", fate="ours"),
    ),
    MACHINERY: tuple(
        Flag(name, default, "", fate="machinery")
        for name, default in (
            ("prefetch_enabled", True),
            ("prefetch_dataset_buffer_size", 256 * 1024 * 1024),
            ("cycle_length", 64),
            ("block_length", 0),
            ("num_parallel_calls", 128),
            ("initial_shuffle_buffer_size", 1024),
            ("followup_shuffle_buffer_size", 128),
            ("iterations", 100),
            ("num_shards", 8),
            ("per_host_input_for_training", True),
            ("use_tpu", False),
            ("use_estimator", False),
            ("ps_tasks", 0),
            ("task", 0),
            ("master", ""),
            ("startup_delay_secs", 15),
            ("use_legacy_vars", False),
        )
    ),
}
"""Every flag, by the heading under which ``--help`` and docs/seed.md list it."""

BY_NAME: dict[str, SeedFlag] = {flag.name: flag for _, group in FLAGS.items() for flag in group}
