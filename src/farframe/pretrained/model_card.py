"""The model card: what an exported model is, from its files alone, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from farframe.config import ModelConfig
from farframe.evaluation.compare import Stored
from farframe.evaluation.quantities import QUANTITIES
from farframe.evaluation.table import PRINTED, between, confident
from farframe.evaluation.tally import Estimate
from farframe.pretrained.commands import DATA, evaluate_command, train_command, wrapped
from farframe.pretrained.curve import Course
from farframe.pretrained.folder import WEIGHTS, About
from farframe.pretrained.names import PLANNED
from farframe.run import RunConfig

_STEPS = 8  # rows of the table of the training


@dataclass(frozen=True, kw_only=True)
class Material:
    """All that a card tells of."""

    about: About
    config: RunConfig
    numbers: int
    """Weights of the networks."""
    before: Sequence[tuple[str, RunConfig]]
    """The runs whose weights it started from, one after the other, by their folders' names."""
    git: str
    """Commit that trained it; empty if none is known."""
    evaluation: Stored | None
    course: Course | None
    notes: str
    """The exporter's own words about what it can't do, and what was tried."""

    @property
    def run(self) -> str:
        """What stands for RUN in a command."""
        name = self.about.name
        return f"--model {name}" if name in PLANNED else f"{name}/"


def model_card(of: Material) -> str:
    """The card as Markdown."""
    parts = [
        f"# {of.about.name}",
        of.about.summary,
        *_facts(of),
        *_use(of),
        *_data(of),
        *_training(of),
        *_measured(of),
        *_limits(of),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(of: Material) -> Iterator[str]:
    about, model, data = of.about, of.config.model, of.config.data
    actions = f", and an action of {model.action_dim} numbers a frame" if model.action_dim else ""
    after = f"after {model.context_frames} given ones{actions}"
    predictor = (
        f"predictor of {model.pred_cells} cells"
        if isinstance(model, ModelConfig)
        else f"baseline {of.config.mode.tag} with LSTMs"
    )
    encoder = f"{model.encoder} encoder, " if isinstance(model, ModelConfig) else ""
    nets = f"{encoder}encodings of {model.enc_size}, width {model.width}, {predictor}"
    mode = f"mode {of.config.mode.tag}, {about.step:,} steps of {data.batch_size} clips"
    hours = f", {about.hours:.1f} hours of steps by the clock" if about.hours else ""
    size = f"{about.bytes / 1e6:.2f} MB, SHA-256 `{about.weights}`"
    rows = {
        "predicts": f"frames of {model.frame_size}x{model.frame_size} {after}",
        "networks": f"{nets} of {model.units}; {of.numbers:,} numbers",
        "trained": f"{mode} of {data.sequence_length} frames{hours}",
        "by": f"farframe {about.farframe}" + (f", commit `{of.git}`" if of.git else ""),
        "weights": f"`{WEIGHTS}`: {about.precision}, {size}",
        "licence": about.licence or "not stated by whoever exported it: ask before you use it",
    }
    yield _table([[name, text] for name, text in rows.items()], ["", ""])


def _use(of: Material) -> Iterator[str]:
    name = of.about.name
    source = f"{name}:0" if name in PLANNED else "INPUT"
    horizon = of.evaluation.card["horizon"] if of.evaluation else of.config.data.sequence_length
    load = name if name in PLANNED else f"{name}/"
    yield "## Use"
    yield _code(f"farframe predict {of.run} {source} --horizon {horizon} --out out/")
    yield f'In Python: `farframe.load("{load}")`.'


def _data(of: Material) -> Iterator[str]:
    yield "## Data"
    yield f"{of.about.data[:1].upper()}{of.about.data[1:]}."
    if of.about.data_command:
        yield _code(of.about.data_command)


def _training(of: Material) -> Iterator[str]:
    command = train_command(of.config)
    commands = [train_command(config, name) for name, config in of.before] + [command]
    yield "## Training"
    yield _code(*commands) if all(commands) else "`config.json` has every option."
    if of.course is None:
        return
    shown = [row for row in of.course.rows if "val/psnr" in row]
    names = ["step", *(n for n in of.course.names if n.startswith("val/") and "copy" not in n)]
    chosen = [shown[round(k * (len(shown) - 1) / (_STEPS - 1))] for k in range(_STEPS) if shown]
    rows = [[_number(row.get(name), name) for name in names] for row in _apart(chosen)]
    if rows:
        yield "On validation clips, as it was trained (all of it is in `training.csv`):"
        yield _table(rows, names)


def _measured(of: Material) -> Iterator[str]:
    yield "## Measured"
    if of.evaluation is None:
        yield "Not evaluated by whoever exported it."
        return
    card = of.evaluation.card
    data = card["data"]
    given = f"{card['context']} given frames, {card['horizon']} predicted"
    clips = f"{data['clips']} clips (split: {data['split']}) at {data['fps']:g} frames/s"
    samples = f", {card['samples']} samples of each" if card["samples"] > 1 else ""
    yield f"{clips}, {given}{samples}. With 95 % intervals over clips; copy: the last given frame."
    yield measured_table(of.evaluation)
    yield "\n".join(f"- {line}" for line in remarks(of.evaluation))
    path = "" if of.config.data.path else DATA
    yield _code(evaluate_command(card, of.run, path))


def measured_table(evaluation: Stored) -> str:
    """The evaluation's numbers, a row for each frame or range of frames."""
    frames = list(dict.fromkeys(row["frames"] for row in evaluation.content["table"]))
    there = [q for q in PRINTED if evaluation.value(q, frames[0], "model")]
    copied = {q: evaluation.value(q, frames[0], "copy_last") is not None for q in there}
    head = ["frame"]
    for quantity in there:
        head += [QUANTITIES[quantity].title] + ["copy", "gain"] * copied[quantity]
    rows: list[list[str]] = []
    for name in frames:
        row = [name]
        for quantity in there:
            digits = QUANTITIES[quantity].digits
            subjects = ["model"] + ["copy_last", "gain"] * copied[quantity]
            values = [evaluation.value(quantity, name, subject) for subject in subjects]
            row += [_cell(v, digits, s) for v, s in zip(values, subjects, strict=True)]
        rows.append(row)
    return _table(rows, head)


def remarks(evaluation: Stored) -> Iterator[str]:
    """What no table holds: the confidence horizon, FVD, what the world's labels say."""
    content, horizon = evaluation.content, evaluation.card["horizon"]
    first = content["confidence_horizon"].get("psnr")
    if first:
        yield f"PSNR: {confident(Estimate.of_json(first), horizon)}"
    if content["fvd"]:
        yield f"FVD: {', '.join(f'{distance:.1f}' for distance in content['fvd']['model'])}"
    shares = (f"{n.replace('_', ' ')} {share:.1%}" for n, share in content["world"].items())
    if content["world"]:
        yield f"frame {horizon} against the world's labels: {', '.join(shares)}"


def _limits(of: Material) -> Iterator[str]:
    model = of.config.model
    size, context = model.frame_size, model.context_frames
    yield "## Limits"
    yield (
        f"It has seen what stands under Data and nothing else. Every input becomes a square of "
        f"{size}x{size} pixels, of which it needs {context} frames"
        + (f", and {model.action_dim} numbers of action for every frame." * bool(model.action_dim))
        + ("." * (not model.action_dim))
    )
    yield of.notes.strip()


def _cell(value: Estimate | None, digits: int, subject: str) -> str:
    if value is None:
        return ""
    sign = "+" if subject == "gain" else ""
    mean = f"{value.mean:{sign}.{digits}f}"
    whole = subject == "copy_last" or value.low is None
    return mean if whole else f"{mean} ({between(value, digits, sign)})"


def _apart(rows: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    return list({row["step"]: row for row in rows}.values())


def _number(value: float | None, name: str) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if name == "step" else f"{value:.4g}"


def _table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _code(*commands: str) -> str:
    return "\n".join(("```", *(wrapped(command) for command in commands), "```"))
