"""Going on with a run: bit for bit, whatever stopped it, and refusing what would not be that."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_run import Heard, contents, differing, tiny

from farframe.run import RunConfig, load_config
from farframe.training import checkpoint
from farframe.training.checkpoint import DamagedError
from farframe.training.loop import train
from farframe.training.stopping import Interrupted

# Twelve batches are an epoch: training 4 steps ends in its middle, 14 in that of the second.
SMALL = {"clips": 10, "clip_length": 6, "world_seed": 3}


def jsonl(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def stopped_at(config: RunConfig, run: Path, step: int, **options: Any) -> None:
    """Train to ``step`` and get a SIGTERM there."""
    heard = Heard(at={step: lambda: os.kill(os.getpid(), signal.SIGTERM)})
    with pytest.raises(Interrupted):
        train(config, run, reporter=heard, **options)


# -- bit for bit ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train_options", "data"),
    [
        ({}, {}),
        ({"steps": 14, "schedule": "cosine", "warmup_steps": 3}, SMALL),
        ({"amp": "fp16"}, {}),
        ({"amp": "bf16", "clip_gradient_norm": 1.0, "clip_kind": "global"}, {}),
        ({"evaluate_every": 1, "evaluate_horizon": 2, "evaluate_clips": 2}, {"workers": 1}),
    ],
    ids=["plain", "second-epoch", "fp16", "bf16", "evaluated-workers"],
)
def test_stopped_and_resumed_is_undisturbed(
    train_options: dict[str, Any], data: dict[str, Any], tmp_path: Path
) -> None:
    config = tiny(**train_options, data=data)
    train(config, tmp_path / "whole")
    stopped_at(config, tmp_path / "parts", 1)
    torch.manual_seed(99)  # as another process would, it begins with another random state
    stopped_at(config, tmp_path / "parts", config.train.steps - 1, resume=True)
    torch.rand(7)
    train(config, tmp_path / "parts", resume=True)
    assert differing(contents(tmp_path / "whole"), contents(tmp_path / "parts")) == []
    first, second = (jsonl(tmp_path / name)[-1] for name in ("whole", "parts"))
    assert first["step"] == second["step"] == config.train.steps


def test_a_longer_run_goes_on_where_the_shorter_ended(tmp_path: Path) -> None:
    train(tiny(steps=2), tmp_path / "parts")
    heard = Heard()
    train(tiny(steps=4), tmp_path / "parts", resume=True, reporter=heard)
    assert heard.begun == [(2, 4)]
    assert "going on at step 2 of 4" in heard.lines[0]
    train(tiny(steps=4), tmp_path / "whole")
    assert differing(contents(tmp_path / "whole"), contents(tmp_path / "parts")) == []
    assert load_config(tmp_path / "parts").train.steps == 4


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path) -> None:
    last, heard = train(tiny(), tmp_path), Heard()
    before = last.path.stat().st_mtime_ns
    assert train(tiny(), tmp_path, resume=True, reporter=heard) == last
    assert heard.steps == []
    assert last.path.stat().st_mtime_ns == before


def test_resuming_nothing_begins(tmp_path: Path) -> None:
    heard = Heard()
    train(tiny(steps=1), tmp_path / "run", resume=True, reporter=heard)
    assert "starting at step 0 of 1" in heard.lines[0]


def test_a_run_without_checkpoint_resumes_as_it_was_configured(tmp_path: Path) -> None:
    def die() -> None:
        raise KeyError("died")

    with pytest.raises(KeyError):
        train(tiny(seed=7), tmp_path, reporter=Heard(at={2: die}))
    train(tiny(), tmp_path, resume=True, overrides={})
    assert load_config(tmp_path).train.seed == 7


def test_torchruns_restarts_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped_at(tiny(), tmp_path, 2)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    heard = Heard()
    train(tiny(), tmp_path, reporter=heard)
    assert heard.steps == [3, 4]


# -- logs ----------------------------------------------------------------------------------------


def test_no_step_is_logged_twice(tmp_path: Path) -> None:
    """A run killed at step 5 goes on from its checkpoint at 3."""

    def die() -> None:
        raise KeyError("died")

    config = tiny(steps=6, log_every=1, checkpoint_every=3)
    with pytest.raises(KeyError):
        train(config, tmp_path, reporter=Heard(at={6: die}))
    assert [x["step"] for x in jsonl(tmp_path)] == [1, 2, 3, 4, 5]
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "loss/v')  # a torn line
    train(config, tmp_path, resume=True)
    assert [x["step"] for x in jsonl(tmp_path)] == [1, 2, 3, 4, 5, 6]
    events = EventAccumulator(str(tmp_path / "logs"), {"scalars": 0})
    events.Reload()
    for name in ("loss/enc_pred", "lr/all"):
        assert [e.step for e in events.Scalars(name)] == [1, 2, 3, 4, 5, 6]


# -- damaged checkpoints -------------------------------------------------------------------------


def test_a_damaged_checkpoint_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = tiny(checkpoint_every=1, keep_checkpoints=3)
    train(config, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "run")
    os.truncate(tmp_path / "run/checkpoints/step-000000004/weights.safetensors", 100)
    heard = Heard()
    train(config, tmp_path / "run", resume=True, reporter=heard)
    assert heard.begun == [(3, 4)]
    assert "100 bytes instead of" in caplog.text
    assert differing(contents(tmp_path / "whole"), contents(tmp_path / "run")) == []
    assert (tmp_path / "run/checkpoints/damaged-step-000000004").is_dir()


def test_no_intact_checkpoint_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    last = train(tiny(), tmp_path)
    os.truncate(last.path / "training.pt", 100)
    before = sorted(p.name for p in tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=r"none of the 1 checkpoint\(s\) .* is intact"):
        train(tiny(), tmp_path, resume=True)
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_a_missing_or_damaged_config_is_an_error(tmp_path: Path) -> None:
    train(tiny(), tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"config\.json is damaged"):
        train(tiny(), tmp_path, resume=True)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ValueError, match=r"config\.json: there is no such file"):
        train(tiny(), tmp_path, resume=True)


def test_optimizers_of_another_mode_are_refused(tmp_path: Path) -> None:
    last = train(tiny(), tmp_path)
    training = checkpoint.load_training(last)
    training["optimizers"] = {"other": {}}
    torch.save(training, last.path / "training.pt")
    meta = json.loads((last.path / "meta.json").read_text())
    del meta["files"]["training.pt"]
    (last.path / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(DamagedError, match="it lists"):
        checkpoint.verify(last.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "verify", lambda path: 4)
        with pytest.raises(ValueError, match=r"optimizers of \['other'\], needed .*\['all'\]"):
            train(tiny(steps=5), tmp_path, resume=True)


# -- what may change -----------------------------------------------------------------------------


def test_overrides_change_the_stored_run(tmp_path: Path) -> None:
    """With overrides the given config doesn't count, only what is overridden."""
    train(tiny(steps=2), tmp_path)
    other = replace(tiny(steps=9), model=replace(tiny().model, width=8))
    assert train(other, tmp_path, resume=True, overrides={"train.steps": 3}).step == 3
    assert load_config(tmp_path) == tiny(steps=3)


@pytest.mark.parametrize(
    ("key", "value"), [("model.width", 8), ("data.batch_size", 4), ("mode.lr", 1e-2)]
)
def test_other_changes_are_refused(key: str, value: Any, tmp_path: Path) -> None:
    part, name = key.split(".")
    train(tiny(steps=2), tmp_path)
    config = tiny(steps=4)
    changed = replace(config, **{part: replace(getattr(config, part), **{name: value})})
    for options in ({}, {"overrides": {key: value}}):
        with pytest.raises(ValueError, match=f"^{key} is {value}, but the run was started with"):
            train(changed, tmp_path, resume=True, **options)
    assert load_config(tmp_path) == tiny(steps=2)


def test_other_data_is_refused(tmp_path: Path) -> None:
    train(tiny(steps=2), tmp_path)
    text = (tmp_path / "config.json").read_text()
    fingerprint = json.loads(text)["data_fingerprint"]
    (tmp_path / "config.json").write_text(text.replace(fingerprint, "0123456789abcdef"))
    with pytest.raises(ValueError, match=r"data\.path shapes: not the data .* 0123456789ab\)"):
        train(tiny(), tmp_path, resume=True)


# -- killed ten times ----------------------------------------------------------------------------

STEPS = 52  # ten kills within the first four steps or in the one after them leave some over
KILLER = """
import os, random, signal, sys, time, traceback
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import torch._dynamo, torch.utils.tensorboard.writer  # what every child would import anew
from tiny_run import Heard, tiny
from farframe.training.loop import train

config = tiny(steps=STEPS, log_every=3, checkpoint_every=2)
rng = random.Random(0)


def start(run, allowed):
    '''Train in a child that can take no more than `allowed` steps and finish the last one.

    Returns its pid and a pipe that gets a byte a step.
    '''
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read

    def step(done):
        nonlocal allowed
        os.write(write, b'.')
        allowed -= 1
        if allowed < 0:
            signal.pause()

    try:
        heard = Heard()
        heard.step = step
        train(config, run, resume=True, reporter=heard)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


for number in range(10):
    steps = rng.randint(0, 4)
    child, read = start(Path(sys.argv[2]), steps)
    for _ in range(steps):
        os.read(read, 1)
    time.sleep(rng.random() * (0.1 if steps else 0.5))  # into a step, a save, or the setting up
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, 'it ended before it was killed'
    os.close(read)
child, read = start(Path(sys.argv[2]), 1000)
assert os.waitpid(child, 0)[1] == 0, 'the last training failed'
"""


def test_killed_ten_times_ends_with_the_same_weights(tmp_path: Path) -> None:
    """SIGKILL at random points: before the first step, within steps, within saves.

    All children are forks of one process that has imported torch and done nothing else.
    """
    code = KILLER.replace("STEPS", str(STEPS))
    command = [sys.executable, "-c", code, str(Path(__file__).parents[1] / "unit")]
    done = subprocess.run(
        [*command, str(tmp_path / "killed")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    config = tiny(steps=STEPS, log_every=3, checkpoint_every=2)
    train(config, tmp_path / "whole")
    assert differing(contents(tmp_path / "whole"), contents(tmp_path / "killed")) == []
    run = tmp_path / "killed"
    assert [x["step"] for x in jsonl(run)] == [x["step"] for x in jsonl(tmp_path / "whole")]
    assert [c.step for c in checkpoint.checkpoints(run)] == [STEPS, STEPS - 2]
    assert {p.name for p in (run / "checkpoints").iterdir()} == {
        "step-000000052",
        "step-000000050",
    }
