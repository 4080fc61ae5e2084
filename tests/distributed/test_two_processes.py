"""Two processes that share each batch train what one process trains."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from same_everywhere import exactly, quiet
from tiny_run import Heard, contents

from farframe.modes import MODES
from farframe.run import RunConfig
from farframe.training import checkpoint
from farframe.training.loop import train

# Every rank of every case lives in one of two processes, which import torch once.
WORKER = """
import contextlib, json, os, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import torch
from same_everywhere import exactly
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
        with exactly() if job['double'] else contextlib.nullcontext():
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

    def start(
        self, config: RunConfig, out: Path, resume: bool = False, double: bool = False
    ) -> None:
        job = {"config": config.to_json(), "out": str(out), "port": free_port()}
        job |= {"resume": resume, "double": double}
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


def tensors(run: Path, *kinds: str) -> dict[str, torch.Tensor]:
    """Tensors of a run's newest checkpoint whose names hold one of ``kinds``."""
    found = contents(run).items()
    return {k: v.double() for k, v in found if any(kind in k for kind in kinds) and v.numel()}


def apart(a: Path, b: Path, *kinds: str) -> float:
    """The largest difference between two runs' weights, or tensors of other ``kinds``."""
    first, second = (tensors(run, *(kinds or (".safetensors/",))) for run in (a, b))
    assert first.keys() == second.keys()
    assert first
    return max(float((value - second[name]).abs().max()) for name, value in first.items())


CASES = [
    *((tag, "batch", {}) for tag in MODES),  # the norm whose statistics must be shared
    ("epev", "l2", {"enc_pred_relative": True}),
    ("epev", "batch", {"enc_pred_relative": True, "enc_pred_ramp": "encoder", "mask_weight": 0.1}),
    ("epev_gan", "l2", {"use_wgan": False, "enc_pred_l1": True}),
]
NAMES = ["-".join((tag, norm, *mode)) for tag, norm, mode in CASES]


@pytest.mark.parametrize(("tag", "norm", "mode"), CASES, ids=NAMES)
def test_two_processes_learn_what_one_does(
    tag: str, norm: str, mode: dict[str, Any], two: Two, tmp_path: Path
) -> None:
    """To 1e-6 after four steps with Adam's own epsilon, in double precision.

    In single precision no two orders of adding agree so well: see the next test.
    """
    config = quiet(tag, norm, mode, steps=4, clip_gradient_norm=1.0, clip_kind="global")
    with exactly():
        train(config, tmp_path / "one")
        train(replace(config, train=replace(config.train, steps=1)), tmp_path / "less")
    assert two.train(config, tmp_path / "two", double=True) == ["4", "4"]
    assert apart(tmp_path / "one", tmp_path / "two") < 1e-6
    assert apart(tmp_path / "one", tmp_path / "less") > 1e-4  # so much it learned


def test_two_processes_learn_the_same_in_little_memory(two: Two, tmp_path: Path) -> None:
    """Each takes its two clips one after the other, and two of four frames at a time."""
    config = quiet("epev", "l2", steps=2)
    spare = {"micro_batch_size": 1, "activation_checkpointing": 2}
    with exactly():
        train(config, tmp_path / "one")
    little = replace(config, train=replace(config.train, **spare))
    assert two.train(little, tmp_path / "two", double=True) == ["2", "2"]
    assert apart(tmp_path / "one", tmp_path / "two") < 1e-6


@pytest.mark.parametrize("tag", MODES)
def test_gradients_differ_by_the_rounding_of_single_precision(
    tag: str, two: Two, tmp_path: Path
) -> None:
    """Averaged gradients of a first step, which are a tenth of Adam's first moments.

    Sums of floats depend on their order. Adam then divides gradients that are zero but for rounding
    by their own size, so that weights may differ by as much as a step is long. (Batch norm is left
    out: where encodings hardly differ at first, it enlarges rounding by as much as them.)
    """
    config = quiet(tag, "none", steps=1)
    train(config, tmp_path / "one")
    assert two.train(config, tmp_path / "two") == ["1", "1"]
    one, other = (tensors(tmp_path / run, ".exp_avg") for run in ("one", "two"))
    names = [name for name in one if name.endswith("exp_avg")]
    difference = sum(float((one[n] - other[n]).square().sum()) for n in names) ** 0.5
    assert difference < 2e-5 * sum(float(one[n].square().sum()) for n in names) ** 0.5


def test_each_process_takes_its_share_and_one_writes(two: Two, tmp_path: Path) -> None:
    assert two.train(quiet("epev", "batch", log_every=1), tmp_path) == ["4", "4"]
    steps = [line.split(",")[0] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert steps == [f'{{"step": {n}' for n in (1, 2, 3, 4)]
    assert len(list((tmp_path / "logs").iterdir())) == 1


def test_one_process_may_go_on_for_two_and_two_for_one(two: Two, tmp_path: Path) -> None:
    config = quiet("epev", "batch", steps=6)
    short, middle = (replace(config, train=replace(config.train, steps=n)) for n in (2, 4))
    heard = Heard()
    with exactly():
        train(config, tmp_path / "one")
        train(short, tmp_path / "mixed")
        assert two.train(middle, tmp_path / "mixed", resume=True, double=True) == ["4", "4"]
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
