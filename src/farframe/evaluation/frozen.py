"""Running networks that measure: float32 whatever surrounds them, and the same twice."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


@contextmanager
def exact(device: torch.device) -> Generator[None, None, None]:
    """Without gradients, autocast, TF32 or kernels that add in another order each time."""
    cudnn: Any = torch.backends.cudnn
    cuda = torch.backends.cuda
    before = cudnn.allow_tf32, cuda.matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark
    cudnn.allow_tf32 = cuda.matmul.allow_tf32 = cudnn.benchmark = False
    cudnn.deterministic = True
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        cudnn.allow_tf32, cuda.matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark = before


def padded_same(
    x: Float[Tensor, "b c *size"], kernel: Sequence[int], stride: Sequence[int], value: float = 0.0
) -> Float[Tensor, "b c *larger"]:
    """Pad as TensorFlow's SAME does: what is odd goes behind."""
    pads: list[int] = []
    for n, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        pads = [total // 2, total - total // 2, *pads]  # F.pad counts axes from the last
    return F.pad(x, pads, value=value)
