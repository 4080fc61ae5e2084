"""Statistics as lerobot keeps them: of each episode, and put together of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
Stats = dict[str, Any]
"""min, max, mean, std, count, q01, ..., q99: each nested lists of numbers."""


def of_numbers(values: Shaped[np.ndarray, "t k"]) -> Stats:
    """Of each column of an episode."""
    rows = values.astype(np.float64)
    found = {
        "min": rows.min(0),
        "max": rows.max(0),
        "mean": rows.mean(0),
        "std": rows.std(0),
        "count": np.array([len(rows)]),
    }
    found |= {name: np.quantile(rows, q, 0) for name, q in QUANTILES.items()}
    return {name: value.tolist() for name, value in found.items()}


def of_pictures(counts: Shaped[np.ndarray, "3 256"], frames: int) -> Stats:
    """Of each colour of an episode, in [0, 1], shape (3, 1, 1), from ``grey_levels`` of it."""
    levels, total = np.arange(256) / 255, counts.sum(1)
    mean = counts @ levels / total
    reached = np.cumsum(counts, 1) / total[:, None]
    found = {
        "min": levels[(counts > 0).argmax(1)],
        "max": levels[255 - (counts[:, ::-1] > 0).argmax(1)],
        "mean": mean,
        "std": np.sqrt(np.maximum(counts @ levels**2 / total - mean**2, 0)),
    }
    found |= {name: levels[(reached >= q).argmax(1)] for name, q in QUANTILES.items()}
    stats = {name: value[:, None, None].tolist() for name, value in found.items()}
    return stats | {"count": [frames]}


def grey_levels(picture: UInt8[np.ndarray, "3 h w"]) -> Shaped[np.ndarray, "3 256"]:
    """How often each value occurs in each colour."""
    return np.stack([np.bincount(colour.ravel(), minlength=256) for colour in picture])


def together(episodes: Sequence[Mapping[str, Stats]]) -> dict[str, Stats]:
    """Of all episodes; quantiles are averaged, weighted by frames, as lerobot has it."""
    found: dict[str, Stats] = {}
    for key in episodes[0]:
        parts = {n: np.array([e[key][n] for e in episodes], np.float64) for n in episodes[0][key]}
        count = parts["count"].reshape(-1, *[1] * (parts["mean"].ndim - 1))
        weight = count / count.sum()
        mean = (parts["mean"] * weight).sum(0)
        square = parts["std"] ** 2 + (parts["mean"] - mean) ** 2
        merged = {
            "min": parts["min"].min(0),
            "max": parts["max"].max(0),
            "mean": mean,
            "std": np.sqrt((square * weight).sum(0)),
            "count": parts["count"].sum(0).astype(np.int64),
        }
        merged |= {name: (parts[name] * weight).sum(0) for name in QUANTILES}
        found[key] = {name: value.tolist() for name, value in merged.items()}
    return found
