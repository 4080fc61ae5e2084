"""One training on many processes: started by torchrun, gradients averaged explicitly.

There is no DDP wrapper: alternating optimizers and partial graphs are its known trap. Every process
computes the gradients of its share of the batch; ``World.average`` makes them those of the whole.
With one process all of this does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from farframe.training.gathering import gather
from farframe.training.stopping import TrainingError

BUCKET_BYTES = 25 * 2**20  # large enough to use the wire well, small enough to overlap with copying

PATIENCE = 24 * 3600
"""Seconds that processes wait for what only the first one does: decoding, evaluating, saving."""

_LOST = ("connection closed", "connection reset", "broken pipe", "remote process exited")

T = TypeVar("T")


class LostProcessError(TrainingError):
    """Another process of the training ended or can't be reached any more."""


@dataclass(frozen=True)
class World:
    """The processes of this training and which of them this is."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    control: dist.ProcessGroup | None = None
    """Group over the CPU for flags and objects, which must never wait for a GPU."""

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def average(self, tensors: Iterable[Tensor | None]) -> None:
        """Replace tensors by their means over all processes, in place.

        Every process must pass tensors of the same shapes in the same order.
        """
        present = [t for t in tensors if t is not None]
        if self.size == 1 or not present:
            return
        flats = [torch.cat([t.reshape(-1) for t in bucket]) for bucket in buckets(present)]
        works = [dist.all_reduce(flat, async_op=True) for flat in flats]
        for bucket, flat, work in zip(buckets(present), flats, works, strict=True):
            cast(dist.Work, work).wait()
            parts = (flat / self.size).split([t.numel() for t in bucket])
            for tensor, part in zip(bucket, parts, strict=True):
                tensor.copy_(part.view(tensor.shape))

    def mean(self, x: Tensor) -> Tensor:
        """Mean of ``x`` over all processes, through which gradients flow back to all of them."""
        return x if self.size == 1 else _Sum.apply(x) / self.size

    def copy_from_first(self, module: nn.Module) -> None:
        """Give all processes the first one's parameters and buffers."""
        if self.size > 1:
            for tensor in module.state_dict().values():
                dist.broadcast(cast(Tensor, tensor), 0)

    def share(self, value: T) -> T:
        """The first process's ``value``, whatever the others pass (anything picklable)."""
        if self.size == 1:
            return value
        box: list[Any] = [value]
        dist.broadcast_object_list(box, 0, group=self.control)
        return box[0]

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Which flags are set on at least one process."""
        if self.size == 1:
            return flags
        seen = torch.tensor(flags, dtype=torch.int32)
        dist.all_reduce(seen, op=dist.ReduceOp.MAX, group=self.control)
        return tuple(bool(x) for x in seen.tolist())

    def meet(self) -> None:
        """Wait until all processes are here, for as long as it takes."""
        self.share(None)

    @contextmanager
    def first_goes_first(self) -> Generator[None, None, None]:
        """Run the body on the first process, then on the others: what one caches, all find."""
        if not self.first:
            self.meet()
        yield
        if self.first:
            self.meet()


def buckets(tensors: list[Tensor]) -> list[list[Tensor]]:
    """Tensors in runs of one type and at most ``BUCKET_BYTES`` (or one tensor)."""
    groups: list[list[Tensor]] = []
    size = 0
    for tensor in tensors:
        size += tensor.nbytes
        if not groups or groups[-1][0].dtype != tensor.dtype or size > BUCKET_BYTES:
            groups.append([])
            size = tensor.nbytes
        groups[-1].append(tensor)
    return groups


@contextmanager
def join() -> Generator[World, None, None]:
    """Join the processes that torchrun started; alone, if it started none.

    Uses NCCL between GPUs and gloo otherwise. A process group that exists already is used as it is.

    Raises:
        LostProcessError: when another process ends before the body does.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 and not dist.is_initialized():
        yield World()
        return
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    started = not dist.is_initialized()
    if started:
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        size = gather(backend)
    try:
        control = dist.new_group(backend="gloo", timeout=timedelta(seconds=PATIENCE))
        yield World(
            rank=dist.get_rank(),
            size=dist.get_world_size(),
            local_rank=local_rank,
            control=cast(dist.ProcessGroup, control),
        )
    except RuntimeError as error:
        if not isinstance(error, dist.DistBackendError) and not any(
            sign in str(error).lower() for sign in _LOST
        ):
            raise
        raise LostProcessError(
            f"process {os.environ.get('RANK', '0')} of {size} lost another one, whose own message "
            "tells why; checkpoints saved before are intact: torchrun --max-restarts goes on by "
            "itself, else start again with --resume"
        ) from error
    finally:
        if started:
            dist.destroy_process_group()


def restarted() -> bool:
    """Whether torchrun started these processes anew because one had failed."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def pick_device(name: str, local_rank: int = 0) -> torch.device:
    """The device that ``train.device`` or ``--device`` names; auto takes a GPU if there is one.

    Plain ``cuda`` and auto mean the GPU of this process's ``local_rank``.

    Raises:
        ValueError: if there is no such device here.
    """
    gpus = torch.cuda.device_count()
    way_out = "take cpu, auto" + "".join(f", cuda:{n}" for n in range(gpus))
    try:
        device = torch.device(("cuda" if gpus else "cpu") if name == "auto" else name)
    except RuntimeError:
        raise ValueError(f"device is {name!r}: there is none of that name; {way_out}") from None
    if device.type == "cuda":
        named = cast("int | None", device.index)  # torch's stubs forget that it may be None
        index = local_rank if named is None else named
        if index >= gpus:
            raise ValueError(
                f"device is {name!r} (GPU {index}), but torch {torch.__version__} sees {gpus} "
                f"GPU(s) here; {way_out}"
            )
        device = torch.device("cuda", index)
        torch.cuda.set_device(device)  # NCCL's object collectives go to the current one
        return device
    if device.type != "cpu":
        raise ValueError(f"device is {name!r}: farframe computes on cpu or cuda; {way_out}")
    return device


def synchronise_batch_norm(networks: nn.Module, world: World) -> None:
    """Make batch norms use the statistics of all processes' shares, as one process would.

    Raises:
        ValueError: for a kind of batch norm that can't be.
    """
    if world.size == 1:
        return
    for module in list(networks.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm1d):
                synced = SyncedBatchNorm(
                    child.num_features, child.eps, child.momentum, child.affine
                )
                synced.load_state_dict(child.state_dict())
                setattr(module, name, synced.to(cast(Tensor, child.running_mean).device))
            elif isinstance(child, _BatchNorm):
                raise ValueError(
                    f"{type(child).__name__} can't be trained on {world.size} processes: its "
                    "statistics would be those of a share of the batch; train on one process"
                )


class SyncedBatchNorm(nn.BatchNorm1d):
    """Batch norm over the shares of all processes (torch's own runs on GPUs only)."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise "n e" by mean and variance over the ``n`` of every process."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        count = _summed(x.new_tensor([float(len(x))]))
        mean = _Sum.apply(x.sum(0)) / count
        centred = x - mean
        variance = _Sum.apply(centred.square().sum(0)) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        out = centred * torch.rsqrt(variance + self.eps)
        if self.affine:
            out = out * self.weight + self.bias
        return out.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def _summed(x: Tensor) -> Tensor:
    total = x.clone()
    dist.all_reduce(total)
    return total


class _Sum(torch.autograd.Function):
    """Sum over processes; so is its gradient, as every process's loss depends on the sum."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _summed(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return _summed(grads[0].contiguous())
