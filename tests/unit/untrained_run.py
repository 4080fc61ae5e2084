"""A run's folder without the time of a training: random weights, a log by hand, an evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from farframe.evaluation.options import EvaluateOptions
from farframe.evaluation.report import evaluate_run
from farframe.models.hierarchical import HierarchicalModel
from farframe.presets import PRESETS
from farframe.run import write_config
from farframe.training import checkpoint

MEASURED = EvaluateOptions(horizon=3, clips=9)


def untrained(folder: Path) -> Path:
    """A run of preset debug with checkpoints of steps 2 and 4, of which 4 is evaluated."""
    preset = PRESETS["debug"].config
    config = replace(preset, train=replace(preset.train, device="cpu"))
    folder.mkdir(parents=True)
    write_config(folder, config, "f" * 16)
    for step in (2, 4):
        weights = HierarchicalModel(config.model).state_dict()
        checkpoint.save(folder, step, weights=weights, extra={}, training={"step": step}, keep=2)
    lines = [{"step": n, "loss/enc": 1 / n, "speed/steps_per_second": 2.0} for n in range(1, 5)]
    lines.append({"step": 4, "val/psnr": 15.0})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    evaluate_run(folder, MEASURED, device="cpu")
    return folder
