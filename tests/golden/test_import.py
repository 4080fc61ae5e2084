"""A checkpoint that the original wrote becomes a run that reproduces what the original computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from recorded import HERE, arrays, batch, networks, relative_error

import farframe
from farframe.interop.imported_run import import_checkpoint
from farframe.interop.tf_import import ImportOptions
from farframe.run import load_config

PREFIX = HERE / "ckpt" / "model.ckpt-100"
BAR = 2e-4


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("import") / "run"
    report = import_checkpoint(PREFIX, out, ImportOptions())
    assert report.path == out / "checkpoints" / "step-000000100"
    assert len(report.skipped) == 498 + 4
    return out


def test_sizes_are_those_of_the_recording(run: Path) -> None:
    model = load_config(run).model
    assert (model.frame_size, model.width, model.enc_size, model.action_dim) == (64, 4, 16, 5)
    assert (model.units, model.pred_cells, model.encoder) == (21, 21, "vgg")


def test_weights_are_those_of_the_recording(run: Path) -> None:
    recorded, _ = networks("epev")
    imported = farframe.load(run)
    assert not imported.training
    for name, tensor in recorded.state_dict().items():
        assert torch.equal(imported.state_dict()[name], tensor), name


def test_the_imported_model_computes_what_the_original_did(run: Path) -> None:
    model, given, recorded = farframe.load(run), batch("epev"), arrays("epev")
    with torch.no_grad():
        enc = model.encode(given.frames)
        rollout = model.rollout(enc, given.actions, context_frames=2, horizon=4)
        anchor = model.anchor(given.frames[:, 0], enc[:, 0])
        drawn = model.decode(anchor, rollout.enc_pred)
    assert relative_error(enc, recorded["out/enc_out_all"]) < BAR
    assert relative_error(rollout.enc_pred, recorded["out/pred_out_all"]) < BAR
    assert relative_error(drawn.frames, recorded["out/van_out_all"]) < BAR


def test_predict_goes_on_from_the_context(run: Path) -> None:
    model, given, recorded = farframe.load(run), batch("epev"), arrays("epev")
    prediction = model.predict(given.frames[:, :2], given.actions, horizon=4)
    truth = np.clip(recorded["out/van_out_all"][:, 1:], 0, 1)
    assert relative_error(prediction.frames, truth) < BAR
