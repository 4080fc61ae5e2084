"""The examples of docs/distributed.md: shell and YAML that say what torchrun and farframe take."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from torch.distributed.run import get_args_parser

from farframe.cli_args import parse_train
from farframe.presets import PRESETS

TEXT = (Path(__file__).parents[2] / "docs" / "distributed.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return found


def from_shell() -> list[str]:
    script = block("bash")
    command = script[script.index("srun") :].replace("\\\n", " ")
    for name, value in (("$SLURM_NNODES", "2"), ("$SLURM_JOB_ID", "7"), ("$first", "one")):
        command = command.replace(name, value)
    words = shlex.split(command)
    return words[words.index("torchrun") + 1 :]


def from_yaml() -> list[str]:
    lines = block("yaml").partition("args:\n")[2].partition("resources:")[0].splitlines()
    return [line.strip().removeprefix("- ") for line in lines if line.strip()]


@pytest.mark.parametrize("words", [from_shell(), from_yaml()], ids=["slurm", "kubernetes"])
def test_torchrun_and_farframe_take_the_command(words: list[str]) -> None:
    parsed = get_args_parser().parse_args(words)
    assert (parsed.nnodes, parsed.nproc_per_node, parsed.module) == ("2", "8", True)
    assert parsed.training_script == "farframe"
    verb, preset, *args = parsed.training_script_args
    assert verb == "train"
    given, config = parse_train(args, PRESETS[preset].config, "farframe train")
    assert given.resume
    assert config.data.batch_size % 16 == 0


def test_the_script_is_shell() -> None:
    done = subprocess.run(["bash", "-n"], input=block("bash"), text=True, check=False)
    assert done.returncode == 0
