"""What a machine can do at most, and what share of it the networks get (``farframe bench``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from farframe.bench_training import Setting, training_step
from farframe.bench_ways import random_model

_PEAK_TURNS = 5
_SIDE = 1024  # of the matrices
_CLIPS, _CHANNELS, _MAP = 32, 128, 32  # of the convolution: VGG-16's third block at 64 pixels


@dataclass(frozen=True)
class Peak:
    """Floating-point operations a second (10^9), the most that was seen of each kind."""

    matmul: float
    convolution: float
    convolution_training: float


@dataclass(frozen=True)
class Share:
    """What a part of the work takes, and its share of the peak of convolutions."""

    part: str
    gigaflops: float
    """Operations that it takes (10^9), counted by torch."""
    seconds: float
    share: float


def measure_peak(device: torch.device, finish: Callable[[], None]) -> Peak:
    """Best of several turns of a large product and of a 3x3 convolution, channels last."""
    a, b = (torch.randn(_SIDE, _SIDE, device=device) for _ in range(2))
    conv = nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1).to(device)
    conv.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    x = torch.randn(_CLIPS, _CHANNELS, _MAP, _MAP, device=device)
    x = x.contiguous(memory_format=torch.channels_last)
    ones = torch.ones_like(x)

    def train() -> None:
        y = conv(x.requires_grad_())
        torch.autograd.grad(y, (x, conv.weight), ones)

    with torch.no_grad():
        product = _rate(lambda: a @ b, finish)
        forward = _rate(lambda: conv(x), finish)
    return Peak(product, forward, _rate(train, finish))


def _rate(work: Callable[[], object], finish: Callable[[], None]) -> float:
    return max(_count(work) / _seconds(work, finish) for _ in range(_PEAK_TURNS))


def _seconds(work: Callable[[], object], finish: Callable[[], None]) -> float:
    finish()
    start = perf_counter()
    work()
    finish()
    return perf_counter() - start


def _count(work: Callable[[], object]) -> float:
    """Operations in 10^9."""
    with _Counter() as counter:
        work()
    return counter.total / 1e9


class _Counter(TorchDispatchMode):
    """Counts with torch's own formulas; its FlopCounterMode can't count in ``autograd.grad``."""

    total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out


def shares(
    setting: Setting, device: torch.device, peak: Peak, finish: Callable[[], None]
) -> tuple[Share, ...]:
    """Of encoder, decoder and whole training step of a setting."""
    model = random_model(setting.model).to(device)
    batch = setting.batch().to(device)
    frames = batch.images()
    with torch.no_grad():
        enc = model.encode(frames)
        anchor = model.anchor(frames[:, 0], enc[:, 0])

    @torch.no_grad()
    def encode() -> Tensor:
        return model.encode(frames)

    @torch.no_grad()
    def draw() -> Tensor:
        return model.decode(anchor, enc[:, 1:]).frames

    step = training_step(setting.mode, model.train(), batch)
    work = {"encoder": encode, "decoder": draw, "training step": step}
    found: list[Share] = []
    for name, part in work.items():
        operations = _count(part)
        seconds = min(_seconds(part, finish) for _ in range(2))
        most = peak.convolution_training if part is step else peak.convolution
        found.append(Share(name, operations, seconds, operations / seconds / most))
    return tuple(found)
