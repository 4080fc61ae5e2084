"""Drawing in 8 bits: each layer is exact up to rounding, the whole is close to float32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farframe.bench_ways import random_model
from farframe.config import ModelConfig
from farframe.models.cells import Conv, ConvTranspose
from farframe.models.decoder import Decoder, JointConv
from farframe.models.hierarchical import HierarchicalModel
from farframe.models.int8 import Int8Conv, Scale, int8_decoder
from farframe.types import Anchor

CONFIG = ModelConfig(frame_size=32, width=8, enc_size=8, action_dim=2, pred_init="glorot")


@pytest.fixture(scope="module")
def model() -> HierarchicalModel:
    torch.manual_seed(0)
    return random_model(CONFIG).to(memory_format=torch.channels_last)  # pyright: ignore


@pytest.mark.parametrize(
    "layer",
    [Conv(6, 10), ConvTranspose(6, 10), ConvTranspose(6, 10, stride=2), JointConv(12, 6)],
    ids=["conv", "transposed", "transposed by 2", "half of a joint one"],
)
@pytest.mark.parametrize("low", [0.0, -1.5])
@torch.no_grad()
def test_a_layer_loses_nothing_but_roundings(layer: nn.Module, low: float) -> None:
    torch.manual_seed(1)
    assert isinstance(layer, Conv | ConvTranspose)
    assert layer.bias is not None
    layer.bias.data.normal_()
    x = torch.rand(3, 6, 8, 8) * (2 - low) + low
    scale = Scale.of(low, 2.0)
    error = Int8Conv(layer, scale)(x) - layer(x)
    assert error.square().mean().sqrt() < 0.01 * layer(x).std()
    # Weights and inputs that are whole numbers of steps lose nothing at all.
    weight = torch.randint(-126, 127, layer.weight.shape).float()
    weight[-1 if isinstance(layer, ConvTranspose) else slice(None), ..., :2, :2] = 127
    layer.weight.data.copy_(weight / 300)
    mine = Int8Conv(layer, scale)
    x = (torch.randint(0, 256, x.shape) - scale.zero) * scale.step
    torch.testing.assert_close(mine(x), layer(x), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("name", "act"), [("relu", F.relu), ("swish", F.silu)])
@torch.no_grad()
def test_a_layer_hands_8_bits_to_the_next(name: str, act: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(2)
    first, second = ConvTranspose(6, 10, stride=2), Conv(10, 4)
    x = torch.rand(3, 6, 8, 8).to(memory_format=torch.channels_last)
    between, low = act(first(x)), float(act(first(x)).min())
    into = Scale.of(low, float(between.max()))
    levels = Int8Conv(first, Scale.of(0.0, 1.0), name, into)(x)
    assert levels.dtype == torch.uint8
    error = (levels.float() - into.zero) * into.step - between
    assert error.square().mean().sqrt() < 0.02 * between.std()
    reader = Int8Conv(second, into)
    exactly = reader((levels.float() - into.zero) * into.step)
    torch.testing.assert_close(reader(levels), exactly, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "silu"])
@torch.no_grad()
def test_nonlinearities_are_part_of_the_convolutions(activation: str) -> None:
    config = replace(CONFIG, activation=activation)
    decoder = random_model(config).decoder
    frames, enc = torch.rand(2, 3, 32, 32), torch.randn(2, 3, 8)
    drawn = int8_decoder(decoder, decoder.anchor(frames, enc[:, 0]), enc)
    kinds = [type(layer) for layer in drawn.drawer]
    assert nn.ReLU not in kinds
    assert nn.SiLU not in kinds
    layers = [layer for layer in drawn.drawer if isinstance(layer, Int8Conv)]
    assert [layer.into is not None for layer in layers] == [False, True, False, True, False, False]
    assert any(isinstance(layer, nn.ReLU | nn.SiLU) for layer in decoder.drawer)


@torch.no_grad()
def test_the_whole_decoder_draws_nearly_the_same(model: HierarchicalModel) -> None:
    frames = torch.rand(2, 7, 3, 32, 32)
    enc = model.encode(frames)
    anchor = model.anchor(frames[:, 0], enc[:, 0])
    quick = int8_decoder(model.decoder, anchor, enc)
    whole, drawn = model.decode(anchor, enc), quick(anchor, enc)
    assert _signal_to_noise(whole.frames, drawn.frames) > 20
    assert (whole.masks - drawn.masks).abs().mean() < 0.01
    kinds = {type(m) for m in model.decoder.modules()}
    assert Int8Conv not in kinds  # the trained decoder is left alone


@pytest.mark.parametrize(("clips", "frames"), [(1, 4), (8, 2), (20, 1)])
def test_ranges_are_measured_on_a_few_frames_of_many_clips(
    model: HierarchicalModel, monkeypatch: pytest.MonkeyPatch, clips: int, frames: int
) -> None:
    seen: list[tuple[int, ...]] = []

    def spy(decoder: Decoder, anchor: Anchor, enc: Tensor) -> Decoder:
        seen.append(tuple(enc.shape[:2]))
        return int8_decoder(decoder, anchor, enc)

    monkeypatch.setattr("farframe.models.hierarchical.int8_decoder", spy)
    model.predict(torch.rand(clips, 2, 3, 32, 32), torch.randn(clips, 11, 2), horizon=10, int8=True)
    assert seen == [(clips, frames)]


def test_predict_in_8_bits(model: HierarchicalModel) -> None:
    frames, actions = torch.rand(2, 3, 32, 32), torch.randn(31, 2)
    plain = model.predict(frames, actions, horizon=30)
    quick = model.predict(frames, actions, horizon=30, int8=True)
    assert torch.equal(plain.enc_pred, quick.enc_pred)
    assert (plain.frames - quick.frames).square().mean().sqrt() < 0.02
    assert not torch.equal(plain.frames, quick.frames)
    alone = model.predict(frames, actions, horizon=30, at=[30], int8=True)
    torch.testing.assert_close(alone.frames[:, 0], quick.frames[:, 29], rtol=1e-4, atol=1e-4)


def _signal_to_noise(whole: Tensor, other: Tensor) -> float:
    """In decibels, the signal being what differs between frames."""
    signal = (whole - whole.mean((0, 1))).square().mean()
    return float(10 * torch.log10(signal / (whole - other).square().mean()))
