"""Checkpoints that are not what they should be: of others, incomplete, forged, made to harm."""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from refusals import refused, told
from tiny_run import tiny

from farframe.run import load
from farframe.training import checkpoint
from farframe.training.loop import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps; tests copy it."""
    run = tmp_path_factory.mktemp("trained") / "run"
    train(tiny(steps=2), run)
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def one_line(error: Exception, file: Path) -> None:
    assert str(file) in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 1000


def signed(path: Path) -> None:
    """Make ``meta.json`` agree with what lies beside it, as a stranger would."""
    meta = json.loads((path / "meta.json").read_text())
    for name in meta["files"]:
        data = (path / name).read_bytes()
        meta["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (path / "meta.json").write_text(json.dumps(meta))


def test_a_checkpoint_of_another_preset(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other sizes, and the same sizes in another mode."""
    newest = checkpoint.latest(run).path
    wider = replace(tiny(steps=2), model=replace(tiny().model, width=8))
    train(wider, tmp_path / "wider")
    train(tiny("individual", steps=2), tmp_path / "individual")
    for other in ("wider", "individual"):
        shutil.rmtree(newest)
        shutil.copytree(checkpoint.latest(tmp_path / other).path, newest)
        refused(tiny(), run, r"weights\.safetensors doesn't fit the run's configuration: ")
        words = ("predict", run, "shapes:0", "--horizon", 2, "--out", tmp_path / "out")
        assert "doesn't fit the run's configuration" in told(capsys, *words)
    assert not (tmp_path / "out").exists()


def without(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["encoder.fc.weight" if "encoder.fc.weight" in tensors else min(tensors)]


def with_more(tensors: dict[str, torch.Tensor]) -> None:
    tensors["stranger"] = torch.ones(2)


def in_half(tensors: dict[str, torch.Tensor]) -> None:
    tensors[min(tensors)] = tensors[min(tensors)].half()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without, r"1 tensor\(s\) missing \['"),
        (with_more, r"1 unknown \['stranger'\]"),
        (in_half, r"is torch\.float16 of shape .*, needed is torch\.float32"),
    ],
)
def test_missing_and_extra_tensors(
    change: Callable[[dict[str, torch.Tensor]], None], message: str, run: Path
) -> None:
    newest = checkpoint.latest(run).path
    tensors = safetensors.torch.load_file(newest / "weights.safetensors")
    change(tensors)
    safetensors.torch.save_file(tensors, newest / "weights.safetensors")
    signed(newest)
    refused(tiny(), run, message)
    with pytest.raises(ValueError, match=message):
        load(run)


def hostile(data: bytes, rng: random.Random) -> bytes:
    """A safetensors file that lies: about its header, its types, its offsets."""
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    name = rng.choice(sorted(header))
    number = rng.choice((-1, 0, 1, 7, 2**31, 2**63 - 1, 2**64, 1e300, "x", None, [], {}))
    match rng.randrange(6):
        case 0:
            return struct.pack("<Q", rng.choice((0, 1, 2**32, 2**63, 2**64 - 1))) + data[8:]
        case 1:
            header[name]["data_offsets"][rng.randrange(2)] = number
        case 2:
            header[name]["shape"] = [number] * rng.randrange(1, 4)
        case 3:
            header[name]["dtype"] = rng.choice(("F64", "BOOL", "I8", "F8_E4M3", "Q9", number))
        case 4:
            header[name] = rng.choice((None, number, {"dtype": "F32"}))
        case _:
            text = bytearray(json.dumps(header).encode())
            for _ in range(rng.randint(1, 6)):
                text[rng.randrange(len(text))] = rng.randrange(256)
            return struct.pack("<Q", len(text)) + bytes(text) + data[8 + length :]
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def test_hostile_safetensors_are_refused_or_harmless(run: Path) -> None:
    """Whatever a file claims: our own error of one line, or the right names, shapes and types."""
    newest = checkpoint.latest(run).path
    file = newest / "weights.safetensors"
    whole, model, rng, refusals = file.read_bytes(), load(run), random.Random(0), 0
    for _ in range(200):
        file.write_bytes(hostile(whole, rng))
        try:
            checkpoint.load_weights(model, newest, file.name)
        except ValueError as error:
            one_line(error, file)
            refusals += 1
    assert refusals > 150


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_pickled_payloads_never_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In any file that a command reads as weights or state, signed as if all were well."""
    newest, mark = checkpoint.latest(run).path, tmp_path / "executed"
    state = checkpoint.load_training(checkpoint.latest(run)) | {"step": Payload(mark)}
    torch.save(state, tmp_path / "evil.pt")
    evil = (tmp_path / "evil.pt").read_bytes()
    for name in ("training.pt", "weights.safetensors"):
        before = (newest / name).read_bytes()
        for data in (evil, pickle.dumps(Payload(mark))):
            (newest / name).write_bytes(data)
            signed(newest)
            refused(tiny(), run, rf"{name} can't be read: ")
        (newest / name).write_bytes(before)
        signed(newest)
    for name in ("evil.pt", "evil.pth", "evil.safetensors", "evil.npz"):
        (tmp_path / name).write_bytes(evil)
        told(
            capsys,
            *("train", "debug", "--data", "shapes", "--out", tmp_path / "other"),
            *("--train.encoder-weights", tmp_path / name),
        )
    assert not mark.exists()
    Payload(mark).__reduce__()[0](mark)
    assert mark.exists()  # it would have been seen


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("step"), "must hold batches, optimizers, scaler, step and nothing else"),
        (lambda t: t.update(more=1), "must hold batches"),
        (lambda t: t.update(step=7), "written after step 7, not 2"),
        (lambda t: t.update(step="2"), "written after step '2', not 2"),
        (lambda t: t.update(scaler=[]), "must be mappings"),
        (lambda t: t["optimizers"].update(all=[]), r"optimizer of all is not what farframe writes"),
        (lambda t: t["optimizers"]["all"].pop("state"), r"is not what farframe writes \(KeyError"),
        (lambda t: t["optimizers"]["all"]["param_groups"].pop(), "is not what farframe writes"),
        (
            lambda t: t["optimizers"]["all"]["param_groups"][0]["params"].pop(),
            "is of other networks",
        ),
        (
            lambda t: t["optimizers"]["all"]["state"][3].update(exp_avg=torch.zeros(999)),
            r"has a tensor of shape \(999,\), needed is \(",
        ),
        (lambda t: t["optimizers"]["all"]["state"][3].pop("exp_avg_sq"), r"holds \['exp_avg', 's"),
        (
            lambda t: t["optimizers"]["all"]["state"].update({10**6: t["optimizers"]["all"]}),
            "holds",
        ),
    ],
)
def test_training_state_that_does_not_fit(
    change: Callable[[dict[str, Any]], Any], message: str, run: Path
) -> None:
    newest = checkpoint.latest(run)
    training = checkpoint.load_training(newest)
    change(training)
    torch.save(training, newest.path / "training.pt")
    signed(newest.path)
    refused(tiny(), run, rf"training\.pt doesn't fit the run: .*{message}")


def test_a_garbled_training_state_is_refused(run: Path) -> None:
    newest = checkpoint.latest(run)
    file, rng = newest.path / "training.pt", random.Random(0)
    whole, refusals = file.read_bytes(), 0
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        file.write_bytes(data[: rng.choice((None, rng.randrange(len(data))))])
        try:
            checkpoint.load_training(newest)
        except checkpoint.DamagedError as error:
            one_line(error, file)
            refusals += 1
    assert refusals > 30
