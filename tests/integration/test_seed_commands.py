"""The seed's ten commands as its README has them: five trainings, and their evaluations.

Added are the folders, ``--train_steps``, farframe's own ``--width``, and a batch of two clips: at
the original's sizes a step takes many seconds on the machines that run tests.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from seed_commands import commands, evaluating, prediction_train
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from farframe.config import ModelConfig
from farframe.data.tfrecord_writer import write_tfrecords
from farframe.models.encoder import Encoder
from farframe.run import load, load_config
from farframe.training.checkpoint import checkpoints
from farframe.types import Clip

COMMANDS = commands()
seeds = pytest.mark.parametrize("name", COMMANDS)
SMALL = ["--width", "4", "--device", "cpu", "--train_steps", "1", "--save_summary_steps", "1"]
SMALL += ["--batch_size", "2"]
FILMED = ("robot-individual", "human-epev")  # the others leave out films, half of what a test takes


def records(path: Path, count: int, length: int, robot: bool) -> None:
    """Clips of a few grey patches: pictures of noise take long to log as films."""
    rng = np.random.default_rng(length + count)
    write_tfrecords(
        path,
        (
            Clip(
                frames=rng.integers(0, 256, (length, 1, 2, 2), dtype=np.uint8)
                .repeat(3, axis=1)
                .repeat(8, axis=2)
                .repeat(8, axis=3),
                actions=rng.standard_normal((length, 5 * robot)).astype(np.float32),
                poses=rng.standard_normal((length, 12 * robot)).astype(np.float32),
                fps=1.0,
                id="",
            )
            for _ in range(count)
        ),
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seed")
    for kind, length in (("robot", 20), ("human", 64)):
        (folder / kind).mkdir()
        records(folder / kind / f"{kind}-train-0.tfrecord", 3, length, kind == "robot")
        records(folder / kind / f"{kind}-validation-0.tfrecord", 2, length, kind == "robot")
    narrow = Encoder(ModelConfig(width=4)).features.state_dict()
    vgg = {f"features.{name}": torch.rand_like(value) / 9 for name, value in narrow.items()}
    safetensors.torch.save_file(vgg, folder / "vgg.safetensors")
    return folder


def folders(data: Path, name: str, out: Path) -> list[str]:
    places = (data / name.partition("-")[0], out / "model", out / "logs")
    flags = ("--data_dir", "--model_dir", "--event_log_dir")
    return [word for pair in zip(flags, map(str, places), strict=True) for word in pair]


def run(*words: str) -> int:
    return prediction_train().main(words)


def runnable(words: list[str], data: Path) -> list[str]:
    """The README: "Specify the pretrain_path flag if imgnet_pretrain is set"."""
    path = ["--pretrain_path", str(data / "vgg.safetensors")]
    return [*words, *(path if "--imgnet_pretrain" in words else [])]


@seeds
def test_a_command_trains_goes_on_and_is_evaluated(name: str, data: Path, tmp_path: Path) -> None:
    words = [*runnable(COMMANDS[name], data), *folders(data, name, tmp_path), *SMALL]
    assert run(*words) == 0
    config = load_config(tmp_path / "model")
    assert config.name == name
    assert config.data.sequence_length == (20 if name.startswith("robot") else 32)
    assert [c.step for c in checkpoints(tmp_path / "model")] == [1]
    assert run(*words, "--train_steps", "2") == 0
    assert [c.step for c in checkpoints(tmp_path / "model")] == [2, 1]
    events = EventAccumulator(str(tmp_path / "logs"))
    events.Reload()
    losses = [tag for tag in events.Tags()["scalars"] if tag.startswith("loss/")]
    assert losses
    assert [e.step for e in events.Scalars(losses[0])] == [1, 2]
    load(tmp_path / "model")

    words = [*runnable(evaluating(COMMANDS[name]), data), *folders(data, name, tmp_path), *SMALL]
    filmed = name in FILMED
    words += [] if filmed else ["--nouse_image_summary"]
    assert run(*words, "--train_steps", "2") == 0
    events = EventAccumulator(str(tmp_path / "logs" / "eval"))
    events.Reload()
    scalars, films = events.Tags()["scalars"], events.Tags()["images"]
    expected = {
        f"{n}_loss/{k}" for n in ("van", "van_on_enc") for k in ("loss", "psnr_all", "psnr")
    }
    quants = {"pose_from_enc_loss_quant/loss", "pose_from_pred_loss_quant/loss"}
    expected |= quants if name.startswith("robot") else set()
    posed = {"van_on_pose_loss/psnr", "pose_from_pred_on_pose_loss_quant/loss"}
    expected |= posed if "indiv" in name else set()
    assert expected | {"enc_pred_loss/loss"} <= set(scalars)
    for tag in scalars:
        assert [e.step for e in events.Scalars(tag)] == [1, 2], tag
        assert all(math.isfinite(e.value) for e in events.Scalars(tag))
    drawn = {"van_out_all", "van_on_enc_all"} | ({"van_on_pose_all"} if "indiv" in name else set())
    assert set(films) == (drawn if filmed else set())
    logged = (tmp_path / "logs" / "eval" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in logged] == [1, 2]


def test_eval_waits_for_a_training_and_ends_with_it(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farframe.evaluation.follow.POLL_SECONDS", 0.05)
    more = [
        "--sequence_length",
        "4",
        "--enc_size",
        "12",
        "--enc_size_set",
        "12",
        "--nouse_image_summary",
    ]
    name = "robot-individual"
    words = [*evaluating(COMMANDS[name]), *folders(data, name, tmp_path), *SMALL, *more]
    codes: list[int] = []
    watcher = threading.Thread(target=lambda: codes.append(run(*words)))
    watcher.start()
    time.sleep(0.3)
    assert watcher.is_alive()
    trained = [*COMMANDS[name], *folders(data, name, tmp_path), *SMALL, *more]
    assert run(*trained) == 0
    watcher.join(60)
    assert codes == [0]
    assert caplog.text.count("has no checkpoint yet: waiting") == 1
    logged = (tmp_path / "logs" / "eval" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in logged] == [1]


GAN = "--enc_size 16 --enc_pred_use_l2norm --sequence_length 4 --save_summary_steps 1"
GAN += " --width 4 --device cpu --batch_size 2"
ORIGINAL = Path(__file__).parents[1] / "golden" / "ckpt" / "model.ckpt-100"


@pytest.fixture(scope="module")
def epev(data: Path) -> Path:
    out = data / "epev"
    words = ["--model_mode", "epev", "--is_training", *folders(data, "human", out), *GAN.split()]
    assert run(*words, "--train_steps", "1") == 0
    return out / "model"


@pytest.mark.parametrize(("wgan", "kind"), [("--use_wgan", "robot"), ("--nouse_wgan", "human")])
def test_the_gan_starts_from_epev_and_is_evaluated(
    wgan: str, kind: str, data: Path, epev: Path, tmp_path: Path
) -> None:
    """One step of the original's: a turn of the networks that predict, five of the critic."""
    start = epev if kind == "robot" else ORIGINAL
    words = ["--model_mode", "epva_gan", "--dataset_type", kind, wgan, *GAN.split()]
    words += [*folders(data, kind, tmp_path), "--pred_noise_std", "1", "--train_steps", "1"]
    assert run(*words, "--is_training", "--epv_pretrain_ckpt", str(start)) == 0
    assert [c.step for c in checkpoints(tmp_path / "model")] == [6]
    events = EventAccumulator(str(tmp_path / "logs"))
    events.Reload()
    steps = {n: [e.step for e in events.Scalars(f"loss/{n}")] for n in ("gan_gen", "gan_disc")}
    assert steps == {"gan_gen": [6], "gan_disc": [6]}
    assert run(*words, "--run_mode", "eval", "--data_pattern", "validation") == 0
    line = (tmp_path / "logs" / "eval" / "metrics.jsonl").read_text()
    values = json.loads(line)
    both = {"gan_gen_loss/loss", "gan_disc_loss/loss", "enc_pred_loss/loss", "van_loss/psnr"}
    totals = {f"total_loss/{group}" for group in ("decoder", "predictor", "discriminator")}
    assert both | totals <= values.keys()
    assert all(math.isfinite(value) for value in values.values())


def test_mistakes_get_one_line_and_leave_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    robot, human = (folders(data, n, tmp_path) for n in ("robot-e2e", "human-e2e"))
    train = [*COMMANDS["robot-e2e"], *robot, *SMALL]
    mistakes: list[tuple[list[str], list[str]]] = [
        ([*train, "--enc_sise", "3"], ["'--enc_sise'", "--enc_size meant"]),
        ([*train, "--nois_trainin"], ["'--nois_trainin'", "--nois_training meant"]),
        ([*train, "--batch_size", "many"], ["--batch_size is 'many': must be a whole number"]),
        ([*train, "--train_steps=3e6"], ["--train_steps is '3e6': must be a whole number"]),
        ([*train, "--enc_keep_prob", "x"], ["--enc_keep_prob is 'x': must be a number"]),
        ([*train, "--all_learning_rate", "nan"], ["--all_learning_rate is nan: must be a finite"]),
        ([*train, "--use_wgan=maybe"], ["--use_wgan is 'maybe': must be true or false"]),
        ([*train, "--train_steps"], ["Missing value for flag --train_steps"]),
        ([*train, "--flagfile", "nofile"], ["error: Unable to open flagfile", "'nofile'"]),
        ([*train, "stray"], ["'stray' is neither a flag nor a flag's value\n"]),
        (
            [*train, "--use_wgan", "true"],
            ["'true'", "--use_wgan takes none, write that or --nouse"],
        ),
        ([*train, "--nois_training"], ["--is_training is off in --run_mode train"]),
        ([*train, "--run_mode", "eval"], ["--is_training is on in --run_mode eval"]),
        (
            [*train, "--sequence_length", "30"],
            ["robot-train-0", "20 frames", "--sequence_length 30"],
        ),
        ([*train, "--enc_keep_prob", "2"], ["--enc_keep_prob is 2.0", "at most 1"]),
        (
            [*train, "--data_dir", str(tmp_path / "no")],
            ["no does not exist: name the folder of TFRecords with --data_dir"],
        ),
        ([*train, "--enc_size", "8"], ["--enc_size is 8 and --enc_size_set is 16", "give one"]),
        (
            [*train, "--epv_pretrain_ckpt", str(tmp_path)],
            ["--epv_pretrain_ckpt: ", "is not a run: it has no config.json"],
        ),
        ([*train, "--data_pattern", "nothing"], ["data_pattern 'nothing'", "set --data_pattern"]),
        ([*train, *human[:2]], ["human-train-0", "--dataset_type human does without"]),
        ([*train, "--model_mode", "gan"], ["--model_mode is 'gan'", "epev"]),
    ]
    for words, expected in mistakes:
        assert run(*words) == 2, words
        err = capsys.readouterr().err
        assert err.count("\n") == 1, err
        assert all(part in err for part in expected), err
        assert not [w for w in ("--data.", "--train.", "--model.", "--mode.") if w in err], err
        assert not list(tmp_path.iterdir()), err


def test_a_training_that_goes_on_keeps_its_flags(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = [*COMMANDS["robot-e2e"], *folders(data, "robot-e2e", tmp_path), *SMALL]
    short = [*words, "--sequence_length", "4"]
    assert run(*short) == 0
    capsys.readouterr()
    assert run(*short, "--all_learning_rate", "1e-3") == 2
    err = capsys.readouterr().err
    assert "--all_learning_rate is 0.001, but the run was started with 1e-05" in err
    flags = [*folders(data, "robot-e2e", tmp_path), *SMALL, "--eval_once", "--enc_size_set", "8"]
    assert (
        run(
            *evaluating(COMMANDS["robot-e2e"])[:6],
            "--nois_training",
            "--run_mode",
            "eval",
            "--data_pattern",
            "validation",
            *flags,
        )
        == 2
    )
    assert "--enc_size is 8, but" in capsys.readouterr().err
    with monkeypatch.context() as several:
        several.setenv("WORLD_SIZE", "2")
        assert run(*evaluating(COMMANDS["robot-e2e"]), *folders(data, "robot-e2e", tmp_path)) == 2
    assert "--run_mode eval takes one process" in capsys.readouterr().err
    empty = [*evaluating(COMMANDS["robot-e2e"]), *folders(data, "robot-e2e", tmp_path / "x")]
    assert run(*empty, *SMALL, "--eval_once") == 2
    assert "has no checkpoint that can be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--help"], 0, "--enc_pred_loss_scale_delay (0)"),
        (["--model_mod", "e2e"], 2, "unknown flag '--model_mod': is --model_mode meant?"),
        (["--model_mode", "e2e"], 2, "--data_dir is missing"),
    ],
    ids=["help", "misspelt", "missing"],
)
def test_answers_without_work(
    words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == code
    one_answer(*capsys.readouterr(), code, told)


def one_answer(out: str, err: str, code: int, told: str) -> None:
    text, other = (err, out) if code else (out, err)
    assert told in text
    assert not other
    assert code == 0 or text.count("\n") == 1


def test_the_script_itself(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "prediction_train.py"
    command = [sys.executable, str(script), "--model_mode", "e2e"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    one_answer(done.stdout, done.stderr, 2, "--data_dir is missing")
    assert not list(tmp_path.iterdir())
