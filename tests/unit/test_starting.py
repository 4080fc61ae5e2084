"""Fresh trainings that start from weights: which, checked when, and never on resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import vgg_forms
from tf_files import write_bundle
from tiny_run import Heard, contents, differing, tiny

import farframe
from farframe.config import ModelConfig, TrainConfig
from farframe.interop.imported_run import import_checkpoint
from farframe.interop.tf_checkpoint import to_original, variables
from farframe.interop.tf_import import ImportOptions
from farframe.interop.vgg import encoder_start
from farframe.models.hierarchical import HierarchicalModel
from farframe.run import RunConfig
from farframe.training.distributed import World
from farframe.training.loop import train
from farframe.training.starting import read_start
from farframe.training.state import TrainingState

ORIGINAL = ModelConfig(frame_size=32, width=2, enc_size=6, action_dim=0)


def original(train: dict[str, Any], **model: Any) -> RunConfig:
    """A tiny run with networks such as the original's."""
    base = tiny()
    settings = replace(base.train, **train)
    return replace(base, model=replace(ORIGINAL, **model), train=settings)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained run, a checkpoint of the original, and VGG-16 weights."""
    folder = tmp_path_factory.mktemp("started")
    train(tiny(steps=2), folder / "run")
    arrays = {n: to_original(p, axes) for n, p, axes in variables(HierarchicalModel(ORIGINAL))}
    write_bundle(folder / "model.ckpt-5", arrays)
    import_checkpoint(folder / "model.ckpt-5", folder / "imported", ImportOptions())
    vgg_forms.write_pth(folder / "vgg.pth", vgg_forms.random_layers(2, 1.0))
    return folder


def created(config: RunConfig) -> TrainingState:
    state = TrainingState.create(config, torch.device("cpu"), World())
    state.start(read_start(config))
    return state


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    theirs = b.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in a.state_dict().items())


def test_without_weights_nothing_is_read() -> None:
    assert read_start(tiny()) is None


def test_a_run_gives_all_its_networks(started: Path) -> None:
    state = created(tiny(start_from=str(started / "run")))
    assert same(state.model, farframe.load(started / "run"))
    assert state.done == 0
    assert all(not o.state_dict()["state"] for o in state.optimizers.values())
    checkpoint = started / "run" / "checkpoints" / "step-000000002"
    assert same(created(tiny(start_from=str(checkpoint))).model, state.model)


def test_what_is_drawn_from_may_be_another_frame(started: Path) -> None:
    config = tiny(start_from=str(started / "run"))
    model = replace(config.model, anchor_frame="last")
    found = created(replace(config, model=model)).model
    assert found.config.anchor_frame == "last"
    assert same(found, farframe.load(started / "run"))
    with pytest.raises(ValueError, match=r"model.anchor_frame is 'last', but the run was started"):
        tiny().resumed({"model.anchor_frame": "last"})


def test_a_fresh_predictor_may_be_another(started: Path) -> None:
    config = tiny(start_from=str(started / "run"), fresh_predictor=True)
    model = replace(config.model, action_dim=3, pred_units=7, pred_cells=5, pred_residual="last")
    found = created(replace(config, model=model)).model
    run = farframe.load(started / "run")
    assert same(found.encoder, run.encoder)
    assert same(found.decoder, run.decoder)
    assert same(found.predictor, created(replace(tiny(), model=model)).model.predictor)


@pytest.mark.parametrize("name", ["imported", "model.ckpt-5", "model.ckpt-5.index"])
def test_the_originals_checkpoint_gives_its_networks(name: str, started: Path) -> None:
    config = original({"start_from": str(started / name)})
    assert same(created(config).model, farframe.load(started / "imported"))


def test_noise_inputs_that_are_not_there_start_fresh(started: Path) -> None:
    config = original({"start_from": str(started / "imported")}, pred_noise_std=0.5)
    start = read_start(config)
    assert start is not None
    assert "noise inputs start fresh" in start.said
    state = created(config)
    fresh = TrainingState.create(config, torch.device("cpu"), World())
    imported = farframe.load(started / "imported").state_dict()
    for name, value in state.model.state_dict().items():
        noise = name.startswith("predictor.noise.")
        wanted = fresh.model.state_dict()[name] if noise else imported[name]
        assert torch.equal(value, wanted), name


def test_vgg_weights_go_into_the_encoder_alone(started: Path) -> None:
    config = original({"encoder_weights": str(started / "vgg.pth")})
    state, fresh = created(config), TrainingState.create(config, torch.device("cpu"), World())
    wanted = encoder_start(started / "vgg.pth", 2)
    for name, value in state.model.state_dict().items():
        part = name.removeprefix("encoder.")
        other = wanted[part] if part in wanted else fresh.model.state_dict()[name]
        assert torch.equal(value, other), name


def test_a_training_starts_from_weights_and_is_resumed_without_them(tmp_path: Path) -> None:
    vgg_forms.write_pth(tmp_path / "vgg.pth", vgg_forms.random_layers(2, 1.0))
    config = original({"encoder_weights": str(tmp_path / "vgg.pth"), "checkpoint_every": 2})
    heard = Heard()
    train(config, tmp_path / "whole", reporter=heard)
    assert any("the encoder starts from" in line for line in heard.lines)
    train(replace(config, train=replace(config.train, steps=2)), tmp_path / "parts")
    (tmp_path / "vgg.pth").unlink()
    heard = Heard()
    train(config, tmp_path / "parts", resume=True, reporter=heard)
    assert not any("starts from" in line for line in heard.lines)
    assert differing(contents(tmp_path / "whole"), contents(tmp_path / "parts")) == []
    mean = safetensors.torch.load_file(
        tmp_path / "whole" / "checkpoints" / "step-000000004" / "weights.safetensors"
    )["encoder.mean"]
    assert mean.flatten().tolist() == pytest.approx([256 * m for m in (0.485, 0.456, 0.406)])


MISTAKES: dict[str, tuple[RunConfig, list[str]]] = {
    "nowhere": (tiny(start_from="nowhere"), ["train.start_from: ", "nowhere.index"]),
    "empty": (tiny(start_from="."), ["train.start_from: ", "config.json"]),
    "other": (
        tiny(start_from="imported"),
        ["start_from: imported has other networks", "model.enc_size 8", "--model.encoder vgg"],
    ),
    "size": (
        original({"start_from": "model.ckpt-5"}, enc_size=7),
        ["train.start_from", "model.enc_size 7", "--model.enc-size 6 would fit"],
    ),
    "actions": (
        original({"start_from": "model.ckpt-5"}, action_dim=2),
        ["model.action_dim 2", "--model.action-dim 0 would fit"],
    ),
    "units": (
        original({"start_from": "imported"}, pred_units=9),
        ["model.pred_units 9", "--model.pred-units 6 would fit, and so would --train.fresh-pred"],
    ),
    "noise": (replace(tiny(start_from="run"), model=replace(tiny().model, pred_noise_std=0.0)),
              ["--model.pred-noise-std 0.1 would fit"]),
    "grey": (
        original({"start_from": "imported"}, encoder_grey_in=True),
        ["model.encoder_grey_in True", "no --model.encoder-grey-in would fit"],
    ),
    "no vgg": (original({"encoder_weights": "nowhere"}), ["encoder_weights: nowhere", "read"]),
    "width": (
        original({"encoder_weights": "vgg.pth"}, width=4),
        ["train.encoder_weights: vgg.pth", "width 2", "model.width is 4", "--model.width 2"],
    ),
    "no cache": (
        original({"encoder_weights": "imagenet"}),
        ["train.encoder_weights: ", "farframe weights get vgg16"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_before_anything_is_written(
    case: str, started: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no cache"))
    monkeypatch.chdir(started)
    config, words = MISTAKES[case]
    with pytest.raises(ValueError, match="train") as caught:
        train(config, tmp_path / "out")
    assert all(word in str(caught.value) for word in words), caught.value
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_imported_run_is_not_resumed(started: Path) -> None:
    before = sorted(p for p in started.rglob("*") if p.name != ".lock")
    with pytest.raises(ValueError, match=r"was imported.*--train.start-from"):
        train(original({}), started / "imported", resume=True)
    assert sorted(p for p in started.rglob("*") if p.name != ".lock") == before


def test_weights_that_exclude_each_other_are_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"train.encoder_weights is 'a': must be empty"):
        TrainConfig(start_from="b", encoder_weights="a")
    with pytest.raises(ValueError, match=r"train.fresh_predictor is True: must be false without"):
        TrainConfig(fresh_predictor=True)
    for model in (replace(ORIGINAL, encoder="conv"), replace(ORIGINAL, encoder_coords=True)):
        with pytest.raises(
            ValueError, match=r"train.encoder_weights is 'a': needs --model.encoder"
        ):
            RunConfig(
                name="x",
                model=model,
                data=tiny().data,
                train=TrainConfig(encoder_weights="a"),
                mode=tiny().mode,
            )
