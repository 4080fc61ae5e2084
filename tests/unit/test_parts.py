"""The decoder's parts: moved copies of the first frame, against shifts done by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from farframe.models.hierarchical import HierarchicalModel
from farframe.models.parts import Parts
from farframe.presets import PRESETS

MODEL = replace(PRESETS["debug"].config.model, decoder_parts=3, pred_noise_std=0.0)


def make_parts(count: int = 3) -> Parts:
    torch.manual_seed(0)
    return Parts(replace(MODEL, decoder_parts=count), channels=4)


def place(x: float, y: float, radius: float) -> Tensor:
    return torch.tensor([[[x, y, radius]]])


def test_a_shift_by_whole_pixels_is_exact() -> None:
    frame, pixel = torch.rand(1, 3, 32, 32), 2 / 32
    moved = make_parts(1).move(frame, place(0.0, 0.0, 0.3), place(3 * pixel, -5 * pixel, 0.3))
    torch.testing.assert_close(moved[0, 0, :, :-5, 3:], frame[0, :, 5:, :-3])
    edge = frame[0, :, 5:, :1].expand(-1, -1, 3)  # the border goes on
    torch.testing.assert_close(moved[0, 0, :, :-5, :3], edge)


def test_a_part_twice_as_large_shows_twice_as_large() -> None:
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 32, 32)
    moved = make_parts(1).move(ramp, place(0.0, 0.0, 0.2), place(0.0, 0.0, 0.4))
    slope = (moved[0, 0, 0, 16, 20] - moved[0, 0, 0, 16, 12]) / (
        ramp[0, 0, 16, 20] - ramp[0, 0, 16, 12]
    )
    assert slope.item() == pytest.approx(0.5, abs=1e-3)


def test_every_frame_and_part_is_moved_alone() -> None:
    parts, frames = make_parts(), torch.rand(2, 3, 32, 32)
    first, now = torch.rand(2, 3, 3) + 0.1, torch.rand(8, 3, 3) + 0.1  # four frames a clip
    moved = parts.move(frames, first, now)
    one = make_parts(1)
    for m in range(8):
        for k in range(3):
            clip = slice(m // 4, m // 4 + 1)
            alone = one.move(frames[clip], first[clip, k : k + 1], now[m : m + 1, k : k + 1])
            torch.testing.assert_close(moved[m, k], alone[0, 0])


def test_a_spot_lies_at_its_place() -> None:
    spot = make_parts(1).spots(place(0.53125, -0.21875, 0.2))[0, 0]
    assert divmod(int(spot.argmax()), 32) == (12, 24)  # row of y, column of x
    assert spot.max().item() == pytest.approx(1.0)


def test_drawing_all_frames_equals_drawing_each() -> None:
    torch.manual_seed(0)
    model = HierarchicalModel(MODEL).eval()
    frames = torch.rand(2, 5, 3, 32, 32)
    with torch.no_grad():
        enc = model.encode(frames)
        anchor = model.anchor(frames[:, 0], enc[:, 0])
        whole = model.decode(anchor, enc)
        for t in range(5):
            one = model.decode(anchor, enc[:, t : t + 1])
            torch.testing.assert_close(whole.frames[:, t], one.frames[:, 0], atol=1e-5, rtol=0)
            torch.testing.assert_close(whole.masks[:, t], one.masks[:, 0], atol=1e-5, rtol=0)


def test_samples_repeat_the_whole_anchor() -> None:
    torch.manual_seed(0)
    model = HierarchicalModel(replace(MODEL, pred_noise_std=1.0))
    prediction = model.predict(torch.rand(2, 5, 3, 32, 32), horizon=3, samples=4)
    assert prediction.frames.shape == (8, 3, 3, 32, 32)


def test_places_stay_in_float32_under_autocast() -> None:
    parts = make_parts()
    enc = torch.randn(4, MODEL.enc_size)
    frame, features = torch.rand(4, 3, 32, 32), torch.randn(4, 4, 32, 32)
    exact_places = parts.places(enc)
    exact = parts(features, frame, exact_places, enc)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(parts.places(enc), exact_places)
        drawn = parts(features, frame, exact_places, enc)
    torch.testing.assert_close(drawn.float(), exact, atol=0.05, rtol=0)


def test_every_weight_learns() -> None:
    parts = make_parts()
    enc = torch.randn(4, MODEL.enc_size, requires_grad=True)
    drawn = parts(torch.randn(4, 4, 32, 32), torch.rand(4, 3, 32, 32), parts.places(enc), enc)
    drawn.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in parts.parameters())
    assert enc.grad is not None
    assert (enc.grad.abs().amax(1) > 0).all()


def test_without_parts_the_decoder_has_the_original_s_layers_only() -> None:
    names = HierarchicalModel(replace(MODEL, decoder_parts=0)).state_dict()
    assert not [name for name in names if "parts" in name]
