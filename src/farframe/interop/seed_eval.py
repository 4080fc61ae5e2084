"""The original's ``--run_mode eval``: each checkpoint of a training measured, into TensorBoard."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from farframe.data.clips import ClipWindows
from farframe.data.source import open_source
from farframe.data.splits import segments
from farframe.evaluation.follow import follow
from farframe.evaluation.summaries import FILM_FPS, Summaries
from farframe.interop.seed_run import SeedRun
from farframe.modes import Networks
from farframe.run import holds_run, load_config
from farframe.training import checkpoint
from farframe.training.checkpoint import Checkpoint
from farframe.training.distributed import pick_device
from farframe.training.logging import RunLog

logger = logging.getLogger(__name__)

EVAL = "eval"
FREE = frozenset({"enc_keep_prob", "van_keep_prob", "lstm_state_noise_stddev", "context_frames"})
"""Fields of the model that an evaluation may set by itself: no weight depends on them."""


def evaluate_seed(run: SeedRun, say: Callable[[str], None]) -> None:
    """Measure the checkpoints in ``run.model_dir`` as they appear, until the training has ended.

    Scalars and films go to ``event_log_dir/eval``, where they don't get between the events of a
    training that writes into ``event_log_dir`` at the same time.

    Raises:
        ValueError: if the data can't be measured on, or the flags aren't those of the training.
    """
    config, out = run.config, run.event_log_dir / EVAL
    device = pick_device(config.train.device)
    source = open_source(config.data, config.model.frame_size)
    windows = ClipWindows(
        source,
        segments(source, config.data, "validation"),
        config.data.sequence_length,
        config.data.stride,
        first=True,
        strict=True,
    )
    nets = config.networks()
    summaries = Summaries(
        config=config,
        nets=nets.to(device),
        windows=windows,
        indices=windows.spread(run.eval_clips or len(windows)),
    )
    say(f"{config.name}: measuring {len(summaries.indices)} clips of {config.data.path}")
    with ExitStack() as stack:
        logs: list[RunLog] = []

        def measure(found: Checkpoint) -> None:
            check_same(run, run.model_dir)
            _load(nets, found)
            values = summaries.scalars(found.step)
            if not logs:  # what an earlier evaluation wrote of this step and later ones goes
                logs.append(RunLog(out, found.step - 1, out))
                stack.callback(logs[0].close)
            logs[0].numbers(found.step, values, {})
            for name, film in (summaries.films() if run.images else {}).items():
                logs[0].video(found.step, name, film, FILM_FPS)
            logs[0].flush()
            told = (f"{n} {values[f'{n}_loss/psnr']:.2f} dB" for n in ("van", "van_on_enc"))
            say(f"step {found.step:,}: PSNR of {', '.join(told)}; in {out}")

        follow(
            run.model_dir, measure, finished=lambda step: step >= _steps(run), once=run.eval_once
        )


def check_same(run: SeedRun, model_dir: Path) -> None:
    """Check that the flags describe the networks that were trained.

    Raises:
        ValueError: naming the first flag that doesn't.
    """
    if not holds_run(model_dir):
        raise ValueError(
            f"{model_dir} holds checkpoints, but no config.json: copy the whole folder"
        )
    stored = load_config(model_dir)
    for key, value in run.config.changes(stored).items():
        part, _, name = key.partition(".")
        if part == "mode" and not name:
            raise ValueError(
                f"mode is {run.config.mode.tag!r}, but {model_dir} was trained in mode "
                f"{stored.mode.tag!r}: give the flags of the training"
            )
        if part == "model" and name not in FREE:
            mine = getattr(run.config.model, name)
            raise ValueError(
                f"{key} is {mine!r}, but {model_dir} was trained with {value!r}: give the flags "
                "of the training"
            )


def _load(nets: Networks, found: Checkpoint) -> None:
    checkpoint.load_weights(nets.model, found, checkpoint.WEIGHTS)
    if len(nets.extra):
        checkpoint.load_weights(nets.extra, found, checkpoint.EXTRA)


def _steps(run: SeedRun) -> int:
    """Steps at which the training ends, as it says itself and as the command line says."""
    return min(run.config.train.steps, load_config(run.model_dir).train.steps)
