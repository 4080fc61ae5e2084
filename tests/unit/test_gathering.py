"""How processes find each other: keys of an attempt that died lead nobody astray."""

from __future__ import annotations

import socket
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
    with pytest.raises(TrainingError, match=r"^1 of 3 processes have come .*missing: rank 1, 2$"):
        _name(store, 0, 3)


def test_who_finds_no_others_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first process that isn't there, or that never answers."""
    monkeypatch.setattr(gathering, "_PATIENCE", 0.2)
    silent = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ports = {"silent": silent.port, "closed": closed.getsockname()[1]}
        for port in map(str, ports.values()):
            place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            for name, value in (place | {"RANK": "1", "WORLD_SIZE": "2"}).items():
                monkeypatch.setenv(name, value)
            said = rf"^process 1 found no others at 127\.0\.0\.1:{port} \(.*time.*\): "
            with pytest.raises(TrainingError, match=said) as error:
                gathering.gather("gloo")
            assert "\n" not in str(error.value)
