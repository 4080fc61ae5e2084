"""Checkpoints: folders that are complete or not there at all, and whose every byte is checked.

``checkpoints/step-000001234/`` holds ``weights.safetensors`` (the model), ``extra.safetensors``
(networks that only the mode needs), ``training.pt`` (optimizers, loss scaler) and ``meta.json``
with size and SHA-256 of each. A checkpoint is written under a temporary name, flushed to the disk
and renamed; only then are older ones deleted. Nothing is ever unpickled but plain tensors, numbers,
lists and dictionaries (``weights_only=True``).
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

logger = logging.getLogger(__name__)

FORMAT = 1
FOLDER = "checkpoints"
WEIGHTS, EXTRA, TRAINING, META = (
    "weights.safetensors",
    "extra.safetensors",
    "training.pt",
    "meta.json",
)
_NAME = re.compile(r"step-(\d{9,})")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's folder and the number of steps trained when it was written."""

    path: Path
    step: int


class DamagedError(ValueError):
    """A checkpoint that is not what was written: the message names file and damage."""


def at(run: Path, step: int) -> Checkpoint:
    """The checkpoint of ``run`` after ``step`` steps, whether it has been written or not."""
    return Checkpoint(run / FOLDER / f"step-{step:09d}", step)


def checkpoints(run: Path) -> list[Checkpoint]:
    """All checkpoints of a run's folder, newest first, unchecked."""
    folder = run / FOLDER
    if not folder.is_dir():
        return []
    named = ((path, _NAME.fullmatch(path.name)) for path in folder.iterdir() if path.is_dir())
    found = [Checkpoint(path, int(match[1])) for path, match in named if match]
    return sorted(found, key=lambda c: c.step, reverse=True)


def latest(run: Path) -> Checkpoint:
    """The newest checkpoint of ``run`` that is intact; newer damaged ones get a warning each.

    Raises:
        ValueError: if there is no checkpoint yet, or none that is intact.
    """
    found = checkpoints(run)
    if not found:
        raise ValueError(f"{run} has no checkpoint yet: let it train until one is written")
    reason = ""
    for checkpoint in found:
        try:
            verify(checkpoint.path)
        except DamagedError as error:
            reason = str(error)
            logger.warning("%s; taking an older checkpoint", reason)
            continue
        return checkpoint
    raise ValueError(
        f"none of the {len(found)} checkpoint(s) of {run} is intact, the last: {reason}; copy them "
        "here again, or train anew in another folder"
    )


def verify(path: Path) -> int:
    """Check every file of a checkpoint against ``meta.json``; returns the step.

    Raises:
        DamagedError: naming the file that is missing, truncated or altered.
    """
    meta = _meta(path)
    for name, (size, digest) in meta.files.items():
        file = path / name
        try:
            actual = file.stat().st_size
            if actual != size:
                raise DamagedError(f"{file} is damaged: {actual} bytes instead of {size}")
            with file.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise DamagedError(f"{file} can't be read: {error.strerror}") from None
        if found != digest:
            raise DamagedError(f"{file} is damaged: its SHA-256 is not that of {META}")
    return meta.step


def save(
    run: Path,
    step: int,
    *,
    weights: Mapping[str, Tensor],
    extra: Mapping[str, Tensor],
    training: Mapping[str, Any],
    keep: int,
) -> Checkpoint:
    """Write a checkpoint and delete all but the ``keep`` newest.

    ``training`` may hold tensors, numbers, strings, None, lists, tuples and dictionaries only.

    Raises:
        OSError: if the disk is full or not writable; no half checkpoint is left.
    """
    folder = run / FOLDER
    folder.mkdir(exist_ok=True)
    target = at(run, step).path
    temporary = folder / f".{target.name}.{os.getpid()}"
    buffer = io.BytesIO()  # torch.save into a file would hide why the disk refused
    torch.save(dict(training), buffer)
    files = {WEIGHTS: _safetensors(weights), TRAINING: buffer.getvalue()}
    if extra:
        files[EXTRA] = _safetensors(extra)
    meta = {
        "format": FORMAT,
        "step": step,
        "files": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
        },
    }
    files[META] = (json.dumps(meta, indent=2) + "\n").encode()
    try:
        temporary.mkdir()
        for name, data in files.items():
            _write(temporary / name, data)
        _sync(temporary)
        if target.exists():  # the same step anew, after a damaged one was passed over
            shutil.rmtree(target)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _sync(folder)
    for old in checkpoints(run)[keep:]:
        # Renamed first: one that is half deleted must not be mistaken for a damaged one.
        doomed = old.path.with_name(f".{old.path.name}.old")
        old.path.rename(doomed)
        shutil.rmtree(doomed)
    return Checkpoint(target, step)


def clean(run: Path, newest: int) -> None:
    """Remove what killed writers left; set aside checkpoints after step ``newest``.

    Those are the damaged ones that ``latest`` passed over: kept for a person to look at, under a
    name that nothing reads. Call it only while holding the run's lock.
    """
    folder = run / FOLDER
    for path in folder.glob(".step-*"):
        shutil.rmtree(path)
    for checkpoint in checkpoints(run):
        if checkpoint.step > newest:
            aside = checkpoint.path.with_name(f"damaged-{checkpoint.path.name}")
            shutil.rmtree(aside, ignore_errors=True)
            checkpoint.path.rename(aside)


def load_weights(module: nn.Module, checkpoint: Path | Checkpoint, name: str) -> None:
    """Fill ``module`` from one of the checkpoint's safetensors files, strictly.

    Raises:
        ValueError: if a tensor is missing, left over, or of another shape or type.
        DamagedError: if the file can't be read.
    """
    file = (checkpoint.path if isinstance(checkpoint, Checkpoint) else checkpoint) / name
    fill(module, read_tensors(file), file)


def read_tensors(file: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file.

    Raises:
        DamagedError: if it can't be read.
    """
    try:
        return safetensors.torch.load_file(file)
    except (OSError, SafetensorError) as error:
        raise DamagedError(f"{file} can't be read: {error}") from None


def fill(module: nn.Module, tensors: Mapping[str, Tensor], file: Path) -> None:
    """Fill ``module`` from tensors that were read from ``file``, strictly.

    Raises:
        ValueError: if a tensor is missing, left over, or of another shape or type.
    """
    own = cast("dict[str, Tensor]", module.state_dict())
    missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    if missing or extra:
        raise ValueError(
            f"{file} doesn't fit the run's configuration: {len(missing)} tensor(s) missing "
            f"{missing[:3]}, {len(extra)} unknown {extra[:3]}"
        )
    for key, tensor in tensors.items():
        if tensor.shape != own[key].shape or tensor.dtype != own[key].dtype:
            raise ValueError(
                f"{file} doesn't fit the run's configuration: {key} is {tensor.dtype} of shape "
                f"{tuple(tensor.shape)}, needed is {own[key].dtype} of {tuple(own[key].shape)}"
            )
    module.load_state_dict(tensors)


def load_training(checkpoint: Checkpoint) -> dict[str, Any]:
    """Read ``training.pt``, on the CPU.

    Raises:
        DamagedError: if it can't be read, or holds anything but plain values.
    """
    file = checkpoint.path / TRAINING
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch documents no set of errors for damaged files
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DamagedError(f"{file} can't be read: {first}") from None


@dataclass(frozen=True)
class _Meta:
    step: int
    files: dict[str, tuple[int, str]]


def _meta(path: Path) -> _Meta:
    file = path / META
    try:
        meta: Any = json.loads(file.read_bytes())
        version, step = meta["format"], int(meta["step"])
        files = {str(k): (int(v["bytes"]), str(v["sha256"])) for k, v in meta["files"].items()}
    except OSError as error:
        raise DamagedError(f"{file} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DamagedError(f"{file} is damaged: not what farframe writes there") from None
    if version != FORMAT:
        raise DamagedError(f"{file} has format {version!r}; this farframe reads {FORMAT}")
    match = _NAME.fullmatch(path.name)
    if match and int(match[1]) != step:
        raise DamagedError(f"{file} is damaged: step {step} in a folder named {path.name}")
    if not {WEIGHTS, TRAINING} <= files.keys() <= {WEIGHTS, TRAINING, EXTRA}:
        raise DamagedError(f"{file} is damaged: it lists {sorted(files)}")
    return _Meta(step, files)


def _safetensors(tensors: Mapping[str, Tensor]) -> bytes:
    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    return safetensors.torch.save(plain)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Flush a folder's own entries (names) to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
