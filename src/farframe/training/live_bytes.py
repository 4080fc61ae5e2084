"""Counting what a computation holds at its peak, without computing: on torch's meta tensors.

Meta tensors have shapes and no numbers. Whatever runs on them says what it would allocate, with all
the code between, autograd's included, being the one that trains.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

SMALL = 32 * 2**20
"""Below so many bytes glibc takes memory from its heap, which seldom shrinks; larger pieces go back
to the system as soon as they are freed (``M_MMAP_THRESHOLD``)."""


class LiveBytes(TorchDispatchMode):
    """While entered, follows every tensor that is made: ``live`` bytes now, ``peak`` so far.

    ``heap`` is the most that was there in small pieces: what the process keeps afterwards.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = self.heap = self._small = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and see what it has made."""
        out = func(*args, **(kwargs or {}))
        for made in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(made, Tensor):
                self._see(made)
        return out

    def _see(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        self._known.add(storage)
        size = storage.nbytes()
        weakref.finalize(storage, self._count, -size)
        self._count(size)
        self.peak, self.heap = max(self.peak, self.live), max(self.heap, self._small)

    def _count(self, size: int) -> None:
        self.live += size
        self._small += size if abs(size) < SMALL else 0


class MixedPrecision(TorchFunctionMode):
    """Autocast for meta tensors, which torch's own doesn't know: products in half precision."""

    def __init__(self, dtype: torch.dtype, device: str) -> None:
        super().__init__()
        self._dtype, self._wide = dtype, _WIDE if device == "cuda" else frozenset[Any]()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation on what autocast would hand it."""
        kwargs = kwargs or {}
        if func in _NARROW or func in self._wide:
            dtype = self._dtype if func in _NARROW else torch.float32
            args, kwargs = pytree.tree_map(partial(_cast, dtype), (args, kwargs))
        return func(*args, **kwargs)


def _cast(dtype: torch.dtype, x: object) -> object:
    return x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x


_NARROW = frozenset(
    {torch.conv2d, torch.conv_transpose2d, F.linear, torch.baddbmm, torch.addmm}
    | {torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, torch.mm}
)
_WIDE = frozenset({F.group_norm, torch.group_norm})  # on GPUs
