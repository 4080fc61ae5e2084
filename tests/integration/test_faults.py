"""What machines and people do to a training: one clear line, and nothing lost."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from refusals import refused, told
from small_disk import read_only, small_disk
from tiny_run import ROBOT, Heard, contents, differing, tiny

from farframe.data.source import DataError
from farframe.data.tfrecord_writer import write_tfrecords
from farframe.modes import MODES
from farframe.run import RunConfig
from farframe.training import checkpoint
from farframe.training.loop import Cadence, train
from farframe.training.stopping import TrainingError
from farframe.types import Clip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps; tests copy it."""
    run = tmp_path_factory.mktemp("trained") / "run"
    train(tiny(steps=2), run)
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


# -- disks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("real", [True, False], ids=["tmpfs", "pretended"])
def test_a_disk_that_fills_up(real: bool, tmp_path: Path) -> None:
    config = tiny(steps=16, checkpoint_every=1, keep_checkpoints=100, log_every=1)
    train(config, tmp_path / "whole")
    with small_disk(tmp_path / "disk", 2_500_000, real) as disk:
        run = disk.folder / "run"
        with pytest.raises(TrainingError, match=r"^the disk is full \(No space left") as error:
            train(config, run)
        assert "\n" not in str(error.value)
        assert "--resume" in str(error.value)
        found = checkpoint.checkpoints(run)
        assert 1 <= len(found) < 16
        assert all(checkpoint.verify(each.path) == each.step for each in found)
        assert {p.name for p in (run / "checkpoints").iterdir()} == {c.path.name for c in found}
        disk.enlarge()
        train(config, run, resume=True)
        assert differing(contents(tmp_path / "whole"), contents(run)) == []


def test_a_disk_without_room_for_the_logs(tmp_path: Path) -> None:
    """Not even a line of numbers, while no checkpoint is due."""
    with small_disk(tmp_path / "disk", 1_000_000, real=False) as disk:
        heard = Heard(at={3: lambda: setattr(disk, "size", 0)})
        with pytest.raises(TrainingError, match=r"^the disk is full"):
            train(tiny(steps=9, log_every=1), disk.folder / "run", reporter=heard)
    assert heard.steps == [1, 2, 3]


def test_a_folder_that_is_read_only(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with read_only(tmp_path / "closed") as closed:
        out = closed / "out"
        commands: list[tuple[object, ...]] = [
            ("train", "debug", "--data", "shapes", "--out", out),
            ("predict", run, "shapes:0", "--horizon", 2, "--out", out),
            ("predict", run, "shapes:0", "--horizon", 2, "--out", closed),
            ("evaluate", run, "--horizon", 2, "--out", out),
        ]
        for words in commands:
            assert f"--out {words[-1]}" in told(capsys, *words)
        assert list(closed.iterdir()) == []


# -- data ----------------------------------------------------------------------------------------


def robot(folder: Path, **train: Any) -> RunConfig:
    """A run on a copy of the tests' records of its own."""
    shutil.copytree(ROBOT, folder)
    return tiny("individual", data={"path": str(folder)}, **train)


def test_data_changed_between_two_parts_of_a_run(tmp_path: Path) -> None:
    config = robot(tmp_path / "data", steps=2)
    train(config, tmp_path / "run")
    more = replace(config, train=replace(config.train, steps=4))
    (file,) = (tmp_path / "data").glob("robot-train*")
    whole = file.read_bytes()
    shutil.copy(file, file.with_name("robot-train-00001-of-00002.tfrecord"))
    refused(more, tmp_path / "run", r"^data\.path .*: not the data that this run began with")
    file.with_name("robot-train-00001-of-00002.tfrecord").unlink()
    file.unlink()
    refused(more, tmp_path / "run", r"^data\.path .*: not the data that this run began with")
    file.write_bytes(whole)
    assert train(more, tmp_path / "run", resume=True).step == 4


@pytest.mark.parametrize("how", ["deleted", "truncated", "replaced"])
def test_data_lost_during_a_training(how: str, tmp_path: Path) -> None:
    config = robot(tmp_path / "data", steps=500, checkpoint_every=2)
    (file,) = (tmp_path / "data").glob("robot-train*")
    (other,) = (tmp_path / "data").glob("humans-train*")

    def lose() -> None:
        if how == "deleted":
            shutil.rmtree(tmp_path / "data")
        elif how == "truncated":
            os.truncate(file, 100)
        else:
            other.rename(file)

    with pytest.raises(DataError, match=r"robot-train.*: record \d+: ") as error:
        train(config, tmp_path / "run", reporter=Heard(at={3: lose}))
    assert "\n" not in str(error.value)
    assert checkpoint.latest(tmp_path / "run").step >= 2


def with_actions(folder: Path, values: float, *, bad: int) -> RunConfig:
    """Ten records of which ``bad`` have such a number in their actions."""
    rng = np.random.default_rng(0)
    clips = [
        Clip(
            frames=rng.integers(0, 256, (6, 3, 16, 16), dtype=np.uint8),
            actions=rng.random((6, 5), dtype=np.float32),
            poses=rng.random((6, 12), dtype=np.float32),
            fps=1.0,
            id=str(n),
        )
        for n in range(10)
    ]
    for clip in clips[:bad]:
        clip.actions[4, 2] = values
    folder.mkdir()
    write_tfrecords(folder / "x-train.tfrecord", clips)
    config = tiny(data={"path": str(folder), "split": "hash"})
    return replace(config, model=replace(config.model, action_dim=5))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_actions_that_are_not_numbers(
    value: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One bad record is passed over and named; nothing but bad ones, or strict, is an error."""
    one = with_actions(tmp_path / "one", value, bad=1)
    assert train(one, tmp_path / "run").step == 4
    assert all(bool(v.isfinite().all()) for v in contents(tmp_path / "run").values())
    bad = r"record 0: action\w* holds numbers that are not finite"
    assert re.search(bad, caplog.text)
    every = with_actions(tmp_path / "all", value, bad=10)
    strict = replace(one, data=replace(one.data, strict=True))
    for config in (every, strict):
        with pytest.raises(DataError, match=bad):
            train(config, tmp_path / "other")


# -- clocks and memory ---------------------------------------------------------------------------


def test_clocks_that_jump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints by the clock are by one that can't be set; only dates in logs follow the other.

    A training sees years pass and come back, and learns what it would have learned.
    """
    config = tiny(steps=6, log_every=1, checkpoint_every=0, checkpoint_secs=3600.0)
    train(config, tmp_path / "whole")
    now, real = [time.time()], time.time

    def jumping() -> float:
        now[0] += -1e9 if now[0] > 1.5e9 else 2e9
        return now[0]

    monkeypatch.setattr(time, "time", jumping)
    train(config, tmp_path / "run")
    monkeypatch.setattr(time, "time", real)
    assert differing(contents(tmp_path / "whole"), contents(tmp_path / "run")) == []
    assert [c.step for c in checkpoint.checkpoints(tmp_path / "run")] == [6]
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == [1, 2, 3, 4, 5, 6]
    assert Cadence.__dataclass_fields__["saved"].default_factory is time.monotonic


@pytest.mark.parametrize(
    ("error", "where"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\n and more"), "GPU"),
        (MemoryError(), "this machine"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "this machine"),
    ],
)
def test_too_little_memory_is_told_with_advice(
    error: Exception,
    where: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from farframe.models.hierarchical import HierarchicalModel

    def fail(*args: Any, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(HierarchicalModel, "predict", fail)
    for words in (
        ("predict", run, "shapes:0", "--horizon", 2, "--out", tmp_path / "out"),
        ("evaluate", run, "--horizon", 2, "--clips", 2, "--out", tmp_path / "out"),
    ):
        line = told(capsys, *words)
        assert where in line
        assert "--batch-size" in line
        assert not [path for path in tmp_path.glob("out/**/*") if path.is_file()]
    monkeypatch.setattr(MODES["epev"], "updates", fail)
    with pytest.raises(TrainingError, match=r"--data\.batch-size") as found:
        train(tiny(), tmp_path / "more")
    assert "\n" not in str(found.value)
