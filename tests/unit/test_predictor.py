"""The predictor's two ways to take a step, against the networks' text written out cell by cell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from farframe.bench_stepwise import CellByCell
from farframe.config import ModelConfig
from farframe.models.hierarchical import HierarchicalModel
from farframe.models.numpy_predictor import NumpyPredictor
from farframe.models.predictor import NUMPY_BATCH, Predictor, TorchStepper

CONFIG = ModelConfig(
    frame_size=32, width=2, enc_size=6, action_dim=3, pred_cells=7, pred_init="glorot"
)
KINDS: tuple[dict[str, Any], ...] = (
    {},
    {"action_dim": 0, "pred_cells": 3},
    {"pred_units": 11},
    {"pred_residual": "last", "enc_norm": "l2"},
    {"pred_residual": "velocity", "pred_noise_std": 0.5},
)
kinds = pytest.mark.parametrize("kind", KINDS, ids=str)


def model_of(kind: dict[str, Any]) -> HierarchicalModel:
    torch.manual_seed(0)
    model = HierarchicalModel(replace(CONFIG, **kind)).eval()
    for parameter in model.predictor.parameters():  # gains and peepholes of their own
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model


def literal(predictor: Predictor, enc: Tensor, actions: Tensor) -> Tensor:
    """Every cell by itself, ``enc`` as context, then its own output."""
    cells = CellByCell(predictor)
    stepper = cells.stepper(cells.initial(len(enc)))
    given = [*enc.unbind(1), *[None] * (actions.shape[1] - enc.shape[1])]
    return torch.stack(
        [stepper.step(e, a) for e, a in zip(given, actions.unbind(1), strict=True)], 1
    )


@pytest.mark.parametrize("kind", [*KINDS[:4], {"pred_residual": "velocity"}], ids=str)
def test_joined_weights_compute_what_the_cells_do(kind: dict[str, Any]) -> None:
    model = model_of(kind).double()
    enc = torch.randn(3, 2, 6, dtype=torch.float64)
    actions = torch.randn(3, 9, model.config.action_dim, dtype=torch.float64)
    expected = literal(model.predictor, enc, actions)
    found = model.rollout(enc, actions, context_frames=2, horizon=8).enc_pred
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_gradients_reach_every_weight_as_cell_by_cell() -> None:
    model = model_of({}).double()
    enc = torch.randn(2, 2, 6, dtype=torch.float64)
    actions = torch.randn(2, 5, 3, dtype=torch.float64)
    weights = dict(model.predictor.named_parameters())
    one = literal(model.predictor, enc, actions).square().sum()
    other = model.rollout(enc, actions, context_frames=2, horizon=4).enc_pred.square().sum()
    expected, found = (torch.autograd.grad(x, list(weights.values())) for x in (one, other))
    for name, a, b in zip(weights, found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}")
        assert b.abs().max() > 0, name


@kinds
@pytest.mark.parametrize("batch", [1, NUMPY_BATCH])
def test_numpy_takes_the_same_steps(kind: dict[str, Any], batch: int) -> None:
    model = model_of(kind)
    enc, actions = torch.randn(batch, 3, 6), torch.randn(batch, 12, model.config.action_dim)
    found: list[Tensor] = []
    for engine in (TorchStepper, NumpyPredictor):
        torch.manual_seed(5)
        with torch.no_grad():
            stepper = engine(model.predictor, model.predictor.initial(batch))
            given = [*enc.unbind(1), *[None] * 9]
            steps = [stepper.step(e, a) for e, a in zip(given, actions.unbind(1), strict=True)]
            state = stepper.state()
        assert state.last is not None
        assert state.read is not None
        ends = (state.memory, state.output, state.back, state.last, state.read)
        found.append(torch.cat([torch.stack(steps).flatten(), *(x.flatten() for x in ends)]))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=2e-5)


@kinds
def test_going_on_from_a_state_is_one_long_rollout(kind: dict[str, Any]) -> None:
    model = model_of(kind)
    enc, actions = torch.randn(2, 2, 6), torch.randn(2, 9, model.config.action_dim)
    for tracked in (True, False):
        with torch.set_grad_enabled(tracked):
            torch.manual_seed(1)
            whole = model.rollout(enc, actions, context_frames=2, horizon=8)
            torch.manual_seed(1)
            first = model.rollout(enc, actions, context_frames=2, horizon=4)
            kept = first.state.memory.clone()
            rest = model.rollout(
                enc, actions[:, 5:], context_frames=0, horizon=4, state=first.state
            )
        joined = torch.cat((first.enc_pred, rest.enc_pred), 1)
        assert whole.enc_pred.shape == (2, 9, 6)
        torch.testing.assert_close(whole.enc_pred, joined)
        assert torch.equal(first.state.memory, kept)  # a state is a value
