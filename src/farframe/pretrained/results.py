"""The models that come with farframe: what they are, and README's table of their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from farframe.evaluation.compare import Stored, read_evaluation
from farframe.evaluation.quantities import QUANTITIES
from farframe.evaluation.tally import Estimate
from farframe.prediction_world import WORLDS
from farframe.pretrained.folder import CARD, EVALUATION, About, read_about
from farframe.pretrained.names import folder_of, offered
from farframe.run import RunConfig, load_config

REPOSITORY = "src/farframe/pretrained"
"""Where the folders lie, seen from README."""
_SHOWN = ("psnr", "ssim", "lpips", "mask_iou")


@dataclass(frozen=True)
class Packaged:
    """A model that comes with farframe."""

    folder: Path
    about: About
    config: RunConfig
    evaluation: Stored | None

    @property
    def command(self) -> str:
        """What shows it at work."""
        name, card = self.about.name, self.evaluation.card if self.evaluation else {}
        source = f"{name}:0" if name in WORLDS else "INPUT"
        horizon = card.get("horizon", self.config.data.sequence_length)
        return f"farframe predict --model {name} {source} --horizon {horizon} --out out/"


def packaged() -> list[Packaged]:
    """All models of this copy of farframe.

    Raises:
        ValueError: if one is damaged.
    """
    return [_read(folder_of(name)) for name in offered()]


def listed() -> Iterator[str]:
    """`farframe models`: lines about each model."""
    models = packaged()
    if not models:
        yield "this copy of farframe has no trained models (see farframe export --help)"
    for model in models:
        sizes, about = model.config.model, model.about
        after = f"{sizes.frame_size}x{sizes.frame_size} after {sizes.context_frames} frames"
        actions = f" and actions of {sizes.action_dim}" if sizes.action_dim else ""
        yield f"{about.name} ({after}{actions}, {about.bytes / 1e6:.1f} MB): {about.summary}"
        yield f"  {model.command}"
        yield f"  {model.folder / CARD}"


def markdown() -> str:
    """README's table: every number is from the evaluations that lie beside the weights."""
    models = packaged()
    if not models:
        return "None has been trained yet."
    head = ["model", "given → predicted", "test clips"]
    head += [QUANTITIES[name].title for name in _SHOWN]
    lines = [[*head, "beats copying until", "size"], ["---"] * (len(head) + 2)]
    lines += [_row(model) for model in models]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    said = "Means over all predicted frames, model (copy of the last given frame)."
    commands = "\n".join(model.command for model in models)
    return f"{table}\n\n{said}\n\n```\n{commands}\n```"


def _row(model: Packaged) -> list[str]:
    name, size = model.about.name, f"{model.about.bytes / 1e6:.1f} MB"
    link = f"[`{name}`]({REPOSITORY}/{model.folder.name}/{CARD})"
    if model.evaluation is None:
        return [link, "", "not evaluated", *[""] * len(_SHOWN), "", size]
    card = model.evaluation.card
    horizon = card["horizon"]
    span = f"mean 1-{horizon}" if horizon > 1 else "1"
    cells = [link, f"{card['context']} → {horizon}", str(card["data"]["clips"])]
    cells += [_cell(model.evaluation, quantity, span) for quantity in _SHOWN]
    first = model.evaluation.content["confidence_horizon"].get("psnr")
    until = Estimate.of_json(first).mean if first else 0
    beats = "the end" if until > horizon else f"frame {until - 1:.0f}"
    return [*cells, beats, size]


def _cell(evaluation: Stored, quantity: str, frames: str) -> str:
    mine, copied = (evaluation.value(quantity, frames, s) for s in ("model", "copy_last"))
    digits = QUANTITIES[quantity].digits
    if mine is None:
        return ""
    return f"{mine.mean:.{digits}f}" + (f" ({copied.mean:.{digits}f})" if copied else "")


def _read(folder: Path) -> Packaged:
    evaluation = read_evaluation(folder) if (folder / EVALUATION).is_file() else None
    return Packaged(folder, read_about(folder), load_config(folder), evaluation)
