"""How processes find each other: keys of an attempt that died lead nobody astray."""

from __future__ import annotations

import threading

import pytest
import torch.distributed as dist

from farframe.training import gathering
from farframe.training.gathering import _name
from farframe.training.stopping import TrainingError


def names(store: dist.Store, size: int) -> list[str]:
    found = [""] * size

    def join(rank: int) -> None:
        found[rank] = _name(store, rank, size)

    threads = [threading.Thread(target=join, args=(rank,)) for rank in range(size)]
    for thread in reversed(threads):
        thread.start()
    for thread in threads:
        thread.join(30)
    return found


def test_each_attempt_has_a_name_that_all_know() -> None:
    """Also where the store still holds what dead processes said."""
    store = dist.HashStore()
    store.set("hello/2", "from the dead")
    attempts = [names(store, size) for size in (3, 3, 2, 4, 1)]
    assert all(len(set(found)) == 1 and found[0] for found in attempts)
    assert len({found[0] for found in attempts}) == len(attempts)


def test_who_does_not_come_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "_PATIENCE", 0.1)
    store = dist.HashStore()
    store.set("hello/1", "from the dead")
    with pytest.raises(TrainingError, match=r"^1 of 3 processes have come .*missing is rank 1$"):
        _name(store, 0, 3)
