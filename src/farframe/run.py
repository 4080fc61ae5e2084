"""A run as one value, and its folder.

::

    runs/push/
      config.json      the RunConfig, farframe's version and git hash, the data's fingerprint
      checkpoints/     step-000000500/, step-000001000/, ...   (training/checkpoint.py)
      logs/            TensorBoard events
      metrics.jsonl    the same numbers, one JSON object a line
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from farframe import __version__
from farframe.atomic import replacing
from farframe.config import DataConfig, ModelConfig, TrainConfig, check
from farframe.families import ALL_MODES, AnyMode, AnyModel, AnyModelConfig
from farframe.models.hierarchical import HierarchicalModel
from farframe.modes import Mode
from farframe.modes.base import ModeOf, NetworksOf, same
from farframe.pretrained import folder as exported
from farframe.pretrained.names import found_by_name, offered
from farframe.strict_json import decode, mapping, parse_json, typed, with_keys
from farframe.training import checkpoint
from farframe.training.distributed import pick_device

FORMAT = 1
CONFIG = "config.json"
IMPORTED = "imported"  # in place of the fingerprint of data: there was none here
RESUMABLE = frozenset(
    {f"train.{name}" for name in ("steps", "device", "compile", "keep_checkpoints", "log_every")}
    | {f"train.{name}" for name in ("evaluate_every", "evaluate_clips", "evaluate_horizon")}
    | {f"train.{name}" for name in ("checkpoint_every", "checkpoint_secs")}
    | {f"train.{name}" for name in ("memory_limit", "micro_batch_size", "activation_checkpointing")}
    | {"data.path", "data.workers", "data.cache", "name"}
)
"""Fields that may differ when a run goes on: they don't change what is learned from a batch (but
for noise, of the same kind), nor which batches there are (that ``data.path`` still holds the same
data is checked by fingerprint)."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """All that decides what a run computes; checked as a whole, never changed."""

    name: str
    """Name of the preset that the run started from."""
    model: AnyModelConfig
    data: DataConfig
    train: TrainConfig
    mode: AnyMode

    def __post_init__(self) -> None:
        length, context = self.data.sequence_length, self.model.context_frames
        check(
            length > context,
            "data.sequence_length",
            length,
            f"must be above model.context_frames ({context}), or no frame is left to predict: "
            "raise --data.sequence-length or lower --model.context-frames",
        )
        self.mode.check_model(self.model)
        self.model.check_run(self.data, self.train)
        check(
            not (self.train.micro_batch_size and self.whole_batch),
            "train.micro_batch_size",
            self.train.micro_batch_size,
            f"must be 0 with {self.whole_batch}, which needs all clips of a batch at once: save "
            "memory with --train.activation-checkpointing",
        )
        self.mode.check_clips(length)

    def hierarchical(self) -> tuple[ModelConfig, Mode]:
        """Model and mode of a run that is no baseline's; ValueError if it is."""
        if isinstance(self.model, ModelConfig):
            return self.model, cast("Mode", self.mode)  # ``check_model`` has seen to it
        raise ValueError(f"{self.name} is a run of the baseline {self.mode.tag}: give one of ours")

    @property
    def whole_batch(self) -> str:
        """The field for which a batch can't be taken in micro-batches; empty if it can."""
        return self.model.whole_batch or self.mode.whole_batch

    def networks(self, mean_over_processes: Callable[[Tensor], Tensor] = same) -> NetworksOf[Any]:
        """All that the run trains, with random weights (see ``NetworksOf``)."""
        mode = cast("ModeOf[Any, Any]", self.mode)  # that it trains such models has been checked
        return mode.networks(self.model, mean_over_processes)

    def build(self) -> AnyModel:
        """The run's model with random weights."""
        return cast("ModeOf[Any, Any]", self.mode).build(self.model)

    def to_json(self) -> str:
        """The run as JSON text; the mode carries its tag."""
        return json.dumps(self.to_dict(), indent=2)

    def to_dict(self) -> dict[str, Any]:
        """The run as plain dictionaries of JSON's types."""
        values: dict[str, Any] = asdict(self)
        values["mode"] = {"tag": self.mode.tag, **values["mode"]}
        return values

    @staticmethod
    def from_json(text: str) -> RunConfig:
        """The inverse of ``to_json``.

        Raises:
            ValueError: for text that is no JSON, an unknown or missing key, a value of the wrong
                type or out of range: one line that names the key.
        """
        return RunConfig.from_dict(parse_json(text))

    @staticmethod
    def from_dict(values: object) -> RunConfig:
        """The inverse of ``to_dict``, with the errors of ``from_json``."""
        parts = with_keys(values, [f.name for f in fields(RunConfig)], "")
        mode = mapping(parts["mode"], "mode")
        tag, tags = mode.get("tag"), list(ALL_MODES)
        check(tag in tags, "mode.tag", tag, f"must be one of {', '.join(tags)}")
        kind = ALL_MODES[str(tag)]
        return RunConfig(
            name=typed(str, parts["name"], "name"),
            model=decode(kind.trains, parts["model"], "model"),
            data=decode(DataConfig, parts["data"], "data"),
            train=decode(TrainConfig, parts["train"], "train"),
            mode=decode(kind, {k: v for k, v in mode.items() if k != "tag"}, "mode"),
        )

    def changes(self, other: RunConfig) -> dict[str, Any]:
        """Fields in which ``other`` differs: dotted name -> its value (another mode as a whole)."""
        mine, theirs = self.to_dict(), other.to_dict()
        changed: dict[str, Any] = {}
        for part, value in theirs.items():
            if isinstance(value, dict) and (part != "mode" or value["tag"] == mine[part]["tag"]):
                section = cast(dict[str, Any], value)
                changed |= {f"{part}.{k}": v for k, v in section.items() if v != mine[part][k]}
            elif value != mine[part]:
                changed[part] = value
        return changed

    def resumed(self, overrides: Mapping[str, Any]) -> RunConfig:
        """This stored run with what may change when it goes on (dotted names, see ``RESUMABLE``).

        Raises:
            ValueError: for a field that decides what is learned, naming it and both values.
        """
        stored = self.to_dict()
        for key, value in overrides.items():
            part, _, name = key.partition(".")
            old = stored[part][name] if name else stored[part]
            if value == old:
                continue
            if key not in RESUMABLE:
                raise ValueError(
                    f"{key} is {value!r}, but the run was started with {old!r}: a resumed run "
                    f"keeps what it learns and how; leave out --{key.replace('_', '-')}, or start "
                    "a new run in another folder"
                )
            if name:
                stored[part][name] = value
            else:
                stored[part] = value
        return RunConfig.from_dict(stored)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A model on the disk: its configuration's folder and its weights, which are intact."""

    name: str
    """What to call it: where it lies, or the name of a model that comes with farframe."""
    folder: Path
    weights: Path
    step: int
    exported: bool

    def load(self, device: str = "cpu") -> AnyModel:
        """The model in eval mode, with the errors of ``load``."""
        config, target = load_config(self.folder), pick_device(device)
        with torch.random.fork_rng(devices=[]):  # drawing weights that are then overwritten
            model = config.build()
        if self.exported:
            exported.load_weights(model, self.folder)
        else:
            checkpoint.load_weights(model, self.weights.parent, checkpoint.WEIGHTS)
        # Convolutions are faster so, on CPUs and GPUs.
        model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return model.to(target).eval()


def load(path: str | Path, device: str = "cpu") -> HierarchicalModel:
    """The model of a trained run, in eval mode (public as ``farframe.load``).

    Args:
        path: a run's folder (its newest intact checkpoint is taken), one checkpoint's folder, a
            folder that ``farframe export`` made, or the name of a model that comes with farframe.
        device: where to put it: cpu, cuda, cuda:1, ..., or auto.

    Raises:
        ValueError: if there is no such folder, it holds no run or no checkpoint yet, what it
            holds is damaged, or it is a run of a baseline (``load_any`` takes these too); one line
            that names the file and the way out.
    """
    loaded = load_any(path, device)
    if isinstance(loaded, HierarchicalModel):
        return loaded
    raise ValueError(
        f"{path} is a run of the baseline {load_config(path).mode.tag}, which has no encodings to "
        "roll out and draw apart: give a run of the hierarchical model (from Python, "
        "farframe.run.load_any takes both)"
    )


def load_any(path: str | Path, device: str = "cpu") -> AnyModel:
    """As ``load``, the hierarchical model or a baseline: whatever the run is of."""
    return find(Path(path)).load(device)


def find(path: Path) -> Found:
    """The model that ``load`` would load, every byte of its weights checked; errors as there."""
    run, chosen = locate(path)
    if exported.is_exported(run):
        about = exported.verify(run)
        weights = run / exported.WEIGHTS
        name = about.name if run == found_by_name(Path(about.name)) else str(path)
        return Found(name=name, folder=run, weights=weights, step=about.step, exported=True)
    if chosen is None:
        newest = checkpoint.latest(run)
        chosen, step = newest.path, newest.step
    else:
        step = checkpoint.verify(chosen)
    weights = chosen / checkpoint.WEIGHTS
    return Found(name=str(path), folder=run, weights=weights, step=step, exported=False)


def load_config(path: str | Path) -> RunConfig:
    """The configuration of a run's folder, or of the run that a checkpoint's folder lies in.

    Raises:
        ValueError: as ``load``.
    """
    run, _ = locate(Path(path))
    return _read(run)[0]


def locate(path: Path) -> tuple[Path, Path | None]:
    """The run's folder and, if ``path`` is a checkpoint's folder, that checkpoint.

    A name of a model that comes with farframe is its folder, unless a run lies at that path.

    Raises:
        ValueError: if ``path`` is neither.
    """
    if (path / CONFIG).is_file():
        return path, None
    if (path / checkpoint.META).is_file():
        run = path.resolve().parent.parent
        if (run / CONFIG).is_file():
            return run, path
        raise ValueError(f"{path} is a checkpoint outside of its run: {run / CONFIG} is missing")
    packaged = found_by_name(path)
    if packaged is not None:
        return packaged, None
    if not path.exists():
        or_name = f", or the name of a model ({', '.join(offered())})" if offered() else ""
        raise ValueError(
            f"{path}: there is no such folder; give the folder of a trained run{or_name}"
        )
    if not path.is_dir():
        raise ValueError(f"{path} is a file: give the folder of a trained run (--out of training)")
    raise ValueError(f"{path} is not a run: it has no {CONFIG}")


def is_imported(run: Path) -> bool:
    """Whether a run was made from someone else's weights, and so has no training to go on with.

    Raises:
        ValueError: if config.json is damaged.
    """
    return stored_fingerprint(run) == IMPORTED


def holds_run(folder: Path) -> bool:
    """Whether a training has begun in ``folder``."""
    return (folder / CONFIG).is_file()


def stored_fingerprint(run: Path) -> str:
    """Fingerprint of the data that the run began with.

    Raises:
        ValueError: if config.json is damaged.
    """
    return _read(run)[1]


def write_config(run: Path, config: RunConfig, fingerprint: str) -> None:
    """Write ``config.json``, whole or not at all."""
    record = {
        "format": FORMAT,
        "farframe": __version__,
        "git": git_hash(),
        "data_fingerprint": fingerprint,
        "run": config.to_dict(),
    }
    with replacing(run / CONFIG) as partial, partial.open("w", encoding="utf-8") as file:
        file.write(json.dumps(record, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _read(run: Path) -> tuple[RunConfig, str]:
    path = run / CONFIG
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file, so {run} is not a run")
    try:
        record = mapping(parse_json(path.read_text(encoding="utf-8")), "the file")
        version = record.get("format")
        check(version == FORMAT, "format", version, f"this farframe reads format {FORMAT}")
        record = with_keys(record, ["format", "farframe", "git", "data_fingerprint", "run"], "")
        return RunConfig.from_dict(record["run"]), str(record["data_fingerprint"])
    except ValueError as error:
        raise ValueError(f"{path} is damaged or of another version of farframe: {error}") from None


def git_hash() -> str | None:
    """Commit of the checkout that this package runs from; None if it is installed otherwise."""
    package = Path(__file__).resolve().parent
    root = package.parent.parent
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    command += ["--exclude=*"]  # no tags: the hash itself
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None  # no git, or no commit yet
    return done.stdout.strip() or None
