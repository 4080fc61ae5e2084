"""Training under a limit of memory: what it says, does, stores, and goes on with."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from same_everywhere import quiet
from tiny_run import Heard, contents, differing

from farframe import cli
from farframe.run import RunConfig, load_config
from farframe.training import machine_memory, memory_plan
from farframe.training.loop import train
from farframe.training.state import TrainingState
from farframe.training.step_memory import StepMemory

WORKER = """
import resource, sys
from farframe import cli
code = cli.main(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
sys.exit(code)
"""


class Told(Heard):
    listens = True


def with_train(config: RunConfig, **train: Any) -> RunConfig:
    return replace(config, train=replace(config.train, **train))


def one_megabyte_a_clip(config: RunConfig, clips: int, *given: object) -> StepMemory:
    return StepMemory(weights=0, optimizer=0, activations=clips * 10**6, kept=0, batch=0)


def test_the_estimate_is_what_a_training_takes(tmp_path: Path) -> None:
    """Within a quarter of the most that the process has held, half of which are activations."""
    words = "train debug --model.width 24 --data.sequence-length 60 --data.batch-size 8"
    words += " --train.steps 1 --train.evaluate-every 0 --train.device cpu --out"
    done = subprocess.run(
        [sys.executable, "-c", WORKER, *words.split(), str(tmp_path / "run")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (said,) = [line for line in done.stdout.splitlines() if line.startswith("about ")]
    figures = r"about (\d+) MB of memory for 8 clips x 60 frames: activations\D* (\d+) MB, "
    found = re.match(figures + r"weights \d MB, optimizer \d MB, the rest (\d+) MB$", said)
    assert found is not None, said
    total, activations, rest = map(int, found.groups())
    measured = int(done.stdout.split("peak ")[1]) / 1e6
    assert activations > 0.45 * total
    assert total == pytest.approx(activations + rest, abs=25)
    assert measured == pytest.approx(total, rel=0.25), said


def test_a_limit_settles_the_run_which_goes_on_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4 steps are 2 and 2, bit for bit, though memory is found to be plenty by then."""
    monkeypatch.setattr(machine_memory, "held", lambda device: 0)
    monkeypatch.setattr(memory_plan, "step_memory", one_megabyte_a_clip)
    config = with_train(quiet("epev"), memory_limit="0.0011")
    short = with_train(config, steps=2)
    heard = Told()
    train(short, tmp_path / "parts", reporter=heard)
    (said,) = [line for line in heard.lines if line.startswith("about ")]
    assert said.endswith("; each step in 4 micro-batches of 1 clip(s)"), said
    stored = load_config(tmp_path / "parts").train
    assert (stored.memory_limit, stored.micro_batch_size) == ("0.0011", 1)
    assert stored.activation_checkpointing == 0
    more = {"train.steps": 4, "train.memory_limit": "off"}
    train(config, tmp_path / "parts", resume=True, overrides=more)
    train(with_train(config, memory_limit="off", micro_batch_size=1), tmp_path / "whole")
    assert differing(contents(tmp_path / "whole"), contents(tmp_path / "parts")) == []


def test_all_at_once_and_in_parts_learn_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the same batches: micro-batches are parts of a batch, in its order."""
    seen: dict[str, list[str]] = {}
    real = TrainingState._updates

    def see(self: TrainingState, batch: object) -> object:
        seen.setdefault(name, []).extend(batch.ids)  # type: ignore[attr-defined]
        return real(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(TrainingState, "_updates", see)
    for name, size in (("whole", 0), ("parts", 3)):
        train(with_train(quiet("e2e", steps=2), micro_batch_size=size), tmp_path / name)
    assert seen["whole"] == seen["parts"]
    assert len(seen["parts"]) == 2 * 4
    whole, parts = contents(tmp_path / "whole"), contents(tmp_path / "parts")
    moments = [name for name in whole if name.endswith("exp_avg")]
    assert moments
    scale = max(float(whole[name].abs().max()) for name in moments)
    for name in moments:  # Adam's second step is from weights that differ by rounding, enlarged
        assert float((parts[name] - whole[name]).abs().max()) < 0.01 * scale


@pytest.mark.parametrize("limit", ["0.01", "20GB"])
def test_what_cannot_be_is_one_line(
    limit: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(memory_plan, "step_memory", one_megabyte_a_clip)
    out = tmp_path / "run"
    command = ["train", "debug", "--train.memory-limit", limit, "--out", str(out)]
    assert cli.main(command) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"train.memory_limit is '{limit}'" in told
    assert not out.exists()
