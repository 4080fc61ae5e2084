"""The protocol card: everything that makes an evaluation's numbers, as JSON."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch

import farframe
from farframe.data.splits import split_mode
from farframe.evaluation.evaluate import Evaluation
from farframe.evaluation.features import described
from farframe.evaluation.options import PROTOCOLS
from farframe.evaluation.quantities import QUANTITIES
from farframe.evaluation.setting import Setting
from farframe.evaluation.subjects import hierarchical
from farframe.evaluation.table import quantities
from farframe.run import git_hash

FORMAT = 1
MADE = "made"
"""The part of a card that tells who was measured by whom: it may differ between comparisons."""
OPTIONAL = ("measures", "features")
"""Parts of which those that two evaluations share must agree."""


def card(at: Setting, evaluation: Evaluation) -> dict[str, Any]:
    """The protocol, and who was measured by whom."""
    options, data, source = at.options, at.data, at.source
    changed = PROTOCOLS[at.protocol].changed(options) if at.protocol else {}
    notes = ", ".join(f"{name} {value}" for name, value in changed.items())
    whole = options.split == "all"
    return {
        "format": FORMAT,
        "name": f"{at.protocol} with {notes}" if notes else at.protocol,
        "context": evaluation.context,
        "horizon": evaluation.horizon,
        "samples": options.samples,
        "seed": options.seed,
        "data": {
            "kind": source.kind,
            "fingerprint": source.fingerprint(),
            "split": options.split,
            "split_mode": "" if whole else split_mode(source, data),
            "frame_size": source.frame_size,
            "crop": data.crop if source.kind == "video" else "",
            "stride": data.stride,
            "fps": at.fps,
            "clips": evaluation.clips,
            "ids": evaluation.ids,
        },
        "measures": {name: _meaning(name, at) for name in quantities(evaluation)},
        "features": described(at.what.metrics, at.what.fvd, at.what.fvd_context, at.what.finder),
        MADE: _made(at),
    }


def _meaning(name: str, at: Setting) -> str:
    """What a quantity is; overlap with what is redrawn depends on the frame that is drawn from."""
    meaning, model = QUANTITIES[name].meaning, hierarchical(at.model)
    if name == "redrawn_iou" and model is not None and model.config.anchor_frame == "last":
        return f"{meaning}; with the last given frame for the first"
    return meaning


def _made(at: Setting) -> dict[str, Any]:
    """What was measured, by which code, on what."""
    device = at.model.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "run": at.found.name,
        "step": at.found.step,
        "weights": hashlib.sha256(at.found.weights.read_bytes()).hexdigest(),
        "samples_drawn": at.what.samples,
        "batch_size": at.options.batch_size,
        "data_path": at.data.path,
        "device": f"{device.type} ({name})",
        "farframe": farframe.__version__,
        "git": git_hash(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def differences(mine: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """In what two cards are not of one protocol: each as ``name: this against that``."""
    found: list[str] = []
    for name in dict.fromkeys([*mine, *other]):
        if name in (MADE, "name"):
            continue
        a, b = mine.get(name), other.get(name)
        if name in OPTIONAL:
            shared = set(a or {}) & set(b or {})
            a, b = ({k: v for k, v in (part or {}).items() if k in shared} for part in (a, b))
        found += _apart(name, a, b)
    return found


def _apart(name: str, a: Any, b: Any) -> list[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        one, two = cast("dict[str, Any]", a), cast("dict[str, Any]", b)
        inner = (_apart(f"{name}.{k}", one.get(k), two.get(k)) for k in dict.fromkeys([*one, *two]))
        return [line for lines in inner for line in lines]
    if a == b:
        return []
    shown = name if name.isprintable() else ascii(name)
    return [f"{shown:.100}: {_short(a)} against {_short(b)}"]


def _short(value: Any) -> str:
    """A value as a message shows it: of a digest the first digits."""
    if isinstance(value, str) and len(value) >= 32 and value.isalnum():
        return f"{value:.12}..."
    text = repr(value)
    return text if len(text) <= 100 else f"{text:.97}..."
