"""The command line: what is parsed, what is printed, and the one line that a mistake gets."""

from __future__ import annotations

import io
import logging
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from farframe import __version__, cli
from farframe.cli_args import parse_predict, parse_train
from farframe.cli_evaluate import EvaluateArgs
from farframe.cli_parse import parse
from farframe.cli_words import UsageError, option, take_positional, unknown
from farframe.config import DataConfig, ModelConfig, TrainConfig
from farframe.modes import MODES
from farframe.presets import PRESETS
from farframe.training.stopping import Interrupted, TrainingError

DEBUG = PRESETS["debug"].config
HEAVY = ("torch", "numpy", "tyro", "rich", "av", "PIL")


@pytest.fixture(params=["utf-8", "ascii"])
def encoding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """tyro draws other boxes where a terminal can't show lines."""
    stdout = io.TextIOWrapper(io.BytesIO(), encoding=request.param)
    monkeypatch.setattr(sys, "stdout", stdout)


def run(*args: str) -> int:
    return cli.main(args)


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr, after checking that it is one and that nothing was printed."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert err.startswith("farframe: error: ")
    return err.removeprefix("farframe: error: ").rstrip()


# -- answers that need nothing heavy ---------------------------------------------------------------


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["trian"]])
def test_light_answers_import_nothing_heavy(args: list[str]) -> None:
    code = (
        "import sys; from farframe.cli import main; main(sys.argv[1:]); "
        f"print('heavy:', *[m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "heavy:"


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["help"]])
def test_help_names_every_verb(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*args) == 0
    text = capsys.readouterr().out
    for verb in ("train", "predict", "evaluate"):
        assert f"farframe {verb} " in text


def test_a_reader_that_has_read_enough_is_no_error() -> None:
    code = "import sys; from farframe.cli import main; sys.exit(main(['train', 'debug', '--help']))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize(
    "words", ["study shapes r --clips 0", "study persons r --every 0", "study rating a b --clips 0"]
)
def test_values_out_of_range_are_told_by_their_flags_alone(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words.split(), "--out", str(tmp_path / "out")) == 2
    assert error_line(capsys).startswith(f"{words.split()[-2]} is 0: must be ")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"farframe {__version__}\n"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), ["name a verb", "train", "predict", "evaluate"]),
        (("trian",), ["'trian'", "train meant"]),
        (("xyz",), ["'xyz'", "train, predict, evaluate"]),
    ],
)
def test_wrong_verb(
    args: tuple[str, ...], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*args) == 2
    line = error_line(capsys)
    assert all(word in line for word in words), line


# -- help of the verbs -----------------------------------------------------------------------------


def test_train_help_lists_each_preset_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--help") == 0
    lines = capsys.readouterr().out.splitlines()
    for name, preset in PRESETS.items():
        assert [line for line in lines if line.split()[:1] == [name]] == [
            line for line in lines if preset.summary in line
        ]
        assert sum(preset.summary in line for line in lines) == 1
    assert max(map(len, lines)) <= 100


def test_help_of_a_preset_shows_every_field_with_its_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("train", "debug", "--help") == 0
    out, err = capsys.readouterr()
    assert err == ""
    sections = {"model": ModelConfig, "data": DataConfig, "train": TrainConfig}
    for section, kind in (sections | {"mode": type(DEBUG.mode)}).items():
        for field in fields(kind):
            assert f"--{section}.{field.name.replace('_', '-')}" in out
    assert "Numbers in an encoding." in out
    assert "(default: 4)" in out  # the preset's width and steps, not the original's


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("predict", ["RUN INPUT", "--horizon", "--every", "--at", "--start", "--samples", "--npz"]),
        ("evaluate", ["RUN", "--data", "--split", "--horizon", "--clips", "--videos", "--out"]),
    ],
)
def test_help_of_a_verb(verb: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verb, "--help") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert all(word in out for word in words)


# -- parsing ---------------------------------------------------------------------------------------


def test_overrides_change_only_what_they_name() -> None:
    args = ["--out", "x", "--train.steps", "7", "--mode.lr=2e-3", "--data.sequence-length", "9"]
    parsed, config = parse_train([*args, "--model.encoder_grey_in"], DEBUG, "p")
    assert (parsed.out, parsed.resume) == (Path("x"), False)
    assert DEBUG.changes(config) == {
        "train.steps": 7,
        "mode.lr": 2e-3,
        "data.sequence_length": 9,
        "model.encoder_grey_in": True,
    }


@pytest.mark.parametrize(
    "args",
    [["--data", "d"], ["--data=d"], ["--data.path", "d"], ["--data", "d", "--data.path", "e"]],
)
def test_data_is_the_datas_path(args: list[str]) -> None:
    _, config = parse_train(["--out", "x", *args], DEBUG, "p")
    assert DEBUG.changes(config) == {"data.path": "d"}


def test_another_mode_keeps_what_both_have() -> None:
    tag = next(tag for tag in MODES if tag != DEBUG.mode.tag)
    _, config = parse_train(["--out", "x", "--mode", tag], DEBUG, "p")
    assert config.mode.tag == tag
    assert config.mode.lr == DEBUG.mode.lr
    _, config = parse_train(["--out", "x", "--mode", tag, "--mode.lr", "3e-3"], DEBUG, "p")
    assert config.mode.lr == 3e-3


@pytest.mark.usefixtures("encoding")
@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--train.stesp", "3"], ["'--train.stesp'", "--train.steps meant"]),
        (["--steps", "3"], ["'--steps'", "--train.steps meant"]),
        (["--lr=3"], ["'--lr'", "--mode.lr meant"]),
        (["--zzzzzz"], ["unknown option '--zzzzzz'", "p --help"]),
        (["--train.steps", "0"], ["train.steps is 0", "must be >= 1"]),
        (["--train.steps", "many"], ["--train.steps", "'many'"]),
        (["--train.steps"], ["--train.steps", "value"]),
        (["--model.frame-size", "50"], ["model.frame_size is 50", "32, 64, 96, 128"]),
        (["--model.encoder", "resnet"], ["'resnet'", "--model.encoder", "'vgg', 'conv'"]),
        (["--mode", "gan"], ["unknown mode 'gan'", *MODES]),
        (["stray"], ["stray"]),
    ],
)
def test_wrong_options_of_train(args: list[str], words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse_train(["--out", "x", *args], DEBUG, "p")
    message = str(caught.value)
    assert "\n" not in message
    assert not set("│╭╰─") & set(message)
    assert "---" not in message
    assert all(word in message for word in words), message


def test_rules_of_the_whole_run_are_checked() -> None:
    with pytest.raises(ValueError, match=r"data\.sequence_length is 2: must be above"):
        parse_train(["--out", "x", "--data.sequence-length", "2"], DEBUG, "p")


@pytest.mark.usefixtures("encoding")
def test_missing_options_are_named() -> None:
    with pytest.raises(UsageError, match=r"^missing: --out \(see p --help\)$"):
        parse_train([], DEBUG, "p")
    with pytest.raises(UsageError, match="missing: RUN, INPUT, --out, --horizon"):
        parse_predict([], "p")
    with pytest.raises(UsageError, match="missing: RUN"):
        parse(EvaluateArgs, [], "p")


@pytest.mark.parametrize(
    "args",
    [
        ["r", "i", "--out", "o", "--horizon", "50", "--at", "10,50"],
        ["r", "i", "--out", "o", "--horizon", "50", "--at", "10", "50"],
        ["--horizon", "50", "--at", "10,50", "--out", "o", "r", "i"],
        ["--horizon", "50", "--out", "o", "--at", "10", "50", "r", "i"],
        ["r", "--at", "10", "i", "--out", "o", "--horizon", "50", "--at", "50"],
        ["r", "i", "--out", "o", "--horizon", "50", "--at=10,50"],
    ],
)
def test_at_takes_numbers_apart_or_with_commas_at_any_place(args: list[str]) -> None:
    parsed = parse_predict(args, "p")
    assert parsed.prediction.at == (10, 50)
    assert (parsed.run, parsed.input, parsed.out) == (Path("r"), Path("i"), Path("o"))


@pytest.mark.usefixtures("encoding")
@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--horizon", "0"], ["horizon is 0", "at least 1"]),
        (["--horizon", "-5"], ["horizon is -5", "at least 1"]),
        (["--horizon", "9", "--at", "10"], ["--at is", "10", "1 to 9"]),
        (["--horizon", "9", "--at", "x"], ["--at is 'x'"]),
        (["--horizon", "9", "--at"], ["--at is ''"]),
        (["--horizon", "9", "--every", "0"], ["every is 0"]),
        (["--horizon", "9", "--samples", "0"], ["samples is 0"]),
        (["--horzion", "9"], ["--horizon meant"]),
    ],
)
def test_wrong_options_of_predict(args: list[str], words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse_predict(["r", "i", "--out", "o", *args], "p")
    assert all(word in str(caught.value) for word in words), caught.value


def test_words() -> None:
    assert option(["--a", "1", "--b=2", "--a", "3"], "--a") == "3"
    assert option(["--a", "1", "--b=2"], "--b") == "2"
    assert option(["--a_b=2"], "--a-b") == "2"
    assert option(["--a"], "--a") is None
    assert option([], "--a") is None
    args = ["--resume", "name", "--out", "x"]
    assert take_positional(args) == "name"
    assert args == ["--resume", "--out", "x"]
    assert take_positional(args) is None
    assert take_positional(["--out", "x", "name"]) == "name"
    assert unknown("fruit", "appel", ["pear", "apple"]) == "unknown fruit 'appel': is apple meant?"
    assert unknown("fruit", "x", ["pear"]) == "unknown fruit 'x': must be one of pear"


# -- train -----------------------------------------------------------------------------------------


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Keep what ``train`` would have been called with; set ``raise`` to let it fail."""
    import farframe.training.loop as loop
    from farframe.training.checkpoint import Checkpoint

    calls: dict[str, Any] = {}

    def train(config: Any, out: Path, **rest: Any) -> Checkpoint:
        calls.update(config=config, out=out, **rest)
        if "raise" in calls:
            raise calls["raise"]
        return Checkpoint(out / "checkpoints" / "step-000000004", 4)

    monkeypatch.setattr(loop, "train", train)
    return calls


def test_train_calls_the_loop(
    trained: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    assert run("train", "--out", out, "--train.steps", "4", "debug") == 0
    assert trained["config"] == DEBUG
    assert (trained["out"], trained["resume"], trained["overrides"]) == (Path(out), False, None)
    assert "trained 4 steps" in capsys.readouterr().out


def test_only_the_first_process_speaks(
    trained: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert run("train", "debug", "--out", str(tmp_path / "run")) == 0
    assert capsys.readouterr() == ("", "")


def test_actions_follow_the_data_unless_they_are_given(
    trained: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("farframe.data.source.actions_in", lambda data: 5)
    args = ("train", "debug", "--out", str(tmp_path / "run"))
    assert run(*args) == 0
    assert trained["config"].model.action_dim == 5
    assert "model.action_dim is 5, as shapes has it" in capsys.readouterr().out
    assert run(*args, "--model.action-dim", "0") == 0
    assert trained["config"].model.action_dim == 0
    assert run(*args, "--model.action_dim=3") == 0
    assert trained["config"].model.action_dim == 3  # the training refuses it, naming both


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (Interrupted(3, Path("c"), signal.SIGINT), 130, "farframe: stopped at step 3"),
        (Interrupted(3, Path("c"), signal.SIGTERM), 143, "farframe: stopped at step 3"),
        (TrainingError("step 3: not finite"), 1, "farframe: error: step 3: not finite"),
        (ValueError("two\nlines"), 2, "farframe: error: two lines"),
        (PermissionError(13, "Permission denied", "f"), 2, "farframe: error: f: Permission denied"),
        (MemoryError(), 1, "farframe: error: this machine has too little memory"),
        (KeyboardInterrupt(), 130, "farframe: interrupted"),
    ],
)
def test_what_ends_a_training_is_told_in_a_line(
    trained: dict[str, Any],
    error: BaseException,
    code: int,
    line: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained["raise"] = error
    assert run("train", "debug", "--out", str(tmp_path / "run")) == code
    err = capsys.readouterr().err
    assert err.startswith(line)
    assert err.count("\n") == 1


def test_a_mistake_of_the_programs_own_is_not_hidden(
    trained: dict[str, Any], tmp_path: Path
) -> None:
    trained["raise"] = RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug"):
        run("train", "debug", "--out", str(tmp_path / "run"))


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_debug_shows_the_traceback(
    trained: dict[str, Any],
    how: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained["raise"] = ValueError("no")
    args = ["train", "debug", "--out", str(tmp_path / "run")]
    if how == "flag":
        args.insert(1, "--debug")
    else:
        monkeypatch.setenv("FARFRAME_DEBUG", "1")
    assert run(*args) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("farframe: error: no\n")


def test_log_lines_go_to_stderr_and_only_during_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def speak(args: list[str]) -> int:
        logging.getLogger("farframe.data").warning("skipping %s", "a.mp4")
        logging.getLogger("farframe.data").info("caching 3 frames")
        logging.getLogger("farframe.data").debug("unimportant")
        return 0

    monkeypatch.setattr(cli, "_predict", speak)
    assert run("predict") == 0
    assert capsys.readouterr() == (
        "",
        "farframe: warning: skipping a.mp4\nfarframe: caching 3 frames\n",
    )
    assert not logging.getLogger("farframe").handlers
