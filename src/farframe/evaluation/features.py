"""The networks that an evaluation measures with, loaded by name and described for its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from farframe.evaluation.finder import SIDE, Finder
from farframe.evaluation.fvd import FVD
from farframe.evaluation.i3d import I3D
from farframe.evaluation.lpips import LPIPS
from farframe.evaluation.measure import Metric
from farframe.evaluation.metrics import METRICS
from farframe.evaluation.options import More


@dataclass(frozen=True)
class Features:
    """Metrics of frames by name, and FVD's network if it was asked for."""

    metrics: Mapping[str, Metric]
    i3d: I3D | None

    @staticmethod
    def load(names: Sequence[More], device: torch.device) -> Features:
        """The usual metrics, and those of ``names``.

        Raises:
            ValueError: if weights are not in the cache, saying how to get them there.
        """
        metrics: dict[str, Metric] = dict(METRICS)
        if "lpips" in names:
            metrics["lpips"] = LPIPS.load("alex", device)
        if "lpips_vgg" in names:
            metrics["lpips_vgg"] = LPIPS.load("vgg", device)
        return Features(metrics, I3D.load(device) if "fvd" in names else None)


def described(
    metrics: Mapping[str, Metric], fvd: FVD | None, with_context: bool, finder: Finder | None
) -> dict[str, Any]:
    """Which network each number comes from, and for FVD how."""
    found: dict[str, Any] = {
        name: {"network": metric.net, "weights": metric.digest}
        for name, metric in metrics.items()
        if isinstance(metric, LPIPS)
    }
    if finder is not None:
        found["finder"] = {"of": finder.thing, "weights": finder.digest, "looks_at": [SIDE, SIDE]}
    if fvd is not None:
        found["fvd"] = {
            "network": "I3D, Kinetics-400, RGB: logits averaged over time",
            "weights": fvd.network.digest,
            "resize": "8 bits, TensorFlow 1's bilinear to 224x224, [-1, 1]",
            "covariance": "n - 1",
            "frames": [len(piece) for piece in fvd.pieces],
            "given_frames_too": with_context,
        }
    return found
