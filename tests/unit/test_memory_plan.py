"""Which way a step is taken under a limit, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from same_everywhere import quiet
from tiny_run import tiny

from farframe.run import RunConfig
from farframe.training import machine_memory, memory_plan
from farframe.training.memory_plan import MemoryPlan, plan_memory
from farframe.training.step_memory import StepMemory

CPU = torch.device("cpu")
FRAMES = 16


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step takes 10 MB a clip and frame that is held; the process 100 MB, 5 of them weights."""

    def count(config: RunConfig, clips: int, in_parts: bool, device: str) -> StepMemory:
        held = config.train.activation_checkpointing or config.data.sequence_length
        assert device == "cpu"
        assert not in_parts or clips == config.train.micro_batch_size
        step = clips * held * 10_000_000
        return StepMemory(weights=5_000_000, optimizer=0, activations=step, kept=0, batch=0)

    monkeypatch.setattr(memory_plan, "step_memory", count)
    monkeypatch.setattr(memory_plan, "MARGIN", 1.0)
    monkeypatch.setattr(machine_memory, "held", lambda device: 100_000_000)
    monkeypatch.setattr(machine_memory, "free", lambda device: 500_000_000)


def plan(limit: str, share: int = 8, config: RunConfig | None = None, **train: Any) -> MemoryPlan:
    config = config or quiet("epev")
    config = replace(
        config,
        data=replace(config.data, sequence_length=FRAMES),
        train=replace(config.train, memory_limit=limit, **train),
    )
    return plan_memory(config, share, CPU)


def settled(found: MemoryPlan) -> tuple[int, int]:
    train = found.config.train
    return train.micro_batch_size, train.activation_checkpointing


@pytest.mark.parametrize(
    ("limit", "way"),
    [
        ("off", (0, 0)),
        ("2", (0, 0)),  # 8 x 16 x 10 MB and 100
        ("1.38", (0, 0)),
        ("1.37", (4, 0)),
        ("0.7", (2, 0)),
        ("auto", (2, 0)),  # 100 MB held and 0.9 of 500 free
        ("0.28", (1, 0)),
        ("0.2", (1, 8)),
        ("0.13", (1, 2)),
        ("0.11", (1, 1)),
    ],
)
def test_micro_batches_first_then_activations_again(limit: str, way: tuple[int, int]) -> None:
    found = plan(limit)
    assert settled(found) == way
    assert found.fits


def test_a_limit_is_kept_though_an_estimate_be_a_little_low(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory_plan, "MARGIN", 1.1)
    assert settled(plan("1.52")) == (0, 0)
    assert settled(plan("1.51")) == (4, 0)


def test_odd_shares_are_halved_as_well() -> None:
    assert settled(plan("1.3", 7)) == (0, 0)
    assert settled(plan("1.2", 7)) == (4, 0)
    assert settled(plan("0.2", 1)) == (0, 8)


def test_what_is_given_stays() -> None:
    assert settled(plan("0.6", micro_batch_size=8)) == (0, 4)
    assert settled(plan("0.6", micro_batch_size=4)) == (4, 8)
    assert settled(plan("0.6", activation_checkpointing=8)) == (4, 8)
    assert settled(plan("off", micro_batch_size=3, activation_checkpointing=5)) == (3, 5)


def test_batches_that_are_one_are_not_taken_apart() -> None:
    relative = quiet("epev", "none", {"enc_pred_relative": True})
    for config in (relative, tiny("epev")):
        assert settled(plan("0.8", config=config)) == (0, 8)


def test_too_little_is_told_with_what_would_do() -> None:
    with pytest.raises(ValueError, match=r"^train\.memory_limit is '0\.1' \(100 MB\)") as told:
        plan("0.1")
    for words in ("about 110 MB", "1 clip(s) of 16 frames", "1 of them held", "allow 110 MB"):
        assert words in str(told.value)
    with pytest.raises(ValueError, match=r"\(model\.enc_norm 'batch' needs all clips of a batch"):
        plan("0.15", config=tiny("epev"))
    with pytest.raises(ValueError, match="about 180 MB"):
        plan("0.15", micro_batch_size=8)


def test_the_estimate_is_one_line() -> None:
    assert plan("off").line() == (
        "about 1.4 GB of memory for 8 clips x 16 frames: activations 1.3 GB, weights 5 MB, "
        "optimizer 0 MB, the rest 95 MB"
    )
    assert (
        plan("0.2")
        .line()
        .endswith(
            "; each step in 8 micro-batches of 1 clip(s); activations of 8 frames of a clip held"
        )
    )
    assert (
        "; each step in 3 micro-batches of up to 3 clips" in plan("off", micro_batch_size=3).line()
    )


def test_a_checkpoints_copies_count_beside_what_the_allocator_keeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = StepMemory(
        weights=10**8, optimizer=2 * 10**8, activations=5 * 10**8, kept=3 * 10**8, batch=0
    )
    monkeypatch.setattr(memory_plan, "step_memory", lambda *given: kept)
    found = plan("off")
    assert found.total == 10**8 + 2 * 10**8 + 3 * 10**8 + (2 * 10**8 + 2 * 10**8)
    assert "activations and a checkpoint's copies 700 MB" in found.line()


@pytest.mark.parametrize("limit", ["-1", "0", "much", "20GB", "inf", "nan", ""])
def test_a_limit_is_gigabytes(limit: str) -> None:
    with pytest.raises(ValueError, match=r"train\.memory_limit is .*: must be off, auto, or gigab"):
        plan(limit)


# -- the machine ----------------------------------------------------------------------------------


def test_this_process_holds_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    before = machine_memory.held(CPU)
    assert before > 50_000_000
    more = torch.ones(10_000_000)
    assert machine_memory.held(CPU) > before + 20_000_000, more.shape


def test_free_memory_is_shared_by_processes_and_bounded_by_containers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.undo()
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    for folder in (proc, groups):
        folder.mkdir()
    (proc / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    4000 kB\n")
    monkeypatch.setattr(machine_memory, "_PROC", proc)
    monkeypatch.setattr(machine_memory, "_GROUPS", groups)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert machine_memory.free(CPU) == 4000 * 1024
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert machine_memory.free(CPU) == 1000 * 1024
    (groups / "memory.current").write_text("1000\n")
    (groups / "memory.max").write_text("max\n")
    assert machine_memory.free(CPU) == 1000 * 1024
    (groups / "memory.max").write_text("9000\n")
    assert machine_memory.free(CPU) == 2000
    (proc / "meminfo").write_text("MemTotal: 9000 kB\n")
    with pytest.raises(ValueError, match="doesn't tell what memory is free"):
        machine_memory.free(CPU)
