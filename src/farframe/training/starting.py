"""Where a fresh training gets its weights from, if not from its seed: a run, or VGG-16's.

Everything is read and checked before a training writes anything. Optimizers, and networks that only
the mode needs, always start fresh.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from farframe.config import ModelConfig
from farframe.interop.tf_import import ImportOptions, read_networks
from farframe.interop.tf_names import is_checkpoint, open_checkpoint
from farframe.interop.vgg import encoder_start
from farframe.interop.vgg_cache import imagenet_weights
from farframe.models.hierarchical import HierarchicalModel
from farframe.pretrained.names import found_by_name
from farframe.run import RunConfig, load

_NOISE = "predictor.noise."
_FREE = frozenset(
    {"context_frames", "anchor_frame", "enc_keep_prob", "van_keep_prob", "pred_init", "pred_units"}
    | {"pred_noise_std", "lstm_state_noise_stddev"}
)
"""Fields in which a training may differ from the run that it starts from: shapes stay the same
(``pred_units`` and the noise inputs are compared by what they amount to)."""
_PREDICTORS = frozenset({"action_dim", "pred_cells", "pred_residual"})
"""Fields besides those that only a predictor has: free where it starts fresh."""


@dataclass(frozen=True)
class Start:
    """Weights to start with, as entries of the model's state, and where they come from."""

    weights: dict[str, Tensor]
    said: str

    def apply(self, model: nn.Module) -> None:
        """Copy the weights into the model, wherever it is."""
        own = cast("dict[str, Tensor]", model.state_dict())
        with torch.no_grad():
            for name, tensor in self.weights.items():
                own[name].copy_(tensor)


def read_start(config: RunConfig) -> Start | None:
    """What a fresh training of ``config`` starts with; None: the random weights of its seed.

    Raises:
        ValueError: if the weights can't be read or don't fit: one line that names the field.
    """
    train, networks = config.train, config.model
    field = "train.start_from" if train.start_from else "train.encoder_weights"
    if not isinstance(networks, ModelConfig):
        return None  # weights to start from have been refused by the model's configuration
    try:
        if train.start_from:
            path = Path(train.start_from).expanduser()
            return _from_networks(path, networks, train.fresh_predictor)
        if train.encoder_weights:
            return _from_vgg(train.encoder_weights, networks)
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None
    return None


def _from_vgg(named: str, config: ModelConfig) -> Start:
    path = imagenet_weights() if named == "imagenet" else Path(named).expanduser()
    weights = encoder_start(path, config.width)
    return Start(
        {f"encoder.{name}": tensor for name, tensor in weights.items()},
        f"the encoder starts from the VGG-16 weights in {path}",
    )


def _from_networks(path: Path, config: ModelConfig, fresh_predictor: bool) -> Start:
    if path.is_dir() or found_by_name(path):
        model = load(path)
        theirs, stored = model.config, cast("dict[str, Tensor]", model.state_dict())
    elif is_checkpoint(path):
        found = read_networks(path, _as_in(config, path)).model
        theirs, stored = found.config, cast("dict[str, Tensor]", found.state_dict())
    else:
        raise ValueError(
            f"{path} is neither a run's folder nor a TensorFlow checkpoint: there is no such "
            f"folder, nor a {path.name}.index"
        )
    _compare(path, theirs, config, fresh_predictor)
    with torch.device("meta"):
        wanted = cast("dict[str, Tensor]", HierarchicalModel(config).state_dict())
    if fresh_predictor:
        wanted, stored = _without_predictor(wanted), _without_predictor(stored)
    fresh = [name for name in wanted if name.startswith(_NOISE) and name not in stored]
    wrong = [name for name in {**wanted, **stored} if _shape(name, wanted) != _shape(name, stored)]
    if wrong := [name for name in wrong if name not in fresh]:
        raise ValueError(f"{path} doesn't fit this run: {', '.join(wrong[:3])} of {len(wrong)}")
    said = f"{'encoder and decoder' if fresh_predictor else 'the networks'} start from {path}"
    return Start(stored, f"{said}; the predictor's noise inputs start fresh" if fresh else said)


def _without_predictor(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: x for name, x in tensors.items() if not name.startswith("predictor.")}


def _as_in(config: ModelConfig, path: Path) -> ImportOptions:
    """What a checkpoint of the original doesn't tell is taken to be as in the run."""
    noisy = "timestep/predict/dense_2/kernel" in open_checkpoint(path)
    return ImportOptions(
        enc_norm="l2" if config.enc_norm == "l2" else "none",
        encoder_grey_in=config.encoder_grey_in,
        pred_noise_std=(config.pred_noise_std or 1.0) if noisy else 0.0,
    )


def _compare(path: Path, theirs: ModelConfig, mine: ModelConfig, fresh_predictor: bool) -> None:
    """Raise unless both are the same networks, but for the predictor if that starts fresh."""
    free = _FREE | _PREDICTORS if fresh_predictor else _FREE
    differing = {
        name: getattr(theirs, name)
        for name in ModelConfig.__dataclass_fields__
        if name not in free and getattr(theirs, name) != getattr(mine, name)
    }
    if not fresh_predictor and theirs.units != replace(mine, **differing).units:
        differing["pred_units"] = theirs.units
    if not fresh_predictor and theirs.pred_noise_std > 0 and mine.pred_noise_std == 0:
        differing["pred_noise_std"] = theirs.pred_noise_std
    if differing:
        run = ", ".join(f"model.{name} {getattr(mine, name)}" for name in differing)
        flags = " ".join(_flag(name, value) for name, value in differing.items())
        predictors = _PREDICTORS | {"pred_units", "pred_noise_std"}
        way = "" if differing.keys() - predictors else ", and so would --train.fresh-predictor"
        raise ValueError(f"{path} has other networks than this run ({run}): {flags} would fit{way}")


def _flag(name: str, value: object) -> str:
    flag = f"--model.{name.replace('_', '-')}"
    if isinstance(value, bool):
        return flag if value else f"no {flag}"
    return f"{flag} {value}"


def _shape(name: str, tensors: dict[str, Tensor]) -> tuple[int, ...] | None:
    return tuple(tensors[name].shape) if name in tensors else None
