"""Checkpoints: complete or absent, any altered byte found, old ones pruned only after the new."""

from __future__ import annotations

import errno
import json
import os
import pickle
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from farframe.training import checkpoint
from farframe.training.checkpoint import Checkpoint, DamagedError


def network(value: float = 1.0) -> nn.Module:
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    nn.init.constant_(net[0].weight, value)
    return net


def save(run: Path, step: int, keep: int = 2, **more: Any) -> Checkpoint:
    weights: dict[str, Tensor] = network(step).state_dict()
    training = {"step": step, "state": [torch.arange(step % 10), {"a": (1.5, None, "x")}]}
    return checkpoint.save(
        run, step, weights=weights, extra={}, training=training, keep=keep, **more
    )


def names(run: Path) -> list[str]:
    return sorted(p.name for p in (run / "checkpoints").iterdir())


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    saved = save(tmp_path, 7)
    assert checkpoint.latest(tmp_path) == saved
    assert checkpoint.verify(saved.path) == 7
    net = network()
    checkpoint.load_weights(net, saved, checkpoint.WEIGHTS)
    assert torch.equal(net[0].weight, torch.full((2, 3), 7.0))
    training = checkpoint.load_training(saved)
    assert torch.equal(training["state"][0], torch.arange(7))
    assert training["state"][1] == {"a": (1.5, None, "x")}


def test_extra_networks_have_a_file_of_their_own(tmp_path: Path) -> None:
    net = network(5.0)
    saved = checkpoint.save(
        tmp_path, 1, weights=net.state_dict(), extra={"d.w": torch.ones(2)}, training={}, keep=1
    )
    assert sorted(p.name for p in saved.path.iterdir()) == sorted(
        ["extra.safetensors", "meta.json", "training.pt", "weights.safetensors"]
    )
    assert checkpoint.verify(saved.path) == 1


def test_strange_memory_formats_are_saved_plainly(tmp_path: Path) -> None:
    net = nn.Conv2d(4, 4, 3).to(memory_format=torch.channels_last)
    saved = checkpoint.save(tmp_path, 1, weights=net.state_dict(), extra={}, training={}, keep=1)
    other = nn.Conv2d(4, 4, 3)
    checkpoint.load_weights(other, saved.path, checkpoint.WEIGHTS)
    assert torch.equal(other.weight, net.weight)


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3, 1000000000):
        save(tmp_path, step)
    assert names(tmp_path) == ["step-000000003", "step-1000000000"]
    assert checkpoint.latest(tmp_path).step == 1000000000


def test_no_checkpoint_yet(tmp_path: Path) -> None:
    assert checkpoint.checkpoints(tmp_path) == []
    with pytest.raises(ValueError, match="has no checkpoint yet"):
        checkpoint.latest(tmp_path)


# -- damage --------------------------------------------------------------------------------------


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << (position % 8)
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["weights.safetensors", "training.pt", "meta.json"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "missing", "folder"])
def test_damage_is_found_and_an_older_one_taken(
    tmp_path: Path, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    older, newest = save(tmp_path, 1), save(tmp_path, 2)
    file = newest.path / name
    size = file.stat().st_size
    if damage == "flip":
        # In meta.json: the first digit of the first digest.
        flip(file, file.read_text().index("sha256") + 11 if name == "meta.json" else size // 2)
    elif damage in ("truncate", "empty"):
        os.truncate(file, size - 1 if damage == "truncate" and name != "meta.json" else 0)
    else:
        file.unlink()
        if damage == "folder":
            file.mkdir()
    with pytest.raises(DamagedError, match=name.replace(".", r"\.")) as error:
        checkpoint.verify(newest.path)
    assert "\n" not in str(error.value)
    assert checkpoint.latest(tmp_path) == older
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert str(newest.path) in caplog.records[0].getMessage()
    shutil.rmtree(older.path)
    with pytest.raises(ValueError, match=r"none of the 1 checkpoint\(s\)"):
        checkpoint.latest(tmp_path)


def test_any_flipped_bit_is_found_or_harmless(tmp_path: Path) -> None:
    """Never another error than ours, and never other weights."""
    saved = save(tmp_path, 3)
    rng = random.Random(0)
    whole = {p: p.read_bytes() for p in saved.path.iterdir()}
    found = 0
    for _ in range(150):
        path, data = rng.choice(sorted(whole.items()))
        flip(path, rng.randrange(len(data)))
        try:
            assert checkpoint.verify(saved.path) == 3  # in the white space of meta.json
        except DamagedError:
            found += 1
        path.write_bytes(data)
    assert found > 100


def test_meta_of_another_step_or_format_is_refused(tmp_path: Path) -> None:
    saved = save(tmp_path, 3)
    meta = json.loads((saved.path / "meta.json").read_text())
    (saved.path / "meta.json").write_text(json.dumps(meta | {"step": 4}))
    with pytest.raises(DamagedError, match="step 4 in a folder named step-000000003"):
        checkpoint.verify(saved.path)
    (saved.path / "meta.json").write_text(json.dumps(meta | {"format": 2}))
    with pytest.raises(DamagedError, match="format 2; this farframe reads 1"):
        checkpoint.verify(saved.path)
    (saved.path / "meta.json").write_text(json.dumps(meta | {"files": {}}))
    with pytest.raises(DamagedError, match="it lists"):
        checkpoint.verify(saved.path)


def test_pickles_of_strangers_are_not_executed(tmp_path: Path) -> None:
    saved = save(tmp_path, 1)

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "executed",))

    (saved.path / "training.pt").write_bytes(pickle.dumps({"step": Evil()}))
    with pytest.raises(DamagedError, match=r"training\.pt can't be read"):
        checkpoint.load_training(saved)
    torch.save({"step": Evil()}, saved.path / "training.pt")
    with pytest.raises(DamagedError, match=r"training\.pt can't be read") as error:
        checkpoint.load_training(saved)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "executed").exists()


def test_weights_must_fit(tmp_path: Path) -> None:
    saved = save(tmp_path, 1)
    other = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2, affine=False), nn.Linear(1, 1))
    with pytest.raises(ValueError, match=r"2 tensor\(s\) missing \['2.bias.*2 unknown \['1.bias"):
        checkpoint.load_weights(other, saved, checkpoint.WEIGHTS)
    with pytest.raises(ValueError, match=r"0.weight is torch.float32 of shape \(2, 3\), needed"):
        checkpoint.load_weights(
            nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2)), saved, checkpoint.WEIGHTS
        )
    with pytest.raises(ValueError, match=r"needed is torch.float64"):
        checkpoint.load_weights(network().double(), saved, checkpoint.WEIGHTS)


# -- interrupted and failing writers -------------------------------------------------------------


def test_killed_writers_leftovers_are_removed(tmp_path: Path) -> None:
    save(tmp_path, 1)
    for name in (".step-000000002.123", ".step-000000000.old"):
        shutil.copytree(tmp_path / "checkpoints/step-000000001", tmp_path / "checkpoints" / name)
    assert checkpoint.latest(tmp_path).step == 1
    checkpoint.clean(tmp_path, 1)
    assert names(tmp_path) == ["step-000000001"]


def test_damaged_ones_are_set_aside_when_training_goes_on(tmp_path: Path) -> None:
    save(tmp_path, 1)
    os.truncate(save(tmp_path, 2).path / "training.pt", 9)
    for _ in range(2):
        checkpoint.clean(tmp_path, 1)
        assert names(tmp_path) == ["damaged-step-000000002", "step-000000001"]
    assert save(tmp_path, 2) == checkpoint.latest(tmp_path)
    assert names(tmp_path) == ["damaged-step-000000002", "step-000000001", "step-000000002"]


def test_full_disk_leaves_the_old_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 1, keep=1)
    real = os.fsync
    calls: list[int] = []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, 2, keep=1)
    assert names(tmp_path) == ["step-000000001"]
    assert checkpoint.latest(tmp_path).step == 1


def test_old_ones_go_only_after_the_new_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every renaming, flushing and deleting there is an intact checkpoint."""
    save(tmp_path, 1, keep=1)
    seen: list[str] = []

    def watched(name: str, real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            checkpoint.latest(tmp_path)
            result = real(*args, **kwargs)
            checkpoint.latest(tmp_path)
            seen.append(name)
            return result

        return call

    monkeypatch.setattr(os, "fsync", watched("fsync", os.fsync))
    monkeypatch.setattr(Path, "rename", watched("rename", Path.rename))
    monkeypatch.setattr(shutil, "rmtree", watched("rmtree", shutil.rmtree))
    save(tmp_path, 2, keep=1)
    assert seen == [*["fsync"] * 4, "rename", "rmtree", "fsync", "rename", "rmtree"]
    assert names(tmp_path) == ["step-000000002"]
