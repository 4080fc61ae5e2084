"""What ``training.pt`` must hold before any of it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor

from farframe.training.updates import TFAdam

KEYS = frozenset(("step", "batches", "optimizers", "scaler"))


def complaint(training: object, step: int, optimizers: Mapping[str, TFAdam]) -> str:
    """Why the state stored after ``step`` steps can't be gone on with; empty if it can.

    It may come from another configuration, another version, or a stranger.
    """
    if not isinstance(training, dict) or cast("dict[Any, Any]", training).keys() != KEYS:
        return f"it must hold {', '.join(sorted(KEYS))} and nothing else"
    held = cast("dict[str, Any]", training)
    if type(held["step"]) is not int or held["step"] != step:
        return f"it was written after step {held['step']!r:.40}, not {step}"
    stored = held["optimizers"]
    if not isinstance(stored, dict) or not isinstance(held["scaler"], dict):
        return "its optimizers and scaler must be mappings"
    names, needed = sorted(map(str, cast("dict[Any, Any]", stored))), sorted(optimizers)
    if names != needed:
        return f"it has optimizers of {names}, needed are those of {needed}"
    for name, optimizer in optimizers.items():
        if reason := _unlike(optimizer, cast("dict[str, Any]", stored)[name]):
            return f"its optimizer of {name} {reason}"
    return ""


def _unlike(optimizer: TFAdam, stored: Any) -> str:
    """How a stored optimizer differs from one of this run."""
    own: dict[str, Any] = optimizer.state_dict()
    try:
        groups, state = stored["param_groups"], stored["state"]
        for mine, theirs in zip(own["param_groups"], groups, strict=True):
            if mine.keys() != theirs.keys() or mine["params"] != theirs["params"]:
                return "is of other networks or of another version"
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for number, entry in state.items():
            if entry.keys() != {"step", "exp_avg", "exp_avg_sq"}:
                return f"holds {sorted(map(str, entry))[:4]} for a parameter"
            parameter: Tensor = parameters[number]
            for key in ("exp_avg", "exp_avg_sq"):
                if entry[key].shape != parameter.shape:
                    found = tuple(entry[key].shape)
                    return f"has a tensor of shape {found}, needed is {tuple(parameter.shape)}"
            float(entry["step"])
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        return f"is not what farframe writes ({type(error).__name__})"
    return ""
