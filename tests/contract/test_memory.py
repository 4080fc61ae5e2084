"""Whichever the mode, a step taken in less memory is the same step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from same_everywhere import exactly, quiet
from tiny_run import tiny
from torch import Tensor, nn

from farframe.models import chunks
from farframe.models.cells import Conv, ConvTranspose
from farframe.modes import MODES
from farframe.run import RunConfig
from farframe.training.accumulation import accumulate
from farframe.training.distributed import World
from farframe.training.state import TrainingState
from farframe.types import Batch

CPU = torch.device("cpu")
CLIPS, FRAMES = 5, 6

modes = pytest.mark.parametrize("tag", MODES)


def clips(count: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(
        frames=torch.rand(count, FRAMES, 3, 32, 32, generator=generator),
        actions=torch.zeros(count, FRAMES, 0),
        poses=torch.randn(count, FRAMES, 12, generator=generator),
        ids=tuple(map(str, range(count))),
    )


def with_train(config: RunConfig, **train: Any) -> RunConfig:
    return replace(config, train=replace(config.train, **train))


Taken = tuple[dict[str, Tensor], list[Tensor], list[Tensor]]


def taken(config: RunConfig, step: int) -> Taken:
    """Losses and gradients of an iteration, and the buffers that it leaves behind."""
    state = TrainingState.create(config, CPU, World())
    state.done = step
    torch.manual_seed(5)
    parts = clips(CLIPS).to(CPU).parts(config.train.micro_batch_size or CLIPS)
    updates, grads = accumulate(parts, state._updates, state.groups)
    losses = {name: loss.detach() for u in updates for name, loss in u.losses.items()}
    found = [grad for some in grads for grad in some if grad is not None]
    return losses, found, [x.double() for x in state.nets.buffers()]


def both_turns(config: RunConfig) -> list[Taken]:
    """What is taken of an iteration, and where updates alternate, of both turns."""
    return [taken(config, step) for step in range(min(2, config.mode.turns))]


def assert_same(config: RunConfig, other: RunConfig, tolerance: float = 1e-11) -> None:
    """The other is that of less memory."""
    assert_equal(both_turns(config), both_turns(other), tolerance)


def assert_equal(one: list[Taken], other: list[Taken], tolerance: float = 1e-11) -> None:
    """Gradients are compared with the largest of all: that of an offset before a norm is zero."""
    for (losses, grads, buffers), (losses2, grads2, buffers2) in zip(one, other, strict=True):
        assert losses.keys() == losses2.keys()
        for name, loss in losses.items():
            assert float((loss - losses2[name]).abs()) < tolerance, name
        scale = max(float(grad.abs().max()) for grad in grads)
        assert scale > 0
        for a, b in [*zip(grads, grads2, strict=True), *zip(buffers, buffers2, strict=True)]:
            assert float((a - b).abs().max()) <= tolerance * max(scale, 1.0)


@modes
def test_activations_computed_again_change_nothing(tag: str) -> None:
    """Dropout, noise, batch norm and its running statistics included; 2 frames of 6 at once."""
    with exactly():
        assert_same(tiny(tag), with_train(tiny(tag), activation_checkpointing=2))


@modes
def test_frames_taken_some_at_a_time_change_nothing(
    tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU, so that no maps are large; 2 frames of each of 5 clips at once."""
    config = tiny(tag)
    seen: list[int] = []

    def counted(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if isinstance(module, Conv | ConvTranspose) and inputs[0].shape[-1] == 32:
            seen.append(len(inputs[0]))

    with exactly(), nn.modules.module.register_module_forward_pre_hook(counted):
        whole = both_turns(config)
        most = max(seen)
        seen.clear()
        frame = 4 * (config.model.width + 4 * config.model.decoder_parts) * 32**2
        monkeypatch.setattr(chunks, "SMALL", 10 * frame + 1)
        assert_equal(whole, both_turns(config))
    assert most >= 4 * CLIPS
    if tag != "predictor_only":  # which needs no gradients of networks over frames
        assert max(seen) <= 2 * CLIPS


@modes
def test_micro_batches_add_up_to_the_batch(tag: str) -> None:
    """Of 5 clips: 2, 1 and 2."""
    with exactly():
        assert_same(quiet(tag, "l2"), with_train(quiet(tag, "l2"), micro_batch_size=2))


def test_both_together_and_other_losses() -> None:
    spare: dict[str, Any] = {"micro_batch_size": 2, "activation_checkpointing": 2}
    config = quiet("epev", "none", {"mask_weight": 0.1, "enc_pred_l1": True})
    cross = quiet("epev_gan", "none", {"use_wgan": False})
    with exactly():
        for each in (config, cross):
            assert_same(each, with_train(each, **spare))


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_mixed_precision_is_that_of_all_at_once(amp: str) -> None:
    config = with_train(tiny("epev"), amp=amp)
    assert_same(config, with_train(config, activation_checkpointing=2), tolerance=0.02)


def test_other_noise_is_drawn_for_each_micro_batch() -> None:
    """Two clips that are the same don't get the same noise because they are in two parts."""
    config = tiny("epev")
    config = replace(config, model=replace(config.model, enc_norm="none", enc_keep_prob=0.5))
    state = TrainingState.create(config, CPU, World())
    batch = clips(1)
    both = replace(batch, ids=("a", "a"), **{
        name: getattr(batch, name).repeat(2, *(1,) * (getattr(batch, name).ndim - 1))
        for name in ("frames", "actions", "poses")
    })  # fmt: skip
    seen = [float(state._updates(part)[0].losses["van_on_enc"].detach()) for part in both.parts(1)]
    assert seen[0] != seen[1]


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (tiny("epev"), "model.enc_norm 'batch'"),
        (quiet("epev", "none", {"enc_pred_relative": True}), "mode.enc_pred_relative"),
    ],
)
def test_what_needs_the_whole_batch_is_refused(config: RunConfig, named: str) -> None:
    with pytest.raises(ValueError, match=r"^train\.micro_batch_size is 2: must be 0 with ") as told:
        with_train(config, micro_batch_size=2)
    assert named in str(told.value)
    assert "--train.activation-checkpointing" in str(told.value)
