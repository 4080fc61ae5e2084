"""What `farframe export RUN --out DIR` does: a run's model as a small folder to give away."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors.torch
from torch import Tensor

from farframe import __version__
from farframe.atomic import sweep, temporary
from farframe.evaluation.card import MADE
from farframe.evaluation.compare import Stored, read_evaluation
from farframe.evaluation.stored_json import json_text
from farframe.pretrained.curve import course_of
from farframe.pretrained.folder import (
    CARD,
    CLIPS,
    CURVE,
    EVALUATION,
    FORMAT,
    WEIGHTS,
    About,
    digest,
    is_exported,
    narrowed,
)
from farframe.pretrained.model_card import Material, model_card
from farframe.pretrained.names import ABOUT
from farframe.pretrained.origins import origin_of, portable, runs_before
from farframe.run import CONFIG, Found, find, load_config, stored_fingerprint
from farframe.training.checkpoint import read_tensors


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What goes into the folder, and what its card says."""

    name: str = ""
    """What the model is called (empty: as the folder)."""
    summary: str = ""
    """What it predicts, in a line, for the card."""
    half: bool = False
    """Kernels and matrices in half precision: half the size. Evaluate what comes out."""
    evaluation: Path | None = None
    """An evaluation of these weights, as `farframe evaluate` writes it: its folder, or its JSON
    file (None: the run's own, if there is one)."""
    notes: Path | None = None
    """Text, in Markdown, for the card's part on limits."""
    licence: str = ""
    """Licence of the weights, for the card."""
    overwrite: bool = False
    """Replace a model that was exported into the same folder earlier."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    about: About
    files: Mapping[str, int]
    """Name -> bytes."""
    evaluated: bool


def export_run(run: Path, out: Path, options: ExportOptions) -> Exported:
    """Write the model of a run, or of one of its checkpoints, into the folder ``out``.

    All files appear together, at the end. The same run and options give the same bytes.

    Raises:
        ValueError: if there is no such run, the evaluation is not of these weights, or ``out``
            holds something already or can't be written. Nothing is written then.
    """
    found = find(run)
    if found.exported:
        raise ValueError(f"{run} is an exported model already: copy its folder")
    _check_out(out, options)
    files, about = _files(found, options.name or out.absolute().name, options)
    try:
        _write(out, files)
    except OSError as error:
        raise ValueError(f"--out {out} can't be written: {error.strerror or error}") from None
    sizes = {name: len(data) for name, data in files.items()}
    return Exported(out, about, sizes, EVALUATION in files)


def _files(found: Found, name: str, options: ExportOptions) -> tuple[dict[str, bytes], About]:
    config, trained = load_config(found.folder), digest(found.weights.read_bytes())
    tensors = read_tensors(found.weights)
    weights = _safetensors(narrowed(tensors) if options.half else tensors)
    origin = origin_of(config, stored_fingerprint(found.folder))
    course = course_of(found.folder, found.step)
    about = About(
        format=FORMAT,
        farframe=__version__,
        name=name,
        summary=options.summary,
        licence=options.licence,
        step=found.step,
        precision="float16" if options.half else "float32",
        trained_weights=trained,
        weights=digest(weights),
        bytes=len(weights),
        hours=round(course.hours, 2) if course else 0.0,
        data=origin.words,
        data_command=origin.command,
    )
    evaluation = _evaluation(found, about, options)
    record = json.loads((found.folder / CONFIG).read_text("utf-8"))
    record["run"] = portable(config).to_dict()
    card = Material(
        about=about,
        config=portable(config),
        numbers=sum(tensor.numel() for tensor in tensors.values()),
        before=runs_before(config),
        git=record["git"] or "",
        evaluation=evaluation,
        course=course,
        notes=_notes(options),
    )
    files = {CONFIG: json_text(record).encode(), WEIGHTS: weights}
    if course is not None:
        files[CURVE] = course.to_csv().encode()
    if evaluation is not None:
        files[EVALUATION] = json_text(evaluation.content).encode()
        clips = evaluation.path.with_name(CLIPS)
        if clips.is_file():
            evaluation.clips()  # raises if they are not of it
            files[CLIPS] = clips.read_bytes()
    files[CARD] = model_card(card).encode()
    files[ABOUT] = json_text(asdict(about)).encode()  # the last: what makes the folder a model's
    return files, about


def _evaluation(found: Found, about: About, options: ExportOptions) -> Stored | None:
    """The evaluation to go with the weights, without paths of whoever made it."""
    home = found.folder / "evaluation"
    if options.evaluation is None and not (home / EVALUATION).is_file():
        return None
    stored = read_evaluation(options.evaluation or home)
    card = stored.card
    made = card[MADE]
    if made.get("weights") not in (about.trained_weights, about.weights):
        raise ValueError(
            f"{stored.path} is of other weights (step {made['step']:,}) than are exported (step "
            f"{about.step:,}): run `farframe evaluate` again, or name another with --evaluation"
        )
    made = made | {"run": about.name, "data_path": Path(made["data_path"]).name}
    return Stored(stored.path, {**stored.content, "card": {**card, MADE: made}})


def _notes(options: ExportOptions) -> str:
    if options.notes is None:
        return ""
    try:
        return options.notes.read_text("utf-8")
    except OSError as error:
        raise ValueError(f"--notes {options.notes}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"--notes {options.notes} is no text in UTF-8") from None


def _check_out(out: Path, options: ExportOptions) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not is_exported(out):
        raise ValueError(f"--out {out} is there already and not empty: choose another --out")
    if not options.overwrite:
        raise ValueError(f"--out {out} holds an exported model: --overwrite replaces it")


def _write(out: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder whole or not at all; an earlier one stays until the new one is complete."""
    parent = out.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent)
    partial, old = temporary(parent / out.name), temporary(parent / out.name)
    try:
        partial.mkdir()
        for name, data in files.items():
            with (partial / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        if out.exists():
            out.rename(old)
        partial.rename(out)
    finally:
        if old.exists() and not out.exists():
            old.rename(out)
        for left in (partial, old):
            shutil.rmtree(left, ignore_errors=True)


def _safetensors(tensors: Mapping[str, Tensor]) -> bytes:
    return safetensors.torch.save({name: t.contiguous() for name, t in tensors.items()})
