"""What every training mode promises, whichever it is: nothing here names one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_run import Heard, contents, differing, tiny, with_rate
from torch import Tensor

from farframe.data.reader import collate
from farframe.families import ALL_MODES
from farframe.run import RunConfig, load_any
from farframe.training.distributed import World
from farframe.training.logging import blown_up
from farframe.training.loop import train
from farframe.training.state import TrainingState
from farframe.types import Batch
from farframe.worlds.shapes import ShapesSource

modes = pytest.mark.parametrize("tag", ALL_MODES)
CPU = torch.device("cpu")


def clips(count: int, length: int = 4) -> Batch:
    source = ShapesSource(clips=count, length=length, frame_size=32, seed=1)
    batch = collate([source.read(i, range(length)) for i in range(count)])
    poses = torch.randn(count, length, 12, generator=torch.Generator().manual_seed(0))
    return replace(batch, poses=poses)


def quiet(config: RunConfig) -> RunConfig:
    """The same run without dropout and noise."""
    still = {"enc_keep_prob": 1.0, "van_keep_prob": 1.0, "pred_noise_std": 0.0, "noise_size": 0}
    known = {f.name for f in fields(config.model)}
    return replace(
        config, model=replace(config.model, **{k: v for k, v in still.items() if k in known})
    )


def trains(tag: str, name: str) -> bool:
    """Whether the mode trains a parameter of this name."""
    return not name.startswith(tuple(f"model.{part}." for part in ALL_MODES[tag].leaves))


def tensors(batch: Batch) -> Iterator[tuple[str, Tensor]]:
    for field in fields(batch):
        if field.name != "ids":
            yield field.name, getattr(batch, field.name)


@modes
def test_tags_are_the_registrys_names(tag: str) -> None:
    assert ALL_MODES[tag].tag == tag
    assert tiny(tag).mode.tag == tag


@modes
def test_losses_are_finite_and_every_group_is_known(tag: str) -> None:
    state = TrainingState.create(tiny(tag), CPU, World())
    for step in range(8):
        state.done = step
        updates = state.config.mode.updates(state.nets, clips(2), step)
        assert updates
        for update in updates:
            assert update.group in state.groups
            assert update.losses
            assert update.losses.keys() == update.weights.keys()
            for loss in (*update.losses.values(), update.total()):
                assert loss.shape == ()
                assert bool(loss.isfinite())


@modes
def test_every_group_has_one_turn_or_more(tag: str) -> None:
    """In any ``turns`` iterations on end, but not in any fewer."""
    state = TrainingState.create(tiny(tag), CPU, World())
    mode = state.config.mode
    for first in (0, 5, 1):
        steps = range(first, first + mode.turns)
        seen = [{u.group for u in mode.updates(state.nets, clips(2), step)} for step in steps]
        assert set().union(*seen) == set(state.groups)
    assert set().union(*seen[:-1]) != set(state.groups)


@modes
@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_losses_have_32_bits_under_autocast(tag: str, amp: str) -> None:
    """Under autocast too: sums in half precision would lose or overflow."""
    state = TrainingState.create(tiny(tag, amp=amp), CPU, World())
    for update in state.step(clips(2)):
        assert {loss.dtype for loss in update.losses.values()} == {torch.float32}


@modes
def test_updates_are_a_function_of_weights_batch_step_and_random_state(tag: str) -> None:
    state = TrainingState.create(tiny(tag), CPU, World())
    state.nets.eval()  # batch norm's running statistics are the one thing an update may change
    seen: list[list[float]] = []
    for _ in range(2):
        torch.manual_seed(3)
        updates = state.config.mode.updates(state.nets, clips(2), 5)
        seen.append([float(loss.detach()) for update in updates for loss in update.losses.values()])
    assert seen[0] == seen[1]


@modes
def test_only_the_named_modules_change(tag: str) -> None:
    """Over several iterations, each group's step moves its parameters and no others."""
    state = TrainingState.create(tiny(tag), CPU, World())
    grouped: set[str] = set()
    for _ in range(6):
        before = {k: v.detach().clone() for k, v in state.nets.named_parameters()}
        updates = state.step(clips(2))
        mine = {id(p) for u in updates for p in state.groups[u.group].parameters()}
        named = {k for k, v in state.nets.named_parameters() if id(v) in mine}
        changed = {k for k, v in state.nets.named_parameters() if not torch.equal(v, before[k])}
        assert changed <= named
        assert len(changed) > 0.5 * len(named)
        grouped |= named
    all_ = {k for k, _ in state.nets.named_parameters() if trains(tag, k)}
    assert grouped == all_, "some network is not trained"


@modes
def test_the_batch_is_not_mutated(tag: str) -> None:
    state = TrainingState.create(tiny(tag), CPU, World())
    for batch in (clips(2), replace(clips(2), frames=clips(2).images())):
        before = {name: value.clone() for name, value in tensors(batch)}
        state.step(batch)
        assert all(torch.equal(value, before[name]) for name, value in tensors(batch))


@modes
def test_saved_and_loaded_is_equal(tag: str, tmp_path: Path) -> None:
    config = tiny(tag)
    last = train(config, tmp_path)
    state = TrainingState.create(config, CPU, World())
    fresh = {k: v.clone() for k, v in state.nets.state_dict().items()}
    state.restore(last)
    restored = state.nets.state_dict()
    assert state.done == 4
    assert len(differing(fresh, restored)) > 0.5 * sum(trains(tag, name) for name in fresh)
    saved = contents(tmp_path)
    for name, value in state.model.state_dict().items():
        assert torch.equal(value, saved[f"weights.safetensors/{name}"])
    for name, value in state.nets.extra.state_dict().items():
        assert torch.equal(value, saved[f"extra.safetensors/{name}"])
    model, frames = load_any(tmp_path), clips(1).frames[0, :2]
    torch.manual_seed(0)
    first = model.predict(frames, horizon=2).frames
    torch.manual_seed(0)
    again = state.model.predict(frames, horizon=2).frames
    np.testing.assert_allclose(first, again, rtol=0, atol=1e-5)  # one is channels_last


@modes
def test_resumed_is_equal(tag: str, tmp_path: Path) -> None:
    """4 steps = 2, another process's random state, and 2 more, in the middle of an epoch."""
    train(tiny(tag), tmp_path / "whole")
    train(tiny(tag, steps=2), tmp_path / "parts")
    torch.manual_seed(123)
    train(tiny(tag), tmp_path / "parts", resume=True)
    assert differing(contents(tmp_path / "whole"), contents(tmp_path / "parts")) == []


@modes
def test_one_clip_is_learned(tag: str) -> None:
    """The first loss falls to a seventh: well below a fifth, what an empty picture costs."""
    config = quiet(tiny(tag, beta2=0.99))
    config = replace(config, mode=with_rate(config.mode, 1e-2))
    state, batch = TrainingState.create(config, CPU, World()), clips(1)
    name = next(iter(config.mode.updates(state.nets, batch, 0)[0].losses))
    losses: list[float] = []
    while len(losses) < 10 or max(losses[-10:]) > 0.14 * losses[0]:
        seen = {k: v for update in state.step(batch) for k, v in update.losses.items()}
        # Alternating modes show it only now and then.
        losses += [float(seen[name].detach())] if name in seen else []
        assert len(losses) < 100, f"{losses[0]} -> {losses[-10:]}"
        assert state.done < 1000
    assert all(map(math.isfinite, losses))


@modes
def test_advice_names_the_modes_own_rates(tag: str) -> None:
    (said,) = re.findall(r"lower learning rate \((.*?)\)", str(blown_up("x", 1, tag, None)))
    names = [name.removeprefix("--mode.").replace("-", "_") for name in said.split(", ")]
    assert names
    assert set(names) <= {field.name for field in fields(ALL_MODES[tag])}


@modes
def test_every_loss_is_logged(tag: str, tmp_path: Path) -> None:
    heard = Heard()
    train(tiny(tag, log_every=4), tmp_path, reporter=heard)
    names = heard.values[4].keys()
    losses = {n.removeprefix("loss/") for n in names if n.startswith("loss/")}
    weights = {n.removeprefix("weight/") for n in names if n.startswith("weight/")}
    assert losses == weights
    assert losses
    assert any(name.startswith("lr/") for name in names)
