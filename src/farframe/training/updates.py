"""Optimizers of a mode's groups, and how a list of updates becomes steps of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from farframe.config import TrainConfig
from farframe.modes.base import Group, Update
from farframe.training.distributed import World

Clip = Literal["tensor", "global"]


class TFAdam(torch.optim.Adam):
    """Adam with TensorFlow's epsilon, which is added to the uncorrected second moment.

    torch adds it after the bias correction. Early in training, where gradients have been clipped
    to be tiny, the two differ by a third (the original: Adam, epsilon 1e-8).
    """

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, betas: tuple[float, float], eps: float
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, foreach=True)
        for group in self.param_groups:
            group["tf_eps"], group["updates"] = eps, 0

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            group["updates"] += 1
            group["eps"] = group["tf_eps"] / math.sqrt(1 - group["betas"][1] ** group["updates"])
        return super().step(closure)


def make_optimizers(
    groups: dict[str, Group], betas: tuple[float, float], eps: float
) -> dict[str, TFAdam]:
    """One optimizer a group, with state of its own even where groups overlap."""
    return {
        name: TFAdam(list(group.parameters()), group.lr, betas, eps)
        for name, group in groups.items()
    }


def learning_rate(base: float, step: int, train: TrainConfig) -> float:
    """Learning rate of iteration ``step`` (from 0): a function of these arguments alone.

    It rises linearly over ``warmup_steps`` (the first iteration already moves), then stays, or
    falls along half a cosine to zero where the run ends.
    """
    if step < train.warmup_steps:
        return base * (step + 1) / train.warmup_steps
    if train.schedule == "constant":
        return base
    done = (step - train.warmup_steps) / max(train.steps - train.warmup_steps, 1)
    return base * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def apply_updates(
    updates: list[Update],
    groups: dict[str, Group],
    optimizers: dict[str, TFAdam],
    *,
    train: TrainConfig,
    step: int,
    scaler: GradScaler | None = None,
    world: World | None = None,
) -> None:
    """Take every update of iteration ``step``: gradients, then ``take_steps``.

    With an enabled ``scaler`` (fp16) losses are scaled up before differentiating.
    """
    grads = gradients(updates, groups, scaler)
    take_steps(
        updates, grads, groups, optimizers, train=train, step=step, scaler=scaler, world=world
    )


def take_steps(
    updates: list[Update],
    grads: list[list[Tensor | None]],
    groups: dict[str, Group],
    optimizers: dict[str, TFAdam],
    *,
    train: TrainConfig,
    step: int,
    scaler: GradScaler | None = None,
    world: World | None = None,
) -> None:
    """Take the steps of iteration ``step`` along ``grads``, those of each update.

    First their mean over processes, then clipping, then the optimizers' steps. An enabled
    ``scaler`` scales gradients down again before clipping; an update with a gradient that is not
    finite is skipped, on all processes alike as they share the mean, and the scale is lowered for
    the next iteration.
    """
    scaler = scaler or GradScaler(enabled=False)
    assert len({update.group for update in updates}) == len(updates), "one update a group"
    if world is not None:
        for some in grads:
            world.average(some)
    for update, some in zip(updates, grads, strict=True):
        group, optimizer = groups[update.group], optimizers[update.group]
        for parameter, grad in zip(group.parameters(), some, strict=True):
            parameter.grad = grad
        scaler.unscale_(optimizer)
        if group.clip:
            clip_gradients(some, train.clip_gradient_norm, train.clip_kind)
        for part in optimizer.param_groups:
            part["lr"] = learning_rate(group.lr, step, train)
        scaler.step(optimizer)
        optimizer.zero_grad()
    scaler.update()


def gradients(
    updates: list[Update], groups: dict[str, Group], scaler: GradScaler | None = None
) -> list[list[Tensor | None]]:
    """Every update's gradient, all taken before any optimizer steps.

    Stepping in between would change weights in place that a later backward pass still needs.
    Gradients are those of the scaled losses where a ``scaler`` is given.
    """
    result: list[list[Tensor | None]] = []
    for n, update in enumerate(updates):
        parameters = list(groups[update.group].parameters())
        keep = n + 1 < len(updates)
        total = update.total() if scaler is None else scaler.scale(update.total())
        grads = torch.autograd.grad(total, parameters, retain_graph=keep, allow_unused=True)
        result.append(list(grads))
    return result


def clip_gradients(grads: Iterable[Tensor | None], limit: float, kind: Clip) -> None:
    """Scale gradients in place to a norm of at most ``limit`` (0: leave them).

    "tensor" clips every tensor by itself, as the original does; "global" all of them together.
    """
    present = [g for g in grads if g is not None]
    if limit <= 0 or not present:
        return
    norms = torch.stack(torch._foreach_norm(present))  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
    if kind == "global":
        norms = norms.norm().expand_as(norms)
    scales = (limit / norms.clamp(min=1e-30)).clamp(max=1.0)
    torch._foreach_mul_(present, list(scales.unbind()))  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
