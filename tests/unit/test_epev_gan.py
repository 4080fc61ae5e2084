"""EPEV-GAN beyond what was recorded: alternation, both variants, mixed precision, its limits."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from tiny_run import tiny
from torch import Tensor, nn

from farframe.modes import Networks
from farframe.modes.epev_gan import EPEVGAN, PENALTY_WEIGHT, Sequence, _penalty
from farframe.training.distributed import World
from farframe.training.state import TrainingState
from farframe.training.updates import gradients
from farframe.types import Batch

CPU = torch.device("cpu")


class Linear(nn.Module):
    """A critic whose slope is known: ``scale`` times the sum of the first inputs."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, enc: Tensor, features: tuple[Tensor, Tensor]) -> Tensor:
        return self.scale * (enc.sum((1, 2)) + sum(f.sum((1, 2, 3, 4)) for f in features))[:, None]


def nets_with(critic: nn.Module) -> Networks:
    state = TrainingState.create(tiny("epev_gan"), CPU, World())
    return Networks(state.model, {"discriminator": critic})


def sequence(value: float, clips: int = 2) -> Sequence:
    return (
        torch.full((clips, 3, 4), value),
        torch.full((clips, 3, 2, 2, 2), value),
        torch.full((clips, 3, 4, 2, 2), value),
    )


def batch(clips: int = 2) -> Batch:
    none = torch.zeros(clips, 4, 0)
    names = tuple(map(str, range(clips)))
    return Batch(frames=torch.rand(clips, 4, 3, 32, 32), actions=none, poses=none, ids=names)


@pytest.mark.parametrize("steps", [1, 5])
def test_whose_turn_it_is(steps: int) -> None:
    mode = EPEVGAN(discrim_steps_per_pred=steps)
    state = TrainingState.create(tiny("epev_gan"), CPU, World())
    for step in (0, 1, steps, steps + 1, steps + 2, 600, 601):
        names = [u.group for u in mode.updates(state.nets, batch(), step)]
        turn = step % (steps + 1) == 0
        assert names == (["decoder", "predictor"] if turn else ["discriminator"])


@pytest.mark.parametrize("amp", ["off", "bf16", "fp16"])
@pytest.mark.parametrize("wgan", [True, False])
def test_both_turns_train_in_every_precision(wgan: bool, amp: str) -> None:
    """The penalty's second derivative too; what is not to move, stays."""
    config = tiny("epev_gan", amp=amp)
    mode = replace(config.mode, use_wgan=wgan, discrim_steps_per_pred=1)
    state = TrainingState.create(replace(config, mode=mode), CPU, World())
    moved: set[str] = set()
    for _ in range(4):
        before = {k: v.detach().clone() for k, v in state.nets.named_parameters()}
        updates = state.step(batch())
        losses = [loss for update in updates for loss in update.losses.values()]
        assert all(loss.dtype == torch.float32 and bool(loss.isfinite()) for loss in losses)
        after = dict(state.nets.named_parameters())
        changed = {k for k in before if not torch.equal(before[k], after[k])}
        mine = {"extra"} if updates[0].group == "discriminator" else {"model"}
        assert {k.partition(".")[0] for k in changed} <= mine
        moved |= {k.partition(".")[0] for k in changed}
    assert moved == {"model", "extra"}
    assert state.finite()


def test_the_penalty_of_a_slope_that_is_known() -> None:
    """Slope s sqrt(n) over the n numbers of a clip; the penalty's own gradient, by s, as well."""
    critic = Linear(0.25)
    n = 3 * (4 + 2 * 4 + 4 * 4)
    penalty = _penalty(nets_with(critic), sequence(0.5))
    slope = 0.25 * math.sqrt(n)
    assert penalty.item() == pytest.approx((slope - 1) ** 2, rel=1e-5)
    (grad,) = torch.autograd.grad(penalty, [critic.scale])
    assert grad.item() == pytest.approx(2 * (slope - 1) * math.sqrt(n), rel=1e-5)


def test_the_two_players_want_opposite_things() -> None:
    nets, real, fake = nets_with(Linear(0.01)), sequence(0.5), sequence(-0.25)
    n = 3 * (4 + 2 * 4 + 4 * 4)
    on_real, on_fake = 0.01 * n * 0.5, -0.01 * n * 0.25
    wgan, sigmoid = EPEVGAN(), EPEVGAN(use_wgan=False)
    apart = on_real - on_fake
    penalty = PENALTY_WEIGHT * (0.01 * math.sqrt(n) - 1) ** 2
    assert wgan.gan_gen(nets, real, fake).item() == pytest.approx(apart, rel=1e-4)
    assert wgan.gan_disc(nets, real, fake).item() == pytest.approx(penalty - apart, rel=1e-4)
    # cross-entropy of labels 0.75 and 0, written out
    wanted = math.log1p(math.exp(on_real)) - 0.75 * on_real + math.log1p(math.exp(on_fake))
    assert sigmoid.gan_disc(nets, real, fake).item() == pytest.approx(wanted, rel=1e-4)
    assert sigmoid.gan_gen(nets, real, fake).item() == pytest.approx(-wanted, rel=1e-4)


def test_places_between_are_random_and_each_clips_own() -> None:
    low, mid, high = EPEVGAN().between(sequence(1.0, 50), sequence(0.0, 50))
    places = low[:, 0, 0]
    assert 0 <= float(places.min()) < 0.2 < 0.8 < float(places.max()) <= 1
    assert torch.equal(low, places[:, None, None].expand_as(low))
    for maps in (mid, high):
        assert torch.equal(maps, places.view(-1, 1, 1, 1, 1).expand_as(maps))


def test_halves_of_a_batch_average_to_the_whole() -> None:
    """What two processes rely on, with the penalty's second derivative."""

    class Halfway(EPEVGAN):
        def between(self, real: Sequence, fake: Sequence) -> Sequence:
            low, mid, high = ((a + b) / 2 for a, b in zip(real, fake, strict=True))
            return low, mid, high

    config = tiny("epev_gan")
    model = replace(config.model, enc_norm="none", pred_noise_std=0.0, enc_keep_prob=1.0)
    model = replace(model, van_keep_prob=1.0)
    state = TrainingState.create(replace(config, model=model), CPU, World())
    mode, whole = Halfway(), batch(4)
    halves = [
        replace(whole, **{k: getattr(whole, k)[part] for k in ("frames", "actions", "poses")})
        for part in (slice(0, 2), slice(2, 4))
    ]
    for step in (0, 1):
        taken = [
            gradients(mode.updates(state.nets, part, step), state.groups)
            for part in (whole, *halves)
        ]
        for everything, first, second in zip(*taken, strict=True):
            for a, b, c in zip(everything, first, second, strict=True):
                assert (a is None) == (b is None) == (c is None)
                if a is not None and b is not None and c is not None:
                    off = (a - (b + c) / 2).norm()
                    assert off <= 1e-3 * a.norm() + 1e-7


def test_what_would_train_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mode\.discrim_steps_per_pred is 0: must be 1 or more"):
        EPEVGAN(discrim_steps_per_pred=0)
    with pytest.raises(ValueError, match=r"mode\.discrim_context is 0: must be 1 or more"):
        EPEVGAN(discrim_context=0)
    config = tiny("epev_gan")
    replace(config, mode=EPEVGAN(discrim_context=3))
    with pytest.raises(ValueError, match=r"discrim_context is 4: must be below .*_length \(4\)"):
        replace(config, mode=EPEVGAN(discrim_context=4))
