"""The two sides of a rating page: runs, what evaluations measured, or the truth; of equal terms."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from farframe.data.source import DataError
from farframe.evaluation.card import MADE
from farframe.evaluation.compare import NAME, Stored, check_protocols, read_evaluation
from farframe.evaluation.evaluate import resting
from farframe.evaluation.measure import predict_clips, seed_noise
from farframe.evaluation.setting import Setting
from farframe.evaluation.subjects import Scene
from farframe.pretrained.folder import is_exported
from farframe.run import find, load_config, locate
from farframe.studies.rating_options import RatingOptions
from farframe.training.checkpoint import WEIGHTS, checkpoints
from farframe.types import Clip

TRUTH = "truth"
"""Stands for the true frames in place of a run."""


@dataclass(frozen=True)
class Side:
    """One of the two that are judged: its name, and the setting that it predicts in."""

    name: str
    at: Setting
    shown: range
    """The frames after the context that it shows."""

    def frames(self, clips: Sequence[Clip], first: int) -> Float[Tensor, "b t c h w"]:
        """What it shows of some clips, the first of which is number ``first``."""
        at, part = self.at, slice(self.shown.start - 1, self.shown.stop - 1)
        horizon = at.options.horizon
        if self.name == TRUTH:
            return Scene.of(at.model, clips, at.context, horizon).truth[:, part]
        with resting(at.model):
            seed_noise(at.options.seed, first, 0)
            return predict_clips(at.model, clips, at.context, horizon).frames[:, part]

    def described(self) -> dict[str, Any]:
        """Who it is, for the key."""
        told: dict[str, Any] = {"name": self.name, "frames": f"{self.shown[0]}-{self.shown[-1]}"}
        if self.name == TRUTH:
            return told
        found = self.at.found
        weights = hashlib.sha256(found.weights.read_bytes()).hexdigest()
        return told | {"run": str(found.folder), "step": found.step, "weights": weights}


def sides(a: str, b: str, options: RatingOptions, device: str) -> tuple[Side, Side]:
    """Open both; each is a run, a checkpoint, an evaluation (its run on its clips), or ``truth``.

    Raises:
        ValueError: if one can't be opened, both are the truth, or they don't go together.
        DataError: if data can't be read, or its clips are too short for the horizon.
    """
    named = [word for word in (a, b) if word != TRUTH]
    if not named:
        raise ValueError("both sides are the truth: name a run, or an evaluation of one")
    stored = {word: read_evaluation(Path(word)) for word in named if _evaluated(Path(word))}
    if stored:
        options = _as_evaluated(list(stored.values()), options)
    runs = {w: _evaluated_model(stored[w]) if w in stored else Path(w) for w in named}
    context = options.context or max(_context(run) for run in runs.values())
    options = replace(options, context=context)
    first = Setting.of(runs[named[0]], options.evaluation, "", device)
    settings = {named[0]: first}
    for word in named[1:]:
        same = replace(options.evaluation, data=first.data.path, stride=first.data.stride)
        settings[word] = Setting.of(runs[word], same, "", device)
        _check_same(first, settings[word], named[0], word)
    shown = options.shown
    one, two = (
        Side(word, settings.get(word, first), part)
        for word, part in zip((a, b), shown, strict=True)
    )
    return one, two


def _evaluated(path: Path) -> bool:
    """Whether a path is an evaluation's file or folder, and not a model that has one beside it."""
    return path.suffix == ".json" or ((path / NAME).is_file() and not is_exported(path))


def _as_evaluated(stored: Sequence[Stored], options: RatingOptions) -> RatingOptions:
    """The options with what the evaluations measured on."""
    check_protocols(stored)
    card = stored[0].card
    return replace(
        options,
        data=card[MADE]["data_path"],
        split=card["data"]["split"],
        context=card["context"],
        horizon=card["horizon"],
        stride=card["data"]["stride"],
    )


def _evaluated_model(stored: Stored) -> Path:
    """The checkpoint, or the exported model, that was evaluated.

    Raises:
        ValueError: if it is there no longer.
    """
    made = stored.card[MADE]
    folder, chosen = locate(Path(made["run"]))
    if is_exported(folder):
        weights = [find(folder).weights]
    else:
        found = [c.path for c in checkpoints(folder) if c.step == made["step"]]
        weights = [path / WEIGHTS for path in ([chosen] if chosen else found)]
    for path in weights:
        if hashlib.sha256(path.read_bytes()).hexdigest() == made["weights"]:
            return path.parent
    raise ValueError(
        f"{stored.path} measured step {made['step']} of {made['run']}, which is there no longer: "
        "evaluate the run anew"
    )


def _context(run: Path) -> int:
    return load_config(locate(run)[0]).model.context_frames


def _check_same(a: Setting, b: Setting, first: str, second: str) -> None:
    """Two settings must have the same clips at the same size and rate."""

    def terms(at: Setting) -> dict[str, Any]:
        return {
            "frame_size": at.source.frame_size,
            "fps": at.fps,
            "stride": at.data.stride,
            "data": at.source.fingerprint(),
            "clips": [at.windows.clip_id(i) for i in at.indices],
        }

    one, two = terms(a), terms(b)
    apart = [name for name in one if one[name] != two[name]]
    if apart:
        what = apart[0]
        values = f" ({one[what]} against {two[what]})" if what in ("frame_size", "fps") else ""
        raise DataError(
            f"{first} and {second} don't go together: their {what} differ{values}; both must be "
            "judged on the same clips, at the same size and rate"
        )
