"""What EPEV's and the predictor's options for small machines promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from farframe.config import ModelConfig
from farframe.losses import POSE_DIM, mse, pose_error, scale_gradient
from farframe.models.hierarchical import HierarchicalModel
from farframe.modes import E2E, EPEVE2E
from farframe.modes.base import Networks
from farframe.modes.epev import EPEV, choose_frames, perceptual, relative_error
from farframe.modes.epev_pose import EPEVPose
from farframe.types import Batch

TINY = ModelConfig(
    frame_size=32, width=4, enc_size=8, action_dim=0, encoder="keypoint", pred_cells=3
)


def test_chosen_frames_keep_their_encodings_and_never_repeat() -> None:
    enc = torch.arange(2 * 6.0).view(2, 6, 1)
    frames = enc[..., None, None].expand(-1, -1, 3, 2, 2)
    some, drawn = choose_frames(4, enc, frames)
    assert torch.equal(drawn[:, :, 0, 0, 0], some[:, :, 0])
    assert all(len(set(clip.flatten().tolist())) == 4 for clip in some)
    assert ((some[0] < 6) & (some[1] >= 6)).all()


def test_relative_error_does_not_see_scale() -> None:
    torch.manual_seed(0)
    enc, pred = torch.randn(4, 6, 8), torch.randn(4, 5, 8)
    scaled = relative_error(pred * 9, enc * 9).item()
    assert scaled == pytest.approx(relative_error(pred, enc).item(), rel=1e-3)


def test_relative_error_of_one_process_is_the_formula_to_the_bit() -> None:
    torch.manual_seed(0)
    enc, pred = torch.randn(4, 6, 8, requires_grad=True), torch.randn(4, 5, 8)
    within = (enc - enc.mean(1, keepdim=True)).square().mean((0, 1))
    overall = enc.var((0, 1), correction=0)
    formula = ((pred - enc[:, 1:]).square().mean((0, 1)) / (within + 0.02 * overall + 1e-4)).mean()
    found = relative_error(pred, enc)
    assert torch.equal(found, formula)
    grads = (torch.autograd.grad(loss, enc, retain_graph=True)[0] for loss in (found, formula))
    assert torch.equal(*grads)


def test_relative_error_survives_half_precision() -> None:
    enc = torch.full((2, 4, 3), 300.0).half() * torch.tensor([1.0, -1.0]).half()[:, None, None]
    assert relative_error(-enc[:, 1:], enc).isfinite()


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_mask_costs_only_what_is_asked(weight: float) -> None:
    nets = Networks(HierarchicalModel(TINY), {})
    frames = torch.rand(2, 4, 3, 32, 32)
    nothing = torch.zeros(2, 4, 0)
    batch = Batch(frames=frames, actions=nothing, poses=nothing, ids=("a", "b"))
    (update,) = EPEV(mask_weight=weight).updates(nets, batch, 0)
    assert ("mask" in update.losses) == (weight > 0)
    assert update.weights.get("mask", 0.0) == weight


def test_l1_and_relative_exclude_each_other() -> None:
    with pytest.raises(ValueError, match=r"mode\.enc_pred_l1 is True: .*enc_pred_relative"):
        EPEV(enc_pred_l1=True, enc_pred_relative=True)


def test_scaled_gradient_leaves_the_value() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = scale_gradient(x, 0.25)
    assert torch.allclose(y, x)
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == [0.25, 0.25]


def test_a_velocity_predictor_that_adds_nothing_goes_straight() -> None:
    model = HierarchicalModel(replace(TINY, pred_residual="velocity"))
    torch.nn.init.zeros_(model.predictor.out.weight)
    enc = torch.arange(3.0)[None, :, None] * torch.randn(1, 1, 8)
    pred = model.rollout(enc, context_frames=3, horizon=3).enc_pred
    straight = torch.arange(3.0, 6)[None, :, None] * enc[:, 1:2]
    assert torch.allclose(pred[:, 2:], straight, atol=1e-5)


@pytest.mark.parametrize("residual", ["none", "last", "velocity"])
def test_going_on_from_a_state_equals_one_rollout(residual: str) -> None:
    model = HierarchicalModel(replace(TINY, pred_residual=residual))
    enc = torch.randn(2, 3, 8)
    whole = model.rollout(enc, context_frames=3, horizon=6)
    first = model.rollout(enc, context_frames=3, horizon=2)
    rest = model.rollout(enc[:, :0], context_frames=0, horizon=4, state=first.state)
    joined = torch.cat((first.enc_pred, rest.enc_pred), 1)
    assert torch.allclose(joined, whole.enc_pred, atol=1e-6)


@pytest.mark.parametrize("size", [32, 64, 96, 128])
@pytest.mark.parametrize("encoder", ["vgg", "conv", "keypoint"])
def test_every_frame_size(size: int, encoder: str) -> None:
    model = HierarchicalModel(replace(TINY, frame_size=size, encoder=encoder))
    frames = torch.rand(1, 2, 3, size, size)
    drawn = model.predict(frames, horizon=2)
    assert drawn.frames.shape == (1, 2, 3, size, size)
    assert drawn.masks.shape == (1, 2, 1, size, size)


@pytest.mark.parametrize("enc_norm", ["none", "l2", "batch"])
def test_encoding_in_pieces_is_encoding_at_once(enc_norm: Any) -> None:
    model = HierarchicalModel(replace(TINY, enc_norm=enc_norm))
    frames = torch.rand(2, 35, 3, 32, 32)
    whole = model.encode(frames)  # in training: batch norm takes the statistics of all frames
    with torch.no_grad():
        torch.testing.assert_close(model.encode(frames), whole)
    model.eval()
    whole = model.encode(frames)
    seen: list[int] = []
    model.encoder.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    with torch.no_grad():
        torch.testing.assert_close(model.encode(frames), whole)
    assert seen == [32, 32, 6]


@pytest.mark.parametrize("encoder", ["conv", "keypoint"])
def test_more_layers_of_an_encoder_see_farther(encoder: Any) -> None:
    def reach(layers: int) -> int:
        """Pixels that a map's first place is moved by, through convolutions alone."""
        config = replace(TINY, frame_size=64, encoder=encoder, encoder_layers=layers)
        features = HierarchicalModel(config).encoder.features
        x = torch.rand(1, 3, 64, 64, requires_grad=True)
        maps = x
        for layer in features[:-1]:
            maps = layer(maps) if isinstance(layer, nn.Conv2d) else maps
        maps[0, :, 0, 0].sum().backward()
        assert x.grad is not None
        return int(x.grad.abs().sum((0, 1, 3)).nonzero().max())

    assert reach(3) > 2 * reach(0)
    with pytest.raises(ValueError, match=r"encoder_layers is 1: must be 0 with .*'vgg'"):
        ModelConfig(encoder="vgg", encoder_layers=1)


@pytest.mark.parametrize(("size", "error"), [(POSE_DIM, pose_error), (6, mse), (34, mse)])
def test_with_pose_the_encodings_first_numbers_learn_it_and_the_rest_is_epev(
    size: int, error: Callable[[Tensor, Tensor], Tensor]
) -> None:
    nets = Networks(HierarchicalModel(replace(TINY, enc_size=size + 2)), {})
    frames, nothing = torch.rand(2, 4, 3, 32, 32), torch.zeros(2, 4, 0)
    batch = Batch(frames=frames, actions=nothing, poses=torch.randn(2, 4, size), ids=("a", "b"))
    mode = EPEVPose(pose_weight=0.5, pose_size=size)
    (plain,) = EPEV().updates(nets, batch, 0)
    (posed,) = mode.updates(nets, batch, 0)
    wrong = error(nets.model.encode(frames)[..., :size], batch.poses)
    assert torch.allclose(posed.total(), plain.total() + 0.5 * wrong)
    with pytest.raises(ValueError, match=f"enc_size is {size - 1}: must be {size} or more"):
        mode.check_model(replace(TINY, enc_size=size - 1))


def test_lpips_without_its_weights_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    perceptual.cache_clear()
    with pytest.raises(ValueError, match="run `farframe weights get lpips`"):
        EPEV(lpips_weight=0.1).extra_networks(TINY)


def test_epev_and_e2e_is_the_sum_of_both() -> None:
    nets, gradients = Networks(HierarchicalModel(replace(TINY, context_frames=2)), {}), []
    empty = torch.zeros(2, 5, 0)
    frames = torch.rand(2, 5, 3, 32, 32)
    batch = Batch(frames=frames, actions=empty, poses=empty, ids=("", ""))
    flags = {"enc_pred_weight": 0.3, "enc_pred_delay": 0.0}
    for modes in ((EPEV(**flags), E2E()), (EPEVE2E(**flags, van_weight=0.5),)):
        nets.zero_grad()
        for mode, weight in zip(modes, (1.0, 0.5), strict=False):
            [update] = mode.updates(nets, batch, 9)
            (weight * update.total()).backward()
        gradients.append([p.grad.clone() for p in nets.parameters()])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)
