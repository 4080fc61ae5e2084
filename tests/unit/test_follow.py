"""Following a training whose checkpoints come, go, and are damaged."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
import torch

from farframe.evaluation import follow as module
from farframe.evaluation.follow import follow
from farframe.training import checkpoint
from farframe.training.checkpoint import Checkpoint, DamagedError


def write(run: Path, step: int) -> None:
    run.mkdir(exist_ok=True)
    weights = {"w": torch.zeros(1)}
    checkpoint.save(run, step, weights=weights, extra={}, training={"step": step}, keep=9)


def test_each_checkpoint_once_in_order_until_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that training deletes while it is read is told and passed over; new ones are awaited."""
    run, seen = tmp_path / "run", list[int]()
    coming = iter([(), (1,), (2, 3), (4,)])

    def slept(seconds: float) -> None:
        assert seconds > 0
        for step in next(coming):
            write(run, step)

    def evaluate(found: Checkpoint) -> None:
        seen.append(found.step)
        if found.step == 2:
            shutil.rmtree(found.path)
        checkpoint.verify(found.path)

    monkeypatch.setattr(module.time, "sleep", slept)
    with caplog.at_level(logging.INFO):
        follow(run, evaluate, finished=lambda step: step >= 4, once=False)
    assert seen == [1, 2, 3, 4]
    told = [record.getMessage() for record in caplog.records]
    assert sum("has no checkpoint yet: waiting" in line for line in told) == 1
    assert sum("step 2: training deleted it before it could be read" in line for line in told) == 1


def test_a_damaged_one_is_passed_over_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for step in (1, 2):
        write(tmp_path, step)
    (checkpoint.at(tmp_path, 1).path / checkpoint.WEIGHTS).write_bytes(b"torn")
    seen: list[int] = []

    def evaluate(found: Checkpoint) -> None:
        checkpoint.verify(found.path)
        seen.append(found.step)

    follow(tmp_path, evaluate, finished=lambda step: step >= 2, once=False)
    assert seen == [2]
    assert "is damaged: 4 bytes" in caplog.text


def test_once_takes_the_newest_and_needs_one(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        write(tmp_path, step)
    seen: list[int] = []
    follow(tmp_path, lambda c: seen.append(c.step), finished=lambda step: False, once=True)
    assert seen == [3]
    (checkpoint.at(tmp_path, 3).path / checkpoint.WEIGHTS).write_bytes(b"torn")

    def verified(found: Checkpoint) -> None:
        checkpoint.verify(found.path)
        seen.append(found.step)

    follow(tmp_path, verified, finished=lambda step: False, once=True)
    assert seen == [3, 2]

    def torn(found: Checkpoint) -> None:
        raise DamagedError(f"{found.path} is torn")

    with pytest.raises(ValueError, match="no checkpoint that can be read"):
        follow(tmp_path, torn, finished=lambda step: False, once=True)


def test_a_training_begun_anew_is_followed_from_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 7)
    seen: list[int] = []

    def slept(seconds: float) -> None:
        shutil.rmtree(tmp_path / checkpoint.FOLDER)
        write(tmp_path, 2)

    monkeypatch.setattr(module.time, "sleep", slept)
    follow(tmp_path, lambda c: seen.append(c.step), finished=lambda step: step == 2, once=False)
    assert seen == [7, 2]
