"""A run so small that a step takes milliseconds, and what tests of training ask of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from farframe.baselines.svg_config import SVGConfig
from farframe.config import DataConfig, ModelConfig, TrainConfig
from farframe.families import ALL_MODES, AnyMode, AnyModelConfig
from farframe.run import RunConfig
from farframe.training import checkpoint
from farframe.training.progress import Reporter

ROBOT = Path(__file__).parents[1] / "data" / "tfrecord"


def tiny(tag: str = "epev", *, data: Mapping[str, Any] = {}, **train: Any) -> RunConfig:
    """Four steps without evaluation on shapes, or on robot records for modes that need poses.

    All randomness (dropout, noise) is switched on.
    """
    mode = with_rate(ALL_MODES[tag](), 1e-3)
    source: dict[str, Any] = {"path": "shapes", "clips": 50, "clip_length": 12}
    if mode.pose_dim:
        source = {"path": str(ROBOT), "data_pattern": "robot-train*"}
    return RunConfig(
        name="tiny",
        model=tiny_model(mode),
        data=replace(
            DataConfig(sequence_length=4, batch_size=2, **source),
            **data,
        ),
        train=replace(
            TrainConfig(steps=4, device="cpu", log_every=2, evaluate_every=0, checkpoint_every=100),
            **train,
        ),
        mode=mode,
    )


def tiny_model(mode: AnyMode) -> AnyModelConfig:
    """A small model of the kind that the mode trains."""
    if mode.trains is SVGConfig:
        return SVGConfig(frame_size=32, width=4, enc_size=8, units=8, noise_size=4, norm="batch",
                         context_frames=2)  # fmt: skip
    return ModelConfig(
        frame_size=32,
        width=4,
        enc_size=mode.pose_dim or 8,
        action_dim=0,
        pred_cells=3,
        encoder="conv",
        enc_norm="batch",
        enc_keep_prob=0.9,
        van_keep_prob=0.9,
        pred_noise_std=0.1,
    )


def with_rate(mode: AnyMode, rate: float) -> AnyMode:
    """The mode with all its learning rates set to ``rate``."""
    names = [f.name for f in fields(mode) if f"_{f.name}".endswith("_lr")]
    assert names
    return replace(mode, **dict.fromkeys(names, rate))


def contents(run: Path) -> dict[str, Tensor]:
    """Every tensor of the newest checkpoint: weights, other networks, optimizers' state."""
    newest = checkpoint.latest(run)
    found: dict[str, Tensor] = {}
    for file in newest.path.glob("*.safetensors"):
        found |= {f"{file.name}/{k}": v for k, v in safetensors.torch.load_file(file).items()}
    flatten(checkpoint.load_training(newest), "training", found)
    return found


def flatten(value: object, name: str, found: dict[str, Tensor]) -> None:
    """Collect the tensors and numbers of a nested structure under dotted names."""
    if isinstance(value, dict):
        for key, inner in value.items():
            flatten(inner, f"{name}.{key}", found)
    elif isinstance(value, (list, tuple)):
        for key, inner in enumerate(value):
            flatten(inner, f"{name}.{key}", found)
    elif isinstance(value, Tensor):
        found[name] = value
    elif isinstance(value, (int, float)):
        found[name] = torch.tensor(value, dtype=torch.float64)


def differing(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> list[str]:
    """Names of tensors that are not equal bit for bit, or not in both."""
    return [k for k in {**a, **b} if k not in a or k not in b or not torch.equal(a[k], b[k])]


class Heard(Reporter):
    """Remembers all that a training says; ``at`` calls a function after a given step."""

    def __init__(self, at: Mapping[int, Any] | None = None) -> None:
        self.lines: list[str] = []
        self.steps: list[int] = []
        self.begun: list[tuple[int, int]] = []
        self.values: dict[int, dict[str, float]] = {}
        self.closed = 0
        self.at = dict(at or {})

    def line(self, text: str) -> None:
        self.lines.append(text)

    def begin(self, done: int, total: int) -> None:
        self.begun.append((done, total))

    def step(self, done: int) -> None:
        self.steps.append(done)
        if done in self.at:
            self.at.pop(done)()

    def numbers(self, done: int, values: Mapping[str, float]) -> None:
        self.values[done] = dict(values)

    def close(self) -> None:
        self.closed += 1
