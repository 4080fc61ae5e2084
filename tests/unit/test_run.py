"""A run as one value: strict JSON, checks across its parts, and reading it back from its folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import farframe
from farframe.config import DataConfig, ModelConfig, TrainConfig
from farframe.modes import MODES
from farframe.presets import PRESETS
from farframe.run import RunConfig, load, load_config, locate, stored_fingerprint, write_config
from farframe.training.distributed import World, pick_device
from farframe.training.state import TrainingState


def tiny(tag: str = "epev") -> RunConfig:
    return RunConfig(
        name="tiny",
        model=ModelConfig(
            frame_size=32, width=4, enc_size=12, action_dim=0, pred_cells=3, encoder="conv"
        ),
        data=DataConfig(path="shapes", sequence_length=6, batch_size=2, clips=50),
        train=TrainConfig(steps=4),
        mode=MODES[tag](),
    )


# -- JSON ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", MODES)
def test_json_round_trip(tag: str) -> None:
    config = replace(tiny(tag), train=TrainConfig(steps=7, eps=1e-7, compile=True))
    again = RunConfig.from_json(config.to_json())
    assert again == config
    assert again.mode.tag == tag


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_json(name: str) -> None:
    config = PRESETS[name].config
    assert RunConfig.from_json(config.to_json()) == config


def altered(**changes: Any) -> str:
    """The JSON of ``tiny()`` with ``part__key`` set, or deleted for ``...``."""
    values = tiny().to_dict()
    for path, value in changes.items():
        *parts, last = path.split("__")
        target = values
        for part in parts:
            target = target[part]
        if value is ...:
            del target[last]
        else:
            target[last] = value
    return json.dumps(values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (altered(model__widht=4), "unknown key model.widht: is model.width meant"),
        (altered(nonsense=4), "unknown key nonsense"),
        (altered(model__width=...), "missing key model.width"),
        (altered(mode=...), "missing key mode"),
        (altered(mode__lr=...), "missing key mode.lr"),
        (altered(mode__tag="magic"), "mode.tag is 'magic': must be one of e2e, epev"),
        (altered(mode__tag=["epev"]), r"mode.tag is \['epev'\]"),
        (altered(mode="epev"), "mode is 'epev': must be a JSON object"),
        (altered(model__width="4"), "model.width is '4': must be a int"),
        (altered(model__width=4.0), "model.width is 4.0: must be a int"),
        (altered(model__width=True), "model.width is True: must be a int"),
        (altered(train__compile=1), "train.compile is 1: must be a bool"),
        (altered(train__eps="1"), "train.eps is '1': must be a float"),
        (altered(train__eps=True), "train.eps is True: must be a float"),
        (altered(data__path=None), "data.path is None: must be a str"),
        (altered(model__encoder="resnet"), "model.encoder is 'resnet': must be one of vgg, conv"),
        (altered(model__encoder=[]), r"model.encoder is \[\]: must be one of vgg, conv"),
        (altered(model__frame_size=33), "model.frame_size is 33: must be one of 32, 64"),
        (altered(mode__lr=-1.0), "mode.lr is -1.0: must be >= 0"),
        (altered().replace('"lr": 1e-05', '"lr": NaN'), "NaN is not a number"),
        (altered()[:-5], "not JSON"),
        ("[1, 2]", "the run is .*: must be a JSON object"),
        ("", "not JSON"),
    ],
)
def test_strict_json(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        RunConfig.from_json(text)
    assert "\n" not in str(error.value)


def test_whole_numbers_are_floats_too() -> None:
    assert RunConfig.from_json(altered(mode__lr=1)).mode == replace(tiny().mode, lr=1.0)


def test_a_run_of_before_a_field_was_added_has_its_default() -> None:
    assert (
        RunConfig.from_json(altered(train__fresh_predictor=..., mode__lpips_weight=...)) == tiny()
    )


# -- checks across parts -------------------------------------------------------------------------


def test_context_must_leave_frames_to_predict() -> None:
    data = replace(tiny().data, sequence_length=2)
    with pytest.raises(
        ValueError, match=r"data\.sequence_length is 2.*model\.context_frames \(2\)"
    ):
        replace(tiny(), data=data)


def test_batch_norm_needs_more_than_one_encoding() -> None:
    config = tiny()
    model = replace(config.model, enc_norm="batch", context_frames=1)
    replace(config, model=model)
    with pytest.raises(ValueError, match=r"data\.batch_size is 1.*model\.enc_norm 'batch'"):
        replace(config, model=model, data=replace(config.data, batch_size=1))


# -- resuming ------------------------------------------------------------------------------------


def test_changes_name_every_difference() -> None:
    config = tiny()
    other = replace(
        config,
        train=replace(config.train, steps=9, seed=1),
        model=replace(config.model, width=8),
        mode=replace(config.mode, lr=1.0),
    )
    assert config.changes(config) == {}
    assert config.changes(other) == {
        "train.steps": 9,
        "train.seed": 1,
        "model.width": 8,
        "mode.lr": 1.0,
    }
    assert config.changes(replace(config, mode=MODES["e2e"]())).keys() == {"mode"}


def test_resumed_takes_length_and_logging() -> None:
    changes = {"train.steps": 9, "train.log_every": 1, "train.device": "cpu", "data.workers": 2}
    resumed = tiny().resumed(changes)
    assert (resumed.train.steps, resumed.train.log_every, resumed.data.workers) == (9, 1, 2)
    assert resumed.model == tiny().model


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.width", 8),
        ("data.sequence_length", 8),
        ("mode.lr", 1.0),
        ("mode", {"tag": "e2e", "lr": 1e-5}),
        ("train.seed", 1),
        ("train.amp", "bf16"),
    ],
)
def test_resumed_refuses_what_decides_the_result(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{key} is .* but the run was started with"):
        tiny().resumed({key: value})


def test_resumed_checks_values() -> None:
    with pytest.raises(ValueError, match=r"train\.steps is 0: must be >= 1"):
        tiny().resumed({"train.steps": 0})


def test_resumed_allows_what_is_equal() -> None:
    assert tiny().resumed({"model.width": 4, "mode": tiny().to_dict()["mode"]}) == tiny()


# -- the folder ----------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with a checkpoint of an untrained model at step 3."""
    folder = tmp_path / "run"
    folder.mkdir()
    write_config(folder, tiny(), "f00d")
    state = TrainingState.create(tiny(), torch.device("cpu"), World())
    state.done = 3
    state.save(folder, keep=2)
    return folder


def test_config_file_tells_where_the_run_comes_from(run: Path) -> None:
    record = json.loads((run / "config.json").read_text())
    assert record["farframe"] == farframe.__version__
    assert record["git"] is None or len(record["git"].removesuffix("-dirty")) == 40
    assert stored_fingerprint(run) == record["data_fingerprint"] == "f00d"
    assert load_config(run) == tiny()
    assert [p.name for p in run.iterdir() if p.name.startswith(".")] == []


def test_load_gives_the_trained_weights_in_eval_mode(run: Path) -> None:
    wanted = TrainingState.create(tiny(), torch.device("cpu"), World()).model.state_dict()
    before = torch.get_rng_state()
    for path in (run, str(run), run / "checkpoints" / "step-000000003"):
        model = load(path)
        assert not model.training
        assert model.state_dict().keys() == wanted.keys()
        assert all(torch.equal(v, wanted[k]) for k, v in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), before)


def test_locate(run: Path) -> None:
    step = run / "checkpoints" / "step-000000003"
    assert locate(run) == (run, None)
    assert locate(step) == (run, step)
    assert load_config(step) == tiny()


def test_load_errors_are_one_clear_line(run: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    begun = tmp_path / "begun"
    begun.mkdir()
    write_config(begun, tiny(), "f00d")
    lost = tmp_path / "lost"
    (run / "checkpoints" / "step-000000003").rename(lost)
    cases = {
        tmp_path / "nowhere": "there is no such folder",
        run / "config.json": "is a file: give the folder",
        empty: "is not a run: it has no config.json",
        begun: "has no checkpoint yet",
        lost: "is a checkpoint outside of its run",
    }
    for path, message in cases.items():
        with pytest.raises(ValueError, match=message) as error:
            load(path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)


def test_damaged_config_is_one_clear_line(run: Path) -> None:
    file = run / "config.json"
    whole = file.read_text()
    for text in (whole[:100], "", "null", whole.replace('"format": 1', '"format": 9'), "\0" * 50):
        file.write_text(text)
        with pytest.raises(ValueError, match=r"config\.json is damaged or of another version"):
            load(run)


def test_unknown_device_is_one_clear_line(run: Path) -> None:
    assert pick_device("cpu") == torch.device("cpu")
    for name in ("gpu", "cuda:99", "meta", ""):
        with pytest.raises(ValueError, match=f"device is '{name}'.*take cpu, auto"):
            load(run, device=name)
