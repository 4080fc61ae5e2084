"""An exported model's folder: what lies in it, and reading its weights.

::

    shapes/
      model.json          what it is called, precision, digests
      model.safetensors   the weights, nothing that could run code
      config.json         as in a run's folder, without the paths of whoever trained it
      README.md           the model card
      evaluation.json     its evaluation with the protocol card, and
      clips.csv           each clip's means, if it was evaluated
      training.csv        losses and validation over the training, if the run had a log
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor, nn

from farframe.config import check
from farframe.pretrained.names import ABOUT
from farframe.strict_json import decode, parse_json
from farframe.training.checkpoint import DamagedError, fill, read_tensors

FORMAT = 1
WEIGHTS, CARD = "model.safetensors", "README.md"
EVALUATION, CLIPS, CURVE = "evaluation.json", "clips.csv", "training.csv"


@dataclass(frozen=True, kw_only=True)
class About:
    """What ``model.json`` says."""

    format: int
    farframe: str
    """Version that exported it."""
    name: str
    summary: str
    """What it predicts, in a line."""
    licence: str
    """Of the weights; empty if whoever exported them didn't say."""
    step: int
    precision: Literal["float32", "float16"]
    """Of the large tensors; float16 is widened when it is read."""
    trained_weights: str
    """SHA-256 of the checkpoint's weights."""
    weights: str
    """SHA-256 of model.safetensors."""
    bytes: int
    """Size of model.safetensors."""
    hours: float
    """Time that the training's steps took by the clock (0: its log doesn't tell)."""
    data: str
    """What it was trained on, in words."""
    data_command: str
    """What makes that data, if anything does."""


def is_exported(folder: Path) -> bool:
    """Whether ``farframe export`` made this folder."""
    return (folder / ABOUT).is_file()


def read_about(folder: Path) -> About:
    """What ``model.json`` says.

    Raises:
        DamagedError: if it can't be read, or is of another version of farframe.
    """
    path = folder / ABOUT
    try:
        about = decode(About, parse_json(path.read_text("utf-8")), "model")
        check(about.format == FORMAT, "format", about.format, f"this farframe reads {FORMAT}")
    except OSError as error:
        raise DamagedError(f"{path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise DamagedError(f"{path} is damaged or of another farframe: {error}") from None
    return about


def verify(folder: Path) -> About:
    """Check the weights' every byte against ``model.json``, and return what that says.

    Raises:
        DamagedError: naming the file that is missing, truncated or altered.
    """
    about, file = read_about(folder), folder / WEIGHTS
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DamagedError(f"{file} can't be read: {error.strerror}") from None
    if (len(data), digest(data)) != (about.bytes, about.weights):
        raise DamagedError(f"{file} is damaged: its bytes are not those that {ABOUT} tells of")
    return about


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def narrowed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Kernels and matrices in half precision; vectors (biases, norms, statistics) as they are.

    Raises:
        ValueError: if a weight is too large for half precision.
    """
    most = torch.finfo(torch.float16).max
    wide = {name for name, t in tensors.items() if t.dim() > 1 and t.dtype == torch.float32}
    large = [name for name in sorted(wide) if tensors[name].abs().max() > most]
    if large:
        raise ValueError(f"{large[0]} has weights beyond half precision's range: leave out --half")
    return {name: t.half() if name in wide else t for name, t in tensors.items()}


def load_weights(module: nn.Module, folder: Path) -> None:
    """Fill ``module`` from an exported model's folder, strictly.

    Raises:
        ValueError: if a tensor is missing, left over, or of another shape or type.
        DamagedError: if the file can't be read.
    """
    tensors = read_tensors(folder / WEIGHTS)
    own = cast("dict[str, Tensor]", module.state_dict())
    for name, tensor in tensors.items():
        if tensor.dtype == torch.float16 and name in own and own[name].is_floating_point():
            tensors[name] = tensor.to(own[name].dtype)
    fill(module, tensors, folder / WEIGHTS)
