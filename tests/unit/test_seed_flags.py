"""Each flag of the original and what it comes to, as a table; its commands as presets."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from seed_commands import commands, evaluating, prediction_train

from farframe.interop.seed_flags import BY_NAME, FLAGS
from farframe.interop.seed_help import help_text, markdown_rows
from farframe.interop.seed_run import SeedRun, seed_run
from farframe.interop.seed_words import reworded
from farframe.modes import MODES, SEED_NAMES
from farframe.presets import PRESETS

ROOT = Path(__file__).parents[2]
TRAIN: dict[str, Any] = {"data_dir": "data", "model_dir": "model", "is_training": True}
EVAL: dict[str, Any] = {"data_dir": "data", "model_dir": "model", "run_mode": "eval"}


def changed(**given: Any) -> dict[str, Any]:
    """What flags change of the run of a bare training in the mode that they name."""
    mode = {k: v for k, v in given.items() if k == "model_mode"}
    robot = {"dataset_type": "robot", "enc_size": 12}
    return seed_run(TRAIN | robot | mode).config.changes(seed_run(TRAIN | robot | given).config)


# Each flag with a value other than its default, the mode that has it, and all that it changes.
FIELDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"model_mode": "e2e"}, {}),
    ({"train_steps": 7}, {"train.steps": 7}),
    ({"model_mode": "epva_gan", "train_steps": 7}, {"train.steps": 42}),
    ({"model_mode": "epev_gan", "save_summary_steps": 9}, {"train.log_every": 54}),
    (
        {"model_mode": "epva_gan", "discrim_steps_per_pred": 2},
        {"mode.discrim_steps_per_pred": 2, "train.steps": 14_400_000, "train.log_every": 300},
    ),
    ({"batch_size": 3}, {"data.batch_size": 3}),
    ({"data_dir": "there"}, {"data.path": "there"}),
    (
        {"data_pattern": "push*"},
        {"data.data_pattern": "push*", "data.validation_pattern": "", "data.test_pattern": ""},
    ),
    ({"dataset_type": "human"}, {"name": "human-e2e", "data.controls": "zeros"}),
    ({"sequence_length": 20}, {"data.sequence_length": 20}),
    ({"sequence_length": 63, "skip_num": 2}, {"data.sequence_length": 32, "data.stride": 2}),
    ({"skip_num": 3}, {"data.sequence_length": 4, "data.stride": 3}),
    ({"context_frames": 5}, {"model.context_frames": 5}),
    ({"color_data_augment": True}, {"data.hue_jitter": 0.5}),
    ({"save_summary_steps": 9}, {"train.log_every": 9}),
    ({"save_checkpoints_secs": 5}, {"train.checkpoint_secs": 5.0}),
    ({"enc_size": 16}, {"model.enc_size": 16}),
    ({"enc_keep_prob": 0.65}, {"model.enc_keep_prob": 0.65}),
    ({"van_keep_prob": 0.9}, {"model.van_keep_prob": 0.9}),
    ({"encoder_grey_in": True}, {"model.encoder_grey_in": True}),
    ({"enc_pred_use_l2norm": True}, {"model.enc_norm": "l2"}),
    ({"pred_noise_std": 1.0}, {"model.pred_noise_std": 1.0}),
    ({"lstm_state_noise_stddev": 0.1}, {"model.lstm_state_noise_stddev": 0.1}),
    ({"imgnet_pretrain": True}, {"train.encoder_weights": "imagenet"}),
    ({"imgnet_pretrain": True, "pretrain_path": "v"}, {"train.encoder_weights": "v"}),
    ({"epv_pretrain_ckpt": "runs/epev"}, {"train.start_from": "runs/epev"}),
    ({"all_learning_rate": 2e-5}, {"mode.lr": 2e-5}),
    ({"model_mode": "individual", "enc_learning_rate": 2e-5}, {"mode.enc_lr": 2e-5}),
    ({"model_mode": "individual", "pred_learning_rate": 2e-5}, {"mode.pred_lr": 2e-5}),
    ({"model_mode": "individual", "pred_learning_rate_map": 2e-5}, {"mode.pred_lr": 2e-5}),
    ({"model_mode": "individual", "van_learning_rate": 2e-5}, {"mode.van_lr": 2e-5}),
    ({"model_mode": "epva_gan", "discrim_learning_rate": 0.1}, {"mode.discrim_lr": 0.1}),
    ({"model_mode": "epva", "enc_pred_loss_scale": 1.0}, {"mode.enc_pred_weight": 1.0}),
    ({"model_mode": "epev", "enc_pred_loss_scale_delay": 6e5}, {"mode.enc_pred_delay": 6e5}),
    ({"model_mode": "epev", "enc_pred_use_l1_loss": True}, {"mode.enc_pred_l1": True}),
    ({"model_mode": "epev", "enc_noise_stddev": 0.2}, {"mode.enc_noise_std": 0.2}),
    ({"model_mode": "e2epose_oneop", "pose_weight": 3.0}, {"mode.pose_weight": 3.0}),
    ({"model_mode": "epva_gan", "use_wgan": False}, {"mode.use_wgan": False}),
    ({"model_mode": "epva_gan", "discrim_context": 2}, {"mode.discrim_context": 2}),
    ({"clip_gradient_norm": 0.01}, {"train.clip_gradient_norm": 0.01}),
    ({"width": 8}, {"model.width": 8}),
    ({"device": "cpu"}, {"train.device": "cpu"}),
    ({"seed": 3}, {"train.seed": 3}),
    ({"workers": 2}, {"data.workers": 2}),
]  # fmt: skip
ELSEWHERE = {
    "run_mode", "is_training", "debug", "model_dir", "event_log_dir", "use_image_summary",
    "pose_dim", "joint_pos_dim", "eval_once", "eval_clips", "enc_size_set", "van_r_weight",
}  # fmt: skip
"""Flags that other tests here are about."""


def named(given: dict[str, Any]) -> str:
    return " ".join(f"{k}={v}" for k, v in given.items())


@pytest.mark.parametrize(
    ("given", "changes"),
    FIELDS,
    ids=lambda x: named(x),
)
def test_a_flag_changes_its_field_and_no_other(
    given: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert changed(**given) == changes


def test_the_table_is_complete() -> None:
    tested = {name for given, _ in FIELDS for name in given} | ELSEWHERE
    machinery = {name for name, flag in BY_NAME.items() if flag.fate == "machinery"}
    assert tested | machinery == set(BY_NAME)
    assert not tested & machinery


def test_every_mode_has_a_name() -> None:
    assert set(SEED_NAMES.values()) == set(MODES) - {
        "epev_e2e",
        "epev_pose",
        "predictor_only",
    }  # not its
    for name, tag in SEED_NAMES.items():
        robot = {"dataset_type": "robot", "enc_size": 12, "model_mode": name}
        assert seed_run(TRAIN | robot).config.mode.tag == tag


@pytest.mark.parametrize("name", [n for n, f in BY_NAME.items() if f.fate in ("machinery", "dead")])
def test_machinery_and_the_dead_get_one_warning_and_change_nothing(name: str) -> None:
    assert changed(**{name: BY_NAME[name].default}) == {}
    (warning,) = seed_run(TRAIN | {name: BY_NAME[name].default}).warnings
    assert warning.startswith(f"--{name}: without effect")


def test_all_machinery_together_gets_one_warning() -> None:
    (warning,) = seed_run(TRAIN | {"cycle_length": 3, "use_tpu": True, "ps_tasks": 2}).warnings
    assert warning.startswith("--cycle_length, --use_tpu, --ps_tasks: without effect")


def test_what_a_mode_does_not_have_gets_a_warning() -> None:
    (warning,) = seed_run(TRAIN | {"pose_weight": 2.0, "pred_learning_rate_map": 1e-3}).warnings
    assert warning.startswith("--pose_weight, --pred_learning_rate_map: without effect in --model_")
    assert seed_run(TRAIN | {"all_learning_rate": 2.0}).warnings == ()


def test_where_a_run_writes_and_what_eval_does() -> None:
    run = seed_run(TRAIN)
    assert (run.model_dir, run.event_log_dir) == (Path("model"), Path("model/logs"))
    assert (run.evaluate, run.images, run.eval_once, run.eval_clips) == (False, True, False, 64)
    assert seed_run(TRAIN | {"event_log_dir": "events"}).event_log_dir == Path("events")
    run = seed_run(EVAL | {"data_pattern": "validation", "use_image_summary": False})
    assert (run.evaluate, run.images) == (True, False)
    assert run.config.data.validation_pattern == "validation"
    run = seed_run(EVAL | {"eval_once": True, "eval_clips": 3, "enc_keep_prob": 0.5})
    assert (run.eval_once, run.eval_clips) == (True, 3)
    (warning,) = run.warnings
    assert warning.startswith("--enc_keep_prob: without effect in --run_mode eval")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model_dir": "m", "is_training": True}, "--data_dir is missing"),
        ({"data_dir": "d", "is_training": True}, "--model_dir is missing"),
        ({**TRAIN, "is_training": False}, "--is_training is off in --run_mode train"),
        ({**EVAL, "is_training": True}, "--is_training is on in --run_mode eval"),
        ({**TRAIN, "pretrain_path": "v"}, "--pretrain_path is given without --imgnet_pretrain"),
        ({**TRAIN, "imgnet_pretrain": True, "width": 4}, "--imgnet_pretrain with --width 4"),
        (
            {**TRAIN, "imgnet_pretrain": True, "epv_pretrain_ckpt": "x"},
            "--imgnet_pretrain and --epv_pretrain_ckpt",
        ),
        ({**TRAIN, "enc_size": 8, "enc_size_set": 9}, "--enc_size is 8 and --enc_size_set is 9"),
        ({**TRAIN, "pose_dim": 6}, "--pose_dim is 6: must be 5"),
        ({**TRAIN, "joint_pos_dim": 3}, "--joint_pos_dim is 3: must be 7"),
        ({**TRAIN, "eval_once": True}, "--eval_once is given in --run_mode train"),
        ({**TRAIN, "save_checkpoints_secs": 0.0}, "--save_checkpoints_secs is 0"),
        ({**TRAIN, "model_mode": "epva_gan", "train_steps": -1}, "--train_steps is -1: must be >="),
        ({**TRAIN, "save_summary_steps": 0}, "--save_summary_steps is 0: must be >= 1"),
        ({**EVAL, "eval_clips": -1}, "--eval_clips is -1"),
        ({**TRAIN, "skip_num": 0}, "--skip_num is 0"),
        ({**TRAIN, "skip_num": 5}, "reads 2 frame.*more than --context_frames .2"),
        ({**TRAIN, "dataset_type": "cat"}, "--dataset_type is 'cat': must be one of robot, human"),
        ({**TRAIN, "enc_sze": 3}, "'--enc_sze': is --enc_size meant"),
        ({**TRAIN, "model_mode": "e2epose_oneop"}, "e2epose_oneop learns from poses"),
        (
            {**TRAIN, "model_mode": "individual", "dataset_type": "robot"},
            "--enc_size is 64.*must be 12",
        ),
    ],
)
def test_contradictions_and_gaps(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        seed_run(given)
    assert re.search(words, reworded(str(caught.value)))


def test_another_spelling_is_the_flag() -> None:
    assert changed(enc_size=20) == {"model.enc_size": 20}
    assert seed_run(TRAIN | {"enc_size_set": 20}).config.model.enc_size == 20
    assert seed_run(TRAIN | {"enc_size_set": 20, "enc_size": 20}).config.model.enc_size == 20


def test_messages_speak_of_the_originals_flags() -> None:
    assert reworded("mode.lr is 3, leave out --mode.lr") == (
        "--all_learning_rate is 3, leave out --all_learning_rate"
    )
    assert reworded("stopped, checkpoint m/x; continue with --resume") == (
        "stopped, checkpoint m/x; the same command goes on from there"
    )
    assert reworded("model.enc_norm is 'l2', but m was trained with 'none': give") == (
        "--enc_pred_use_l2norm is on, but m was trained with it off: give"
    )
    assert reworded("x has others (model.enc_norm none): --model.enc-norm l2 would fit") == (
        "x has others (--enc_pred_use_l2norm off): --enc_pred_use_l2norm would fit"
    )
    assert reworded("rate (--mode.pred-lr), --train.clip-gradient-norm 1 or --train.amp off") == (
        "rate (--pred_learning_rate) or --clip_gradient_norm 1"
    )
    assert reworded("/a/data.path/mode.lr can't be read") == "/a/data.path/mode.lr can't be read"


def test_advice_can_be_followed() -> None:
    """Messages that a run of the seed can meet name no option that it doesn't have.

    It meets none of the splits by hash and time, of ``evaluate_every``, of
    micro-batches, of softmotion's cameras, and of poses of another width.
    """
    others = {"--data.split", "--data.camera", "--mode.pose-size"}
    others |= {"--train.evaluate-every", "--train.evaluate-horizon"}
    others |= {"--train.activation-checkpointing", "--train.fresh-predictor"}
    files = ["training/*.py", "data/tfrecord*.py", "data/clips.py", "data/loader.py", "run.py"]
    files += ["data/splits.py", "interop/tf_*.py", "interop/vgg*.py", "modes/*.py"]
    left: set[str] = set()
    for path in (p for pattern in files for p in (ROOT / "src" / "farframe").glob(pattern)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr | ast.Constant):
                said = reworded(re.sub(r"\s+", " ", ast.unparse(node)))
                left |= set(re.findall(r"--(?:model|data|train|mode)\.[a-z-]+", said))
    assert left == others


# -- the commands ----------------------------------------------------------------------------------


def of_command(words: list[str]) -> SeedRun:
    return seed_run(prediction_train().parsed([*words, "--data_dir", "d", "--model_dir", "m"]))


@pytest.mark.parametrize(("name", "words"), commands().items(), ids=list(commands()))
def test_a_command_is_its_preset(name: str, words: list[str]) -> None:
    run = of_command(words)
    assert run.warnings == ()
    assert run.config.changes(PRESETS[name].config) == {"data.path": ""}


@pytest.mark.parametrize(("name", "words"), commands().items(), ids=list(commands()))
def test_a_command_is_evaluated_as_what_it_trained(name: str, words: list[str]) -> None:
    run = of_command(evaluating(words))
    assert run.evaluate
    assert run.warnings == ()
    changes = set(run.config.changes(of_command(words).config))
    drop = {"model.enc_keep_prob", "model.van_keep_prob"}
    assert changes <= drop | {"data.validation_pattern"}


def test_the_authors_published_setting_for_one_gpu_is_a_preset() -> None:
    words = commands()["human-epev"]
    given = prediction_train().parsed([*words, "--data_dir", "d", "--model_dir", "m"])
    given |= {"all_learning_rate": 1e-4, "enc_pred_loss_scale_delay": 2e4}
    given |= {"train_steps": 120_000, "enc_size_set": 64}
    changes = seed_run(given).config.changes(PRESETS["human-epev-1gpu"].config)
    assert changes == {"data.path": "", "name": "human-epev-1gpu"}


def test_the_authors_published_gan_is_a_preset() -> None:
    command = (
        "--model_mode epva_gan --enc_learning_rate 1e-5 --pred_learning_rate_map 1e-06 "
        "--van_learning_rate 3e-06 --discrim_learning_rate 3e-06 --enc_pred_loss_scale 10 "
        "--enc_size_set 64 --enc_keep_prob .65 --van_keep_prob .9 --batch_size 16 "
        "--sequence_length 64 --skip_num 2 --context_frames 5 --run_mode train --is_training "
        "--train_steps 1000000 --clip_gradient_norm .01 --pred_noise_std 1.0 --enc_pred_use_l2norm"
    )
    run = of_command(command.split())
    assert run.config.changes(PRESETS["human-epev-gan"].config) == {"data.path": ""}
    (warning,) = run.warnings
    assert warning.startswith("--enc_learning_rate: without effect in --model_mode epva_gan")


# -- what people read ------------------------------------------------------------------------------


def test_help_lists_every_flag() -> None:
    text = help_text()
    assert all(f"--{name}" in text for name in BY_NAME)
    assert max(map(len, text.splitlines())) <= 100


def test_the_page_has_the_table() -> None:
    page = (ROOT / "docs" / "seed.md").read_text(encoding="utf-8")
    rows = [row for heading in FLAGS for row in markdown_rows(heading)]
    missing = [row for row in rows if row not in page.splitlines()]
    assert missing == []
    assert len(re.findall(r"^\| `--", page, re.MULTILINE)) == len(rows)
