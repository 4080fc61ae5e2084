"""How the processes of a training find each other, also after torchrun has started them anew.

torchrun's agent keeps one key-value store for all of its attempts, and in recent versions of torch
the keys of one attempt are still there in the next: a process that comes first would connect to the
addresses of processes that are dead. So every attempt gets a name of its own that keys start with.
"""

from __future__ import annotations

import os
import secrets
import time
from datetime import timedelta

import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from farframe.training.stopping import TrainingError

_PATIENCE = 600.0  # seconds until all have come: torch's own is 30, and importing is slow


def gather(backend: str) -> int:
    """Make the process group of all processes of this attempt; returns how many they are.

    Raises:
        TrainingError: if the others don't come, or go again.
    """
    try:
        store, rank, size = next(rendezvous("env://", timeout=timedelta(seconds=_PATIENCE)))
        attempt = _name(PrefixStore("farframe", store), rank, size)
        fresh = PrefixStore(attempt, store)
        dist.init_process_group(backend, store=fresh, rank=rank, world_size=size)
    except dist.DistError as error:
        place = ":".join(os.environ.get(name, "?") for name in ("MASTER_ADDR", "MASTER_PORT"))
        reason = str(error).partition("\n")[0]
        raise TrainingError(
            f"process {os.environ['RANK']} found no others at {place} ({reason}): start all of a "
            "training with one MASTER_ADDR and MASTER_PORT, at which the first can be reached"
        ) from error
    return size


def _name(store: Store, rank: int, size: int) -> str:
    """A name that the first process gives this attempt and that all know.

    The others say hello with a word that is new each time. The first answers every word that it
    finds, old ones too, until each of the others has thanked for this attempt's name.
    """
    if rank:
        hello = secrets.token_hex(8)
        store.set(f"hello/{rank}", hello)
        store.wait([f"answer/{hello}"], timedelta(seconds=_PATIENCE))
        name = store.get(f"answer/{hello}").decode()
        store.set(f"thanks/{name}/{rank}", "")
        return name
    name, end = secrets.token_hex(8), time.monotonic() + _PATIENCE
    missing = set(range(1, size))
    while missing:
        for other in sorted(missing):
            if store.check([f"hello/{other}"]):
                store.set(f"answer/{store.get(f'hello/{other}').decode()}", name)
            if store.check([f"thanks/{name}/{other}"]):
                missing.remove(other)
        if time.monotonic() > end:
            came = f"{size - len(missing)} of {size} processes have come within {_PATIENCE:g} s"
            raise TrainingError(f"{came}; missing: rank {_few(sorted(missing))}")
        time.sleep(0.01)
    return name


def _few(ranks: list[int]) -> str:
    more = f" and {len(ranks) - 8} more" if len(ranks) > 8 else ""
    return ", ".join(map(str, ranks[:8])) + more
