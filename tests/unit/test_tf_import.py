"""What an imported checkpoint must hold, what is left aside, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from tf_files import write_bundle

import farframe
from farframe.config import ModelConfig
from farframe.interop.imported_run import import_checkpoint
from farframe.interop.tf_checkpoint import to_original, variables
from farframe.interop.tf_import import ImportOptions, read_networks
from farframe.models.discriminator import Discriminator
from farframe.models.hierarchical import HierarchicalModel
from farframe.modes import MODES
from farframe.run import load_config
from farframe.training import checkpoint

Arrays = dict[str, np.ndarray]
SMALL = ModelConfig(frame_size=32, width=2, enc_size=6, action_dim=3)


def original(config: ModelConfig = SMALL, discriminator: bool = False) -> tuple[Arrays, Arrays]:
    """Variables of networks with random weights, and what else a training saves."""
    model = HierarchicalModel(config)
    critic = Discriminator(config) if discriminator else None
    arrays = {name: to_original(p, axes) for name, p, axes in variables(model, critic)}
    rest: Arrays = {"global_step": np.int64(77), "beta1_power": np.float32(0.5)}
    for name, array in arrays.items():
        rest |= {f"{name}/Adam": array, f"{name}/Adam_1": array * 0}
    return arrays, rest | {"beta2_power_1": np.float32(0.5), "Variable": np.float32(-1)}


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        ModelConfig(frame_size=96, width=3, enc_size=5, action_dim=0),
        ModelConfig(frame_size=128, width=2, enc_size=12, action_dim=5),
        ModelConfig(frame_size=32, width=2, enc_size=4, action_dim=2, pred_units=9),
    ],
    ids=["32", "96", "128", "units"],
)
def test_sizes_are_read_from_shapes(config: ModelConfig, tmp_path: Path) -> None:
    arrays, rest = original(config)
    write_bundle(tmp_path / "m", arrays | rest)
    found = read_networks(tmp_path / "m", ImportOptions())
    assert found.model.config == config
    assert (found.step, set(found.skipped)) == (77, set(rest))
    for name, parameter, axes in variables(found.model):
        np.testing.assert_array_equal(to_original(parameter, axes), arrays[name])


def test_what_shapes_do_not_tell_is_said(tmp_path: Path) -> None:
    noisy = ModelConfig(frame_size=32, width=2, enc_size=6, action_dim=3, pred_noise_std=0.5)
    write_bundle(tmp_path / "m", original(noisy)[0])
    with pytest.raises(ValueError, match=r"predictor has noise inputs: .* --pred-noise-std"):
        read_networks(tmp_path / "m", ImportOptions())
    options = ImportOptions(
        context_frames=5,
        enc_norm="l2",
        encoder_grey_in=True,
        pred_noise_std=0.25,
        lstm_state_noise_stddev=0.125,
    )
    config = read_networks(tmp_path / "m", options).model.config
    assert (config.context_frames, config.enc_norm, config.encoder_grey_in) == (5, "l2", True)
    assert (config.pred_noise_std, config.lstm_state_noise_stddev) == (0.25, 0.125)
    write_bundle(tmp_path / "m", original()[0])
    with pytest.raises(ValueError, match=r"no noise inputs: leave out --pred-noise-std"):
        read_networks(tmp_path / "m", options)


def test_slots_may_stand_in_the_optimizers_own_scope(tmp_path: Path) -> None:
    arrays, _ = original()
    name = "timestep/predict/dense/bias"
    own = {f"train_op/{name}/Adam_3": arrays[name], "train_op/beta1_power": np.float32(1)}
    write_bundle(tmp_path / "m", arrays | own)
    assert set(read_networks(tmp_path / "m", ImportOptions()).skipped) == set(own)


def without(name: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {key: value for key, value in arrays.items() if key != name}


def with_shape(name: str, *shape: int) -> Callable[[Arrays], Arrays]:
    return lambda arrays: arrays | {name: np.zeros(shape, np.float32)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("timestep/predict/dense/bias"), "1 missing .*timestep/predict/dense/bias"),
        (without("timestep/encoder/dense/kernel"), "it has no timestep/encoder/dense/kernel"),
        (with_shape("extra/kernel", 3), "1 unknown .*extra/kernel"),
        (with_shape("extra/kernel/Adam", 3), "1 unknown .*extra/kernel/Adam"),
        (with_shape("Variable_9", 3), "1 unknown .*Variable_9"),
        (with_shape("timestep/predict/dense/bias", 2), "timestep/predict/dense/bias has shape"),
        (with_shape("timestep/encoder/dense/kernel", 17, 6), "model.frame_size is|has shape"),
        (with_shape("timestep/encoder/dense/kernel", 6), "with 2 axes"),
        (with_shape("timestep/predict/dense/kernel", 2, 9), "action_dim is -4"),
        (with_shape("timestep/encoder/vgg_16/conv1/conv1_1/weights", 3, 3, 3, 0), "frame_size"),
        (lambda _: {"x": np.zeros(2, np.float32)}, "no checkpoint of the original"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_every_variable_must_fit(
    change: Callable[[Arrays], Arrays], words: str, tmp_path: Path
) -> None:
    arrays, rest = original()
    write_bundle(tmp_path / "m", change(arrays | {"global_step": rest["global_step"]}))
    with pytest.raises(ValueError, match=words) as caught:
        import_checkpoint(tmp_path / "m", tmp_path / "out", ImportOptions())
    assert str(caught.value).startswith(str(tmp_path / "m"))
    assert "\n" not in str(caught.value)
    assert {path.suffix for path in tmp_path.iterdir()} <= {
        ".index",
        ".data-00000-of-00002",
        ".data-00001-of-00002",
    }


def test_a_run_comes_of_it(tmp_path: Path) -> None:
    arrays, rest = original()
    write_bundle(tmp_path / "m", arrays | rest)
    (tmp_path / "out").mkdir()  # an empty folder may be there
    report = import_checkpoint(tmp_path / "m", tmp_path / "out", ImportOptions(context_frames=7))
    config = load_config(tmp_path / "out")
    assert (config.name, config.train.steps, config.model.context_frames) == ("imported", 77, 7)
    assert checkpoint.latest(tmp_path / "out").step == 77
    assert farframe.load(report.path).config == farframe.load(tmp_path / "out").config
    lines = "\n".join(report.lines())
    for word in ("32 pixels", "width 2", "encodings of 6", "actions of 3", "global_step"):
        assert word in lines
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="there already and not empty"):
        import_checkpoint(tmp_path / "m", tmp_path / "out", ImportOptions())
    assert sorted(tmp_path.rglob("*")) == before


def test_a_discriminator_comes_along_for_a_mode_that_trains_one(tmp_path: Path) -> None:
    arrays, rest = original(discriminator=True)
    write_bundle(tmp_path / "m", arrays | rest)
    with torch.device("meta"):
        trains = {
            tag: [
                k for k, n in mode().extra_networks(SMALL).items() if isinstance(n, Discriminator)
            ]
            for tag, mode in MODES.items()
        }
    tags = [tag for tag, names in trains.items() if names]
    if not tags:
        with pytest.raises(ValueError, match="discriminator, and no mode"):
            import_checkpoint(tmp_path / "m", tmp_path / "out", ImportOptions())
        return
    report = import_checkpoint(tmp_path / "m", tmp_path / "out", ImportOptions())
    config = load_config(tmp_path / "out")
    assert config.mode.tag == tags[0]
    assert "discriminator" in report.lines()[0]
    nets = torch.nn.ModuleDict(config.mode.extra_networks(config.model))
    checkpoint.load_weights(nets, report.path, checkpoint.EXTRA)
    critic = nets[trains[tags[0]][0]]
    assert isinstance(critic, Discriminator)
    for name, parameter, axes in variables(farframe.load(tmp_path / "out"), critic):
        np.testing.assert_array_equal(to_original(parameter, axes), arrays[name])


def test_the_file_of_weights_is_plain_safetensors(tmp_path: Path) -> None:
    write_bundle(tmp_path / "m", original()[0])
    report = import_checkpoint(tmp_path / "m", tmp_path / "out", ImportOptions())
    tensors = safetensors.torch.load_file(report.path / checkpoint.WEIGHTS)
    assert tensors.keys() == HierarchicalModel(SMALL).state_dict().keys()
