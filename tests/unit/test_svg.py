"""The baseline SVG-LP: shapes, teacher forcing against feeding back, the KL, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_run import tiny
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from farframe.baselines.convolutions import FrameDecoder, FrameEncoder, PixelNorm
from farframe.baselines.recurrent import Gaussian
from farframe.baselines.svg_config import SVGConfig
from farframe.baselines.svg_mode import SVGMode
from farframe.baselines.svg_model import SVGModel
from farframe.modes.base import NetworksOf
from farframe.presets import PRESETS
from farframe.run import RunConfig
from farframe.types import Batch

CONFIG = SVGConfig(
    frame_size=32,
    width=2,
    enc_size=6,
    units=5,
    noise_size=3,
    action_dim=2,
    context_frames=3,
    norm="group",  # without statistics to be learned first
)
STILL = replace(CONFIG, noise_size=0)


def model_of(config: SVGConfig) -> SVGModel:
    """A model whose frames depend visibly on all that they are drawn from."""
    torch.manual_seed(1)
    model = SVGModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4)
    return model


def clips(length: int = 7) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    frames = torch.rand(2, length, 3, 32, 32, generator=generator)
    return frames, torch.randn(2, 20, 2, generator=generator)


@pytest.mark.parametrize("norm", ["group", "batch"])
@pytest.mark.parametrize("size", [32, 64, 96, 128])
def test_frames_of_every_size_are_drawn(size: int, norm: Any) -> None:
    config = replace(CONFIG, frame_size=size, norm=norm)
    frames = torch.rand(2, 3, size, size)
    enc, maps = FrameEncoder(config)(frames)
    assert enc.shape == (2, 6)
    assert bool((enc.abs() < 1).all())
    assert [m.shape[2] for m in maps] == [size >> n for n in range(1, len(maps) + 1)]
    assert maps[-1].shape[2] == (6 if size == 96 else 4)
    drawn = FrameDecoder(config)(enc, maps)
    assert drawn.shape == frames.shape
    assert bool(((drawn > 0) & (drawn < 1)).all())


def test_the_norm_is_that_of_the_batch() -> None:
    mine, theirs = PixelNorm(5), torch.nn.BatchNorm2d(5)
    x = torch.randn(3, 5, 4, 4) * 3 + 1
    for _ in range(2):
        torch.testing.assert_close(mine(x), theirs(x))
    torch.testing.assert_close(mine.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize("name", ["svg-small", "svg-tiny"])
def test_presets_are_of_the_size_of_ours(name: str) -> None:
    model = PRESETS[name].config.build()
    assert 0.9e6 < sum(p.numel() for p in model.parameters()) < 2e6


def test_the_divergence_is_that_of_torch() -> None:
    a, b = (Gaussian.of(torch.randn(4, 5, 6)) for _ in range(2))
    mine, theirs = (Normal(g.mean, (0.5 * g.log_var).exp()) for g in (a, b))
    torch.testing.assert_close(a.kl(b), kl_divergence(mine, theirs).sum(-1))
    torch.testing.assert_close(a.kl(a), torch.zeros(4, 5))


def test_samples_have_the_mean_and_variance_they_should_have() -> None:
    drawn = Gaussian(torch.full((20_000,), 3.0), torch.full((20_000,), 4.0).log()).draw()
    assert float(drawn.mean()) == pytest.approx(3, abs=0.1)
    assert float(drawn.var()) == pytest.approx(4, abs=0.2)


@pytest.mark.parametrize("skips", ["context", "last"])
def test_predicting_is_teacher_forcing_on_what_was_predicted(skips: Any) -> None:
    """Frame by frame: what is fed back is a frame like any other."""
    model, (frames, actions) = model_of(replace(STILL, skips=skips)), clips(3)
    predicted = model.predict(frames, actions, horizon=4).frames
    seen = frames
    with torch.no_grad():
        for step in range(4):
            # Teacher forcing draws each frame of what it is given after the one before.
            longer = torch.cat((seen, torch.zeros_like(seen[:, :1])), 1)
            drawn = model.reconstruct(longer, actions).frames[:, -1]
            torch.testing.assert_close(predicted[:, step], drawn, rtol=1e-4, atol=1e-5)
            seen = torch.cat((seen, drawn[:, None]), 1)
    assert float((predicted[:, 1:] - predicted[:, :-1]).abs().max()) > 1e-3


def test_skips_come_from_the_frames_that_the_configuration_names() -> None:
    """Changing a later true frame changes what is drawn after it, by skips or without them."""
    frames, actions = clips()
    for skips, reads in {"context": [0, 1, 2, 2, 2, 2], "last": [0, 1, 2, 3, 4, 5]}.items():
        model = model_of(replace(STILL, skips=skips))
        read: list[Tensor] = []
        model.decoder.register_forward_pre_hook(lambda _, args, read=read: read.append(args[1][0]))
        model.reconstruct(frames, actions)
        finest = model.encoder(frames.flatten(0, 1))[1][0].unflatten(0, (2, 7))
        torch.testing.assert_close(read[0].unflatten(0, (2, 6)), finest[:, reads])


def test_some_times_are_drawn_as_when_all_are() -> None:
    model, (frames, actions) = model_of(STILL), clips()
    some = model.reconstruct(frames, actions, [1, 4, 6]).frames
    torch.testing.assert_close(some, model.reconstruct(frames, actions).frames[:, [0, 3, 5]])


def test_only_frames_asked_for_are_kept() -> None:
    model, (frames, actions) = model_of(STILL), clips(3)
    whole = model.predict(frames, actions, horizon=9)
    assert whole.times == tuple(range(1, 10))
    assert whole.masks is None
    assert whole.enc_pred is None
    for asked, times in (({"at": [9, 2]}, (9, 2)), ({"every": 4}, (4, 8))):
        part = model.predict(frames, actions, horizon=9, **asked)
        assert part.times == times
        torch.testing.assert_close(part.frames, whole.frames[:, [t - 1 for t in times]])
    torch.testing.assert_close(whole.clip(1).frames, whole.frames[1:])
    one = model.predict((frames[0] * 255).round().byte().numpy(), actions[0], horizon=9)
    torch.testing.assert_close(one.frames, whole.frames[:1], rtol=0, atol=0.1)


def test_noise_is_a_function_of_torchs_seed() -> None:
    model, (frames, actions) = model_of(CONFIG), clips(3)
    seen: list[Tensor] = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        seen.append(model.predict(frames, actions, horizon=3, samples=2).frames)
    assert seen[0].shape == (4, 3, 3, 32, 32)
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    for a, b in ((0, 1), (2, 3)):  # two futures of each clip
        assert float((seen[0][a] - seen[0][b]).abs().max()) > 1e-3
    assert model.training is False


@pytest.mark.parametrize("config", [CONFIG, STILL], ids=["stochastic", "deterministic"])
def test_actions_decide(config: SVGConfig) -> None:
    """``actions[i]`` is taken at frame i: frame 2 after 3 given ones is the first to read [3]."""
    model, (frames, actions) = model_of(config), clips(3)
    other = actions.clone()
    other[:, 3] += 1
    predicted: list[Tensor] = []
    for taken in (actions, other):
        torch.manual_seed(0)
        predicted.append(model.predict(frames, taken, horizon=3).frames)
    apart = (predicted[0] - predicted[1]).abs().amax((0, 2, 3, 4))
    assert float(apart[0]) == 0
    assert float(apart[1]) > 1e-4


def nets_and_batch(config: SVGConfig) -> tuple[NetworksOf[SVGModel], Batch]:
    frames, actions = clips()
    batch = Batch(frames=frames, actions=actions, poses=torch.zeros(2, 7, 0), ids=("a", "b"))
    return SVGMode().networks(config), batch


def test_losses_are_the_error_and_the_divergence() -> None:
    nets, batch = nets_and_batch(CONFIG)
    torch.manual_seed(0)
    (update,) = SVGMode(beta=0.5, beta_warmup=10.0).updates(nets, batch, 3)
    torch.manual_seed(0)
    seen = nets.model.reconstruct(batch.frames, batch.actions)
    assert seen.posterior is not None
    assert seen.prior is not None
    error = (seen.frames - batch.frames[:, 1:]).square().mean()
    torch.testing.assert_close(update.losses["frames"], error)
    torch.testing.assert_close(update.losses["kl"], seen.posterior.kl(seen.prior).mean())
    assert update.weights == {"frames": 1.0, "kl": pytest.approx(0.2)}
    assert SVGMode(beta=0.5).updates(nets, batch, 3)[0].weights["kl"] == 0.5


def test_the_deterministic_variant_has_no_divergence() -> None:
    nets, batch = nets_and_batch(STILL)
    (update,) = SVGMode(decode_frames=2).updates(nets, batch, 0)
    assert update.losses.keys() == {"frames"}
    assert nets.model.prior is nets.model.posterior is None
    assert not STILL.stochastic


def test_frames_to_draw_are_chosen_by_chance() -> None:
    nets, batch = nets_and_batch(STILL)
    drawn: list[int] = []
    nets.model.decoder.register_forward_hook(lambda _m, _a, out: drawn.append(len(out)))
    losses = {
        float(SVGMode(decode_frames=2).updates(nets, batch, 0)[0].losses["frames"].detach())
        for _ in range(8)
    }
    assert drawn == [2 * 2] * 8
    assert len(losses) > 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"int8": True}, "int8 is for the hierarchical model"),
        ({"samples": 2}, r"samples is 2: must be 1 for a deterministic model.*noise_size above 0"),
        ({"actions": None}, "trained with actions of 2 numbers"),
        ({"frames": np.zeros((2, 3, 32, 32), np.uint8)}, "2 context frames given.*needs 3 or more"),
        ({"at": [5]}, "frames must lie in 1 to 4"),
    ],
)
def test_what_cannot_be_predicted_is_refused(changes: dict[str, Any], message: str) -> None:
    frames, actions = clips(3)
    asked: dict[str, Any] = {"frames": frames, "actions": actions, "horizon": 4} | changes
    with pytest.raises(ValueError, match=message):
        model_of(STILL).predict(**asked)


def changed(**parts: Any) -> RunConfig:
    run = tiny("svg")
    return replace(run, **{k: replace(getattr(run, k), **v) for k, v in parts.items()})


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"model": {"frame_size": 48}}, "model.frame_size is 48: must be one of 32, 64, 96, 128"),
        ({"model": {"units": 0}}, "model.units is 0: must be >= 1"),
        ({"model": {"noise_size": -1}}, "model.noise_size is -1: must be >= 0"),
        ({"mode": {"beta": -1.0}}, "mode.beta is -1.0: must be >= 0"),
        ({"train": {"start_from": "runs/x"}}, "train.start_from is 'runs/x': must be empty for"),
        ({"train": {"encoder_weights": "imagenet"}}, "train.encoder_weights is 'imagenet': must"),
    ],
)
def test_a_run_that_cannot_be_is_refused(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        changed(**parts)


def test_a_mode_trains_its_own_kind_of_model() -> None:
    ours, theirs = tiny("epev"), tiny("svg")
    for run, other in ((ours, theirs), (theirs, ours)):
        with pytest.raises(ValueError, match=rf"mode is '{other.mode.tag}': trains models of"):
            replace(run, mode=other.mode)
    values = theirs.to_dict() | {"mode": ours.to_dict()["mode"]}
    with pytest.raises(ValueError, match=r"unknown key model\."):
        RunConfig.from_dict(values)
