"""Two processes that share each batch train what one process trains."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_run import Heard, contents, tiny

from farframe.modes import MODES
from farframe.run import RunConfig
from farframe.training import checkpoint
from farframe.training.loop import train

# Every rank of every case lives in one of two processes, which import torch once.
WORKER = """
import json, os, sys, traceback
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import torch
from tiny_run import tiny
from farframe.run import RunConfig
from farframe.training.loop import train
from farframe.training.progress import Reporter

torch.set_num_threads(1)


class Ready(Reporter):
    def step(self, done):
        if done == 2:
            Path(os.environ['READY'], os.environ['RANK']).touch()


for line in sys.stdin:
    job = json.loads(line)
    os.environ['MASTER_PORT'] = str(job['port'])
    try:
        config = RunConfig.from_json(job['config'])
        last = train(config, Path(job['out']), resume=job['resume'], reporter=Ready())
        answer = str(last.step)
    except Exception as error:
        answer = f'{type(error).__name__}: {error}'
    print(json.dumps(answer), flush=True)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Two:
    """Two processes as torchrun would start them."""

    def __init__(self, ready: Path) -> None:
        common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "READY": str(ready)}
        self.ready = ready
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, str(Path(__file__).parents[1] / "unit")],
                env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in (0, 1)
        ]

    def start(self, config: RunConfig, out: Path, resume: bool = False) -> None:
        job = {"config": config.to_json(), "out": str(out), "resume": resume, "port": free_port()}
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()

    def answers(self) -> list[str]:
        found: list[str] = []
        for process in self.processes:
            assert process.stdout is not None
            found.append(json.loads(process.stdout.readline()))
        return found

    def train(self, config: RunConfig, out: Path, **options: Any) -> list[str]:
        self.start(config, out, **options)
        return self.answers()

    def close(self) -> None:
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in self.processes:
            process.wait(60)
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Any:
    processes = Two(tmp_path_factory.mktemp("ready"))
    yield processes
    processes.close()


def quiet(tag: str, norm: str, **train: Any) -> RunConfig:
    """Without noise, which every process draws for itself.

    Adam's epsilon is large: it divides gradients that are zero but for rounding by their own size.
    """
    config = tiny(tag, data={"batch_size": 4}, eps=1e-2, **train)
    still = {"enc_keep_prob": 1.0, "van_keep_prob": 1.0, "pred_noise_std": 0.0}
    # no penalty at random places; and everything is trained more than once in four steps
    there = {f.name for f in fields(config.mode)}
    simple = {"use_wgan": False, "discrim_steps_per_pred": 1}
    mode = replace(config.mode, **{k: v for k, v in simple.items() if k in there})
    return replace(config, model=replace(config.model, **still, enc_norm=norm), mode=mode)


def apart(a: Path, b: Path, *kinds: str) -> float:
    """The largest difference between two runs' weights."""
    first, second = (
        {k: v for k, v in contents(run).items() if k.startswith(kinds or ("weights", "extra"))}
        for run in (a, b)
    )
    assert first.keys() == second.keys()
    return max(
        float((value.double() - second[name].double()).abs().max())
        for name, value in first.items()
        if value.numel()
    )


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("tag", MODES)
def test_two_processes_learn_what_one_does(tag: str, norm: str, two: Two, tmp_path: Path) -> None:
    config = quiet(tag, norm, steps=4, clip_gradient_norm=1.0, clip_kind="global")
    train(config, tmp_path / "one")
    assert two.train(config, tmp_path / "two") == ["4", "4"]
    assert apart(tmp_path / "one", tmp_path / "two") < 1e-5
    train(replace(config, train=replace(config.train, steps=1)), tmp_path / "less")
    assert apart(tmp_path / "one", tmp_path / "less") > 1e-4  # so much it learned


def test_each_process_takes_its_share_and_one_writes(two: Two, tmp_path: Path) -> None:
    assert two.train(quiet("epev", "batch", log_every=1), tmp_path) == ["4", "4"]
    steps = [line.split(",")[0] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert steps == [f'{{"step": {n}' for n in (1, 2, 3, 4)]
    assert len(list((tmp_path / "logs").iterdir())) == 1


def test_one_process_may_go_on_for_two_and_two_for_one(two: Two, tmp_path: Path) -> None:
    config = quiet("epev", "batch", steps=6)
    train(config, tmp_path / "one")
    short = replace(config, train=replace(config.train, steps=2))
    train(short, tmp_path / "mixed")
    middle = replace(config, train=replace(config.train, steps=4))
    assert two.train(middle, tmp_path / "mixed", resume=True) == ["4", "4"]
    heard = Heard()
    train(config, tmp_path / "mixed", resume=True, reporter=heard)
    assert heard.steps == [5, 6]
    assert apart(tmp_path / "one", tmp_path / "mixed") < 1e-6


def test_a_signal_to_one_stops_both_after_the_same_step(two: Two, tmp_path: Path) -> None:
    for file in two.ready.iterdir():
        file.unlink()
    two.start(quiet("epev", "batch", steps=10_000), tmp_path)
    while len(list(two.ready.iterdir())) < 2:
        assert two.processes[0].poll() is None
        time.sleep(0.01)
    two.processes[1].send_signal(signal.SIGTERM)
    first, second = two.answers()
    assert first == second
    step = checkpoint.latest(tmp_path).step
    assert first.startswith(f"Interrupted: stopped at step {step}, checkpoint {tmp_path}")


def test_a_batch_that_cannot_be_shared_is_refused_by_all(two: Two, tmp_path: Path) -> None:
    config = quiet("epev", "none")
    config = replace(config, data=replace(config.data, batch_size=3))
    answers = two.train(config, tmp_path / "run")
    assert all(a.startswith("ValueError: data.batch_size is 3") for a in answers), answers


def test_tensors_are_averaged_in_buckets() -> None:
    """One process: nothing happens, not even a copy."""
    from farframe.training.distributed import World

    tensors = [torch.ones(3), None]
    World().average(tensors)
    assert torch.equal(tensors[0], torch.ones(3))
    assert World().any(True, False) == (True, False)
    assert World().share("x") == "x"
