"""How much memory this process has, and how much more it could get."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import torch

_PROC = Path("/proc")
_GROUPS = Path("/sys/fs/cgroup")


def held(device: torch.device) -> int:
    """Bytes that this process holds: all that is resident, or on a GPU what torch has there."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    pages = int((_PROC / "self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def free(device: torch.device) -> int:
    """Bytes that are free on a GPU, or on this machine for each of its processes of a training.

    A container's limit counts as well.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    found = [_available(), *_left_in_groups()]
    return min(found) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _available() -> int:
    """What the system says it could give without swapping."""
    for line in (_PROC / "meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    raise ValueError("train.memory_limit is 'auto': this system doesn't tell what memory is free")


def _left_in_groups() -> list[int]:
    """What is left below the limits of control groups (containers, batch systems), if any."""
    pairs = (
        ("memory.max", "memory.current"),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
        ),
    )
    left: list[int] = []
    for most, used in pairs:
        with suppress(OSError, ValueError):  # no such group, or "max": no limit
            left.append(int((_GROUPS / most).read_text()) - int((_GROUPS / used).read_text()))
    return left
