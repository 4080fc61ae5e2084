"""The original's flags -> a run of farframe: one pure function over the table of ``seed_flags``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from farframe.cli_words import UsageError, unknown
from farframe.config import DataConfig, ModelConfig, TrainConfig
from farframe.interop.seed_flags import BY_NAME, SeedFlag, Value
from farframe.modes import MODES, SEED_NAMES, Mode
from farframe.run import RunConfig

IMAGENET_WIDTH = 64
KEPT = 5  # checkpoints that a tf.train.Saver keeps: minutes for an evaluation to read one


@dataclass(frozen=True, kw_only=True)
class SeedRun:
    """What a command line of the original asks for."""

    config: RunConfig
    evaluate: bool
    model_dir: Path
    event_log_dir: Path
    sequence_length: int
    """Frames of a record before ``skip_num``: what the flag of this name means."""
    images: bool
    eval_once: bool
    eval_clips: int
    warnings: tuple[str, ...]
    """What is accepted and without effect, in one line each."""


def seed_run(given: Mapping[str, Value]) -> SeedRun:
    """The run that flags stand for; ``given`` are those on the command line.

    Raises:
        ValueError: for an unknown flag, a value out of range, or flags that contradict each other:
            one line that names them.
    """
    flags = _settled(given)
    _check_dead_ends(flags, given)
    evaluate = flags["run_mode"] == "eval"
    mode = _mode(flags)
    if mode.pose_dim and flags["dataset_type"] != "robot":
        raise ValueError(
            f"--model_mode {flags['model_mode']} learns from poses, and --dataset_type "
            f"{flags['dataset_type']} has none: take robot data, or another mode"
        )
    config = RunConfig(
        name=f"{flags['dataset_type']}-{mode.tag.replace('_', '-')}",
        model=ModelConfig(
            **_direct(flags, "model"),
            enc_norm="l2" if flags["enc_pred_use_l2norm"] else "none",
        ),
        data=_data(flags, evaluate),
        train=TrainConfig(
            **_train(flags, mode),
            encoder_weights=_encoder_weights(flags),
            evaluate_every=0,
            checkpoint_every=0,
            keep_checkpoints=KEPT,
        ),
        mode=mode,
    )
    model_dir = Path(str(flags["model_dir"])).expanduser()
    logs = str(flags["event_log_dir"])
    return SeedRun(
        config=config,
        evaluate=evaluate,
        model_dir=model_dir,
        event_log_dir=Path(logs).expanduser() if logs else model_dir / "logs",
        sequence_length=int(flags["sequence_length"]),
        images=bool(flags["use_image_summary"]),
        eval_once=bool(flags["eval_once"]),
        eval_clips=int(flags["eval_clips"]),
        warnings=_warnings(given, mode, str(flags["model_mode"]), evaluate),
    )


def _settled(given: Mapping[str, Value]) -> dict[str, Value]:
    """Every flag's value, other spellings resolved, defaults filled in."""
    values = {flag.name: flag.default for flag in BY_NAME.values()}
    said: dict[str, tuple[str, Value]] = {}
    for name, value in given.items():
        if name not in BY_NAME:
            raise UsageError(unknown("flag", f"--{name}", [f"--{known}" for known in BY_NAME]))
        flag = BY_NAME[name]
        if flag.values and value not in flag.values:
            allowed = ", ".join(flag.values)
            raise ValueError(f"--{name} is {value!r}: must be one of {allowed}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"--{name} is {value}: must be a finite number")
        meant = flag.same_as or name
        before, earlier = said.setdefault(meant, (name, value))
        if earlier != value:
            raise ValueError(
                f"--{before} is {earlier} and --{name} is {value}: they mean the same, give one"
            )
        values[meant] = float(value) if isinstance(flag.default, float) else value
    return values


def _direct(flags: Mapping[str, Value], section: str) -> dict[str, Any]:
    """Fields of a section of the configuration that take a flag's value as it is."""
    found: dict[str, Any] = {}
    for flag in BY_NAME.values():
        part, _, name = flag.field.partition(".")
        if part == section:
            found[name] = flags[flag.name]
    return found


def _train(flags: Mapping[str, Value], mode: Mode) -> dict[str, Any]:
    """Fields of the training; the original counts an alternating mode's turns as one step."""
    direct = _direct(flags, "train")
    for name in ("steps", "log_every"):
        direct[name] *= mode.turns
    return direct


def _mode(flags: Mapping[str, Value]) -> Mode:
    kind = MODES[SEED_NAMES[str(flags["model_mode"])]]
    own = {field.name for field in fields(kind)}
    return kind(**{k: v for k, v in _direct(flags, "mode").items() if k in own})


def _data(flags: Mapping[str, Value], evaluate: bool) -> DataConfig:
    """The records that are read, and how.

    The pattern of a training is taken at its word: only the usual one leaves room for the usual
    validation and test files.
    """
    pattern = str(flags["data_pattern"])
    usual = pattern == DataConfig.data_pattern
    patterns: dict[str, Any] = {"data_pattern": pattern}
    if evaluate:
        patterns = {"validation_pattern": pattern}
    elif not usual:
        patterns |= {"validation_pattern": "", "test_pattern": ""}
    return DataConfig(
        **_direct(flags, "data"),
        **patterns,
        kind="tfrecord",
        split="pattern",
        sequence_length=_frames_read(flags),
        windows="first",
        controls="read" if flags["dataset_type"] == "robot" else "zeros",
        hue_jitter=0.5 if flags["color_data_augment"] else 0.0,
        strict=True,
    )


def _frames_read(flags: Mapping[str, Value]) -> int:
    """Frames of a clip: 0, skip_num, 2 skip_num, ... below sequence_length."""
    length, skip, context = (
        int(flags[name]) for name in ("sequence_length", "skip_num", "context_frames")
    )
    if skip < 1:
        raise ValueError(f"--skip_num is {skip}: must be >= 1")
    frames = -(-length // skip)
    if frames <= context:
        raise ValueError(
            f"--sequence_length {length} with --skip_num {skip} reads {max(frames, 0)} frame(s), "
            f"which must be more than --context_frames ({context}), or none is left to predict"
        )
    return frames


def _encoder_weights(flags: Mapping[str, Value]) -> str:
    path = str(flags["pretrain_path"])
    return (path or "imagenet") if flags["imgnet_pretrain"] else ""


def _check_dead_ends(flags: Mapping[str, Value], given: Mapping[str, Value]) -> None:
    """Raise for flags that can't be meant together, or are missing.

    Raises:
        ValueError: naming them.
    """
    evaluate = flags["run_mode"] == "eval"
    width, path = flags["width"], flags["pretrain_path"]
    wrong = {
        "--data_dir is missing: name the folder of TFRecords": not flags["data_dir"],
        "--model_dir is missing: name the folder for checkpoints": not flags["model_dir"],
        "--is_training is off in --run_mode train: add --is_training to train, or take --run_mode "
        "eval to evaluate": not (evaluate or flags["is_training"]),
        "--is_training is on in --run_mode eval: give --nois_training": evaluate
        and bool(flags["is_training"]),
        "--pretrain_path is given without --imgnet_pretrain: add it, or leave out both": bool(path)
        and not flags["imgnet_pretrain"],
        "--imgnet_pretrain and --epv_pretrain_ckpt both say how the encoder starts: give one": bool(
            flags["imgnet_pretrain"] and flags["epv_pretrain_ckpt"]
        ),
        f"--imgnet_pretrain with --width {width}: VGG-16 has width {IMAGENET_WIDTH}; leave out one "
        "of them, or name weights of that width with --pretrain_path": bool(
            flags["imgnet_pretrain"] and not path and width != IMAGENET_WIDTH
        ),
    }
    for message, is_so in wrong.items():
        if is_so:
            raise ValueError(message)
    for name in ("pose_dim", "joint_pos_dim"):
        if flags[name] != BY_NAME[name].default:
            rule = f"must be {BY_NAME[name].default}, as in the TFRecord schema"
            raise ValueError(f"--{name} is {flags[name]}: {rule}")
    for name in ("eval_once", "eval_clips"):
        if name in given and not evaluate:
            raise ValueError(
                f"--{name} is given in --run_mode train: it belongs to --run_mode eval"
            )
    counts = {"train_steps": 1, "save_summary_steps": 1}
    for name, least in (counts | {"save_checkpoints_secs": 1, "eval_clips": 0}).items():
        if float(flags[name]) < least:
            raise ValueError(f"--{name} is {flags[name]}: must be >= {least}")


def _warnings(
    given: Mapping[str, Value], mode: Mode, mode_name: str, evaluate: bool
) -> tuple[str, ...]:
    """One line for each reason why flags have no effect."""
    own = {f"mode.{field.name}" for field in fields(mode)}
    told = [BY_NAME[name] for name in given]
    idle = [f for f in told if f.field.startswith("mode.") or BY_NAME[f.same_as or f.name].field]
    reasons: dict[str, list[SeedFlag]] = {
        "without effect: they concerned TensorFlow 1's machinery, which is not here": [
            flag for flag in told if flag.fate == "machinery"
        ],
        "without effect, in the original too: its loss was thrown away": [
            flag for flag in told if flag.fate == "dead"
        ],
        f"without effect in --model_mode {mode_name}, which has no such number": [
            flag
            for flag in idle
            if (field := BY_NAME[flag.same_as or flag.name].field).startswith("mode.")
            and field not in own
        ],
        "without effect in --run_mode eval, which drops nothing out": [
            flag for flag in told if evaluate and flag.name.endswith("_keep_prob")
        ],
    }
    return tuple(
        f"{', '.join(f'--{flag.name}' for flag in flags)}: {reason}"
        for reason, flags in reasons.items()
        if flags
    )
