"""The mode that trains the predictor alone."""

from __future__ import annotations

import copy

import pytest
import torch

from farframe.config import ModelConfig
from farframe.models.hierarchical import HierarchicalModel
from farframe.modes.base import Networks
from farframe.modes.epev import relative_error
from farframe.modes.predictor_only import PredictorOnly
from farframe.types import Batch

TINY = ModelConfig(
    frame_size=32,
    width=4,
    enc_size=8,
    action_dim=0,
    encoder="keypoint",
    enc_norm="batch",
    enc_keep_prob=0.5,
    pred_cells=3,
)
FRAMES = torch.rand(2, 5, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def _batch() -> Batch:
    nothing = torch.zeros(2, 5, 0)
    return Batch(frames=FRAMES, actions=nothing, poses=nothing, ids=("a", "b"))


def test_encodings_are_those_of_predicting_and_the_encoder_stays() -> None:
    model = HierarchicalModel(TINY)
    before = copy.deepcopy(model.state_dict())
    mode, nets = PredictorOnly(loss="relative"), Networks(model.train(), {})
    (update,) = mode.updates(nets, _batch(), 0)
    update.total().backward()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    learning = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert learning == {"predictor"}
    (group,) = mode.groups(nets).values()
    assert set(group.parameters()) == set(model.predictor.parameters())
    with torch.no_grad():
        enc = model.eval().encode(FRAMES)
        enc_pred = model.rollout(enc, context_frames=2, horizon=3).enc_pred
    assert torch.allclose(update.total(), relative_error(enc_pred, enc))


@pytest.mark.parametrize("loss", ["mse", "l1"])
def test_plain_errors(loss: str) -> None:
    model = HierarchicalModel(TINY).eval()
    (update,) = PredictorOnly(loss=loss).updates(Networks(model, {}), _batch(), 0)
    enc = model.encode(FRAMES)
    away = model.rollout(enc, context_frames=2, horizon=3).enc_pred - enc[:, 1:]
    expected = away.square().mean() if loss == "mse" else away.abs().mean()
    assert torch.allclose(update.total(), expected)
