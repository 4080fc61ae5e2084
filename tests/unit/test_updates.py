"""How updates become optimizer steps: gradients first, clipping, schedules, loss scaling."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from farframe.config import TrainConfig
from farframe.modes import Group, Update
from farframe.training.distributed import buckets
from farframe.training.updates import (
    apply_updates,
    clip_gradients,
    gradients,
    learning_rate,
    make_optimizers,
)


class Pair:
    """Two layers in a row, each with a group of its own, and one group of both."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 1)
        self.groups = {
            "first": Group((self.first,), 1e-2),
            "second": Group((self.second,), 1e-3),
            "both": Group((self.first, self.second, self.first), 1e-2),
        }
        self.optimizers = make_optimizers(self.groups, (0.9, 0.99), 1e-8)

    def loss(self) -> Tensor:
        x = torch.linspace(-1, 1, 12).view(4, 3)
        return self.second(torch.tanh(self.first(x))).square().mean()

    def update(self, group: str, factor: float = 1.0) -> Update:
        return Update(group, {"a": self.loss(), "b": self.loss()}, {"a": factor, "b": factor})

    def values(self) -> list[Tensor]:
        both = (*self.first.parameters(), *self.second.parameters())
        return [p.detach().clone() for p in both]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def apply(pair: Pair, updates: list[Update], step: int = 0, **train: object) -> None:
    config = TrainConfig(steps=100, **train)  # pyright: ignore[reportArgumentType]
    apply_updates(updates, pair.groups, pair.optimizers, train=config, step=step)


def test_overlapping_groups_see_the_weights_before_any_step() -> None:
    """Each update moves as it would alone, though they share weights and a graph."""
    moved: list[list[Tensor]] = []
    for names in (["first"], ["second"], ["first", "second"]):
        pair = Pair()
        loss = pair.loss()  # one graph for all
        apply(pair, [Update(name, {"a": loss}, {"a": 1.0}) for name in names])
        moved.append(pair.values())
    alone_first, alone_second, together = moved
    assert same(together, [*alone_first[:2], *alone_second[2:]])
    assert not same(together, Pair().values())


def test_a_group_moves_only_its_own_modules() -> None:
    pair, before = Pair(), Pair().values()
    apply(pair, [pair.update("second")])
    assert same(pair.values()[:2], before[:2])
    assert not any(torch.equal(x, y) for x, y in zip(pair.values()[2:], before[2:], strict=True))
    assert pair.second.weight.grad is None


def test_weights_scale_losses() -> None:
    pair = Pair()
    single = gradients([Update("both", {"a": pair.loss()}, {"a": 1.0})], pair.groups)[0]
    tensor = gradients([pair.update("both", 0.5)], pair.groups)[0]
    for a, b in zip(single, tensor, strict=True):
        assert a is not None
        assert b is not None
        torch.testing.assert_close(a, b)


def test_parameters_without_gradient_stay() -> None:
    pair, before = Pair(), Pair().values()
    apply(pair, [Update("both", {"a": pair.second.weight.square().sum()}, {"a": 1.0})])
    assert same(pair.values()[:2], before[:2])


def test_unclipped_groups_are_not_clipped() -> None:
    grown: list[float] = []
    for clip in (True, False):
        pair = Pair()
        pair.groups = {"both": Group((pair.first, pair.second), 1e-2, clip=clip)}
        before = pair.values()
        # Adam forgets the size of a gradient, but not where epsilon is larger than it.
        pair.optimizers = make_optimizers(pair.groups, (0.9, 0.99), 1.0)
        apply(pair, [pair.update("both", 100.0)], clip_gradient_norm=1e-3)
        moves = zip(pair.values(), before, strict=True)
        grown.append(sum(float((x - y).abs().sum()) for x, y in moves))
    assert grown[1] > 100 * grown[0] > 0


@pytest.mark.parametrize("kind", ["tensor", "global"])
def test_clipping(kind: str) -> None:
    grads = [torch.tensor([3.0, 4.0]), None, torch.tensor([[0.0, 12.0]]), torch.zeros(2)]
    clip_gradients(grads, 6.5, kind)  # pyright: ignore[reportArgumentType]
    wanted = {"tensor": [[3.0, 4.0], [[0.0, 6.5]]], "global": [[1.5, 2.0], [[0.0, 6.0]]]}[kind]
    for grad, value in zip((grads[0], grads[2]), wanted, strict=True):
        torch.testing.assert_close(grad, torch.tensor(value))
    assert torch.equal(grads[3], torch.zeros(2))


def test_no_clipping_for_zero() -> None:
    grads = [torch.tensor([3e9, 4.0])]
    clip_gradients(grads, 0.0, "tensor")
    assert torch.equal(grads[0], torch.tensor([3e9, 4.0]))


# -- learning rates ------------------------------------------------------------------------------


def test_learning_rate_is_constant_without_a_schedule() -> None:
    assert [learning_rate(0.5, s, TrainConfig(steps=10)) for s in (0, 5, 9, 20)] == [0.5] * 4


def test_warm_up_is_linear_and_moves_at_once() -> None:
    train = TrainConfig(steps=10, warmup_steps=4)
    rates = [learning_rate(1.0, s, train) for s in range(6)]
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_cosine_falls_to_zero_at_the_end() -> None:
    train = TrainConfig(steps=104, warmup_steps=4, schedule="cosine")
    rates = [learning_rate(2.0, s, train) for s in range(4, 110)]
    assert rates[0] == 2.0
    assert rates[50] == pytest.approx(1.0)
    assert rates == sorted(rates, reverse=True)
    assert rates[99] == pytest.approx(1 - math.cos(math.pi / 100))
    assert rates[100:] == [0.0] * 6


def test_warm_up_may_be_longer_than_the_run() -> None:
    train = TrainConfig(steps=3, warmup_steps=5, schedule="cosine")
    assert learning_rate(1.0, 2, train) == pytest.approx(0.6)
    assert learning_rate(1.0, 5, train) >= 0


def test_schedule_reaches_the_optimizer() -> None:
    """At rate 0 nothing moves; Adam's own state still does."""
    pair, before = Pair(), Pair().values()
    apply(pair, [pair.update("both")], step=100, schedule="cosine")
    assert same(pair.values(), before)
    assert pair.optimizers["both"].param_groups[0]["lr"] == 0.0


# -- loss scaling --------------------------------------------------------------------------------


def scaled(pair: Pair, scaler: GradScaler, factor: float = 1.0) -> None:
    apply_updates(
        [pair.update("both", factor)],
        pair.groups,
        pair.optimizers,
        train=TrainConfig(steps=100, clip_gradient_norm=0.1),
        step=0,
        scaler=scaler,
    )


def test_scaling_changes_nothing_but_rounding() -> None:
    plain, with_scaler = Pair(), Pair()
    scaler = GradScaler("cpu", init_scale=2.0**12)
    for _ in range(5):
        scaled(plain, GradScaler(enabled=False))
        scaled(with_scaler, scaler)
    for a, b in zip(plain.values(), with_scaler.values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)
    assert not same(plain.values(), Pair().values())


def test_overflow_skips_the_step_and_lowers_the_scale() -> None:
    pair, before = Pair(), Pair().values()
    scaler = GradScaler("cpu", init_scale=2.0**10)
    scaled(pair, scaler, factor=1e38)
    assert same(pair.values(), before)
    assert scaler.get_scale() == 2.0**9
    assert pair.optimizers["both"].param_groups[0]["updates"] == 0
    scaled(pair, scaler)
    assert not same(pair.values(), before)
    assert pair.optimizers["both"].param_groups[0]["updates"] == 1


# -- buckets -------------------------------------------------------------------------------------


def test_buckets_keep_order_type_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farframe.training.distributed.BUCKET_BYTES", 40)
    sizes = [4, 4, 4, 20, 1, 1]
    tensors = [torch.zeros(n) for n in sizes] + [torch.zeros(2, dtype=torch.float64)]
    found = buckets(tensors)
    assert [[t.numel() for t in b] for b in found] == [[4, 4], [4], [20], [1, 1], [2]]
    assert [id(t) for b in found for t in b] == [id(t) for t in tensors]
