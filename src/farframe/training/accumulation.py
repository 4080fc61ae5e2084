"""Gradient accumulation: a batch taken in micro-batches, for one step of the optimizers.

Losses are means over clips, and so the gradient over a batch is the mean of those over its parts,
weighted by their clips. Where a loss isn't (``TrainingMode.whole_batch``, batch-normalised
encodings), runs refuse micro-batches (``run.RunConfig``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from farframe.modes import Group, Update
from farframe.training.updates import gradients
from farframe.types import Batch

Gradients = list[list[Tensor | None]]


def accumulate(
    parts: Sequence[Batch],
    compute: Callable[[Batch], list[Update]],
    groups: dict[str, Group],
    scaler: GradScaler | None = None,
) -> tuple[list[Update], Gradients]:
    """The updates of a whole batch and their gradients, computed part after part.

    With several parts the updates' losses are values to be shown: nothing is left to differentiate.
    Noise is drawn part by part, and so is other noise of the same kind than the whole would draw.
    """
    if len(parts) == 1:
        updates = compute(parts[0])
        return updates, gradients(updates, groups, scaler)
    clips = sum(len(part.ids) for part in parts)
    updates, sums = list[Update](), Gradients()
    for part in parts:
        share = len(part.ids) / clips
        found = compute(part)
        grads = gradients(found, groups, scaler)
        found = [_valued(update, share) for update in found]  # lets go of what gradients needed
        sums = sums or [[None] * len(some) for some in grads]
        sums = [_added(a, b, share) for a, b in zip(sums, grads, strict=True)]
        updates = [_joined(a, b) for a, b in zip(updates, found, strict=True)] if updates else found
    return updates, sums


def _valued(update: Update, share: float) -> Update:
    """The update with its losses' values alone, as shares of the whole."""
    return replace(update, losses={n: loss.detach() * share for n, loss in update.losses.items()})


def _joined(update: Update, other: Update) -> Update:
    assert update.group == other.group
    losses = {name: loss + other.losses[name] for name, loss in update.losses.items()}
    return replace(update, losses=losses)


def _added(
    sums: list[Tensor | None], grads: list[Tensor | None], share: float
) -> list[Tensor | None]:
    """``sums`` with a share of ``grads`` added; a part may leave out what another reaches."""

    def plus(total: Tensor | None, grad: Tensor | None) -> Tensor | None:
        if grad is None:
            return total
        return grad * share if total is None else total.add_(grad, alpha=share)

    return [plus(total, grad) for total, grad in zip(sums, grads, strict=True)]
