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
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import torch

from farframe import __version__
from farframe.atomic import replacing
from farframe.config import DataConfig, ModelConfig, TrainConfig, check
from farframe.decoding import decode, keys, mapping, parse, typed
from farframe.models.hierarchical import HierarchicalModel
from farframe.modes import MODES, Mode
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
    model: ModelConfig
    data: DataConfig
    train: TrainConfig
    mode: Mode

    def __post_init__(self) -> None:
        length, context = self.data.sequence_length, self.model.context_frames
        check(
            length > context,
            "data.sequence_length",
            length,
            f"must be above model.context_frames ({context}), or no frame is left to predict: "
            "raise --data.sequence-length or lower --model.context-frames",
        )
        check(
            self.model.enc_norm != "batch" or self.data.batch_size * context > 1,
            "data.batch_size",
            self.data.batch_size,
            f"must be above 1 for model.enc_norm 'batch' with model.context_frames {context}: a "
            "single encoding has no spread",
        )
        check(
            not self.train.encoder_weights
            or (self.model.encoder == "vgg" and not self.model.encoder_coords),
            "train.encoder_weights",
            self.train.encoder_weights,
            "needs --model.encoder vgg, without --model.encoder-coords: other encoders have no "
            "place for VGG-16's convolutions",
        )
        size, pose = self.model.enc_size, self.mode.pose_dim
        check(
            size == pose if self.mode.encodes_poses else size >= pose,
            "model.enc_size",
            size,
            f"must be {pose}{'' if self.mode.encodes_poses else ' or more'} in mode "
            f"{self.mode.tag}, where encodings hold poses of {pose} numbers",
        )
        check(
            not (self.train.micro_batch_size and self.whole_batch),
            "train.micro_batch_size",
            self.train.micro_batch_size,
            f"must be 0 with {self.whole_batch}, which needs all clips of a batch at once: save "
            "memory with --train.activation-checkpointing",
        )
        self.mode.check_clips(length)

    @property
    def whole_batch(self) -> str:
        """The field for which a batch can't be taken in micro-batches; empty if it can."""
        norm = "model.enc_norm 'batch'" if self.model.enc_norm == "batch" else ""
        return norm or self.mode.whole_batch

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
        return RunConfig.from_dict(parse(text))

    @staticmethod
    def from_dict(values: object) -> RunConfig:
        """The inverse of ``to_dict``, with the errors of ``from_json``."""
        parts = keys(values, [f.name for f in fields(RunConfig)], "")
        mode = mapping(parts["mode"], "mode")
        tag = mode.get("tag")
        check(tag in list(MODES), "mode.tag", tag, f"must be one of {', '.join(MODES)}")
        return RunConfig(
            name=typed(str, parts["name"], "name"),
            model=decode(ModelConfig, parts["model"], "model"),
            data=decode(DataConfig, parts["data"], "data"),
            train=decode(TrainConfig, parts["train"], "train"),
            mode=decode(MODES[str(tag)], {k: v for k, v in mode.items() if k != "tag"}, "mode"),
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


def load(path: str | Path, device: str = "cpu") -> HierarchicalModel:
    """The model of a trained run, in eval mode (public as ``farframe.load``).

    Args:
        path: a run's folder (its newest intact checkpoint is taken), or one checkpoint's folder.
        device: where to put it: cpu, cuda, cuda:1, ..., or auto.

    Raises:
        ValueError: if there is no such folder, it holds no run or no checkpoint yet, or what it
            holds is damaged; one line that names the file and the way out.
    """
    run, chosen = locate(Path(path))
    config = load_config(run)
    target = pick_device(device)
    if chosen is None:
        chosen = checkpoint.latest(run).path
    else:
        checkpoint.verify(chosen)
    with torch.random.fork_rng(devices=[]):  # drawing weights that are then overwritten
        model = HierarchicalModel(config.model)
    checkpoint.load_weights(model, chosen, checkpoint.WEIGHTS)
    # Convolutions are faster so, on CPUs and GPUs.
    model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return model.to(target).eval()


def load_config(path: str | Path) -> RunConfig:
    """The configuration of a run's folder, or of the run that a checkpoint's folder lies in.

    Raises:
        ValueError: as ``load``.
    """
    run, _ = locate(Path(path))
    return _read(run)[0]


def locate(path: Path) -> tuple[Path, Path | None]:
    """The run's folder and, if ``path`` is a checkpoint's folder, that checkpoint.

    Raises:
        ValueError: if ``path`` is neither.
    """
    if not path.exists():
        raise ValueError(f"{path}: there is no such folder; give the folder of a trained run")
    if not path.is_dir():
        raise ValueError(f"{path} is a file: give the folder of a trained run (--out of training)")
    if (path / CONFIG).is_file():
        return path, None
    if (path / checkpoint.META).is_file():
        run = path.resolve().parent.parent
        if (run / CONFIG).is_file():
            return run, path
        raise ValueError(f"{path} is a checkpoint outside of its run: {run / CONFIG} is missing")
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
        record = mapping(parse(path.read_text(encoding="utf-8")), "the file")
        version = record.get("format")
        check(version == FORMAT, "format", version, f"this farframe reads format {FORMAT}")
        record = keys(record, ["format", "farframe", "git", "data_fingerprint", "run"], "")
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
