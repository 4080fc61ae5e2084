from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from farframe.data.clips import ClipWindows
from farframe.data.loader import Loader
from farframe.data.reader import BAD_IN_A_ROW
from farframe.data.shuffle import shuffled
from farframe.data.source import DataError, Recording
from farframe.data.splits import Segment
from farframe.types import Batch, Clip

sys.path.insert(0, str(Path(__file__).parent))
from memory_source import MemorySource, recordings


def windows(*lengths: int, broken: frozenset[int] = frozenset(), **options: int) -> ClipWindows:
    source = MemorySource(recordings(*lengths), broken=broken, **options)  # pyright: ignore
    return ClipWindows(source, [Segment(i, 0, n) for i, n in enumerate(lengths)], 3)


def read(clips: ClipWindows, count: int, **options: int | bool) -> list[Batch]:
    settings = {"batch_size": 4, "seed": 7} | options
    with Loader(clips, **settings) as loader:  # pyright: ignore
        return list(islice(loader, count))


def ids(batches: list[Batch]) -> list[str]:
    return [i for batch in batches for i in batch.ids]


def same(one: Batch, other: Batch) -> bool:
    tensors = ("frames", "actions", "poses")
    equal = all(torch.equal(getattr(one, name), getattr(other, name)) for name in tensors)
    return equal and one.ids == other.ids


def no_threads_or_processes_left() -> bool:
    names = [thread.name for thread in threading.enumerate()]
    return not multiprocessing.active_children() and not any("farframe" in n for n in names)


# The order


@pytest.mark.parametrize("n", [1, 2, 3, 10, 97, 10_000])
def test_a_shuffled_order_holds_every_number_once(n: int) -> None:
    order = shuffled(np.arange(n), n, seed=0, epoch=0)
    assert sorted(order.tolist()) == list(range(n))
    if n > 9:
        assert order.tolist() != shuffled(np.arange(n), n, seed=0, epoch=1).tolist()
        assert order.tolist() != shuffled(np.arange(n), n, seed=1, epoch=0).tolist()


def test_a_shuffled_order_can_be_asked_for_any_part_of_it() -> None:
    n = 1001
    order = shuffled(np.arange(n), n, seed=3, epoch=5)
    some = np.array([1000, 0, 17, 17])
    assert shuffled(some, n, seed=3, epoch=5).tolist() == order[some].tolist()


def test_orders_look_random() -> None:
    n, epochs = 50, 400
    orders = np.stack([shuffled(np.arange(n), n, seed=1, epoch=e) for e in range(epochs)])
    # Where a window comes up: uniform at every position (chi-square, 49 degrees of freedom).
    counts = np.stack([np.bincount(orders[:, p], minlength=n) for p in range(n)])
    chi2 = ((counts - epochs / n) ** 2).sum(1) / (epochs / n)
    assert abs(chi2.mean() - 49) < 5
    assert chi2.max() < 110
    # What follows what: every step forward or backward equally often, neighbours included.
    steps = np.bincount(((orders[:, 1:] - orders[:, :-1]) % n).ravel(), minlength=n)[1:]
    assert steps.min() > 0.8 * steps.mean()
    assert steps.max() < 1.2 * steps.mean()


def test_orders_of_huge_data_are_made_without_storing_them() -> None:
    n = 10**12
    order = shuffled(np.arange(n - 1000, n), n, seed=0, epoch=0)
    assert len(set(order.tolist())) == 1000
    assert order.min() >= 0
    assert order.max() < n
    assert abs(order.mean() / n - 0.5) < 0.05


def test_the_order_never_changes_with_a_version() -> None:
    assert shuffled(np.arange(8), 100, seed=0, epoch=0).tolist() == [36, 73, 18, 95, 32, 83, 12, 90]


# Batches


def test_batches_hold_what_the_windows_hold() -> None:
    clips = windows(10, 20, frame_size=5)
    (batch,) = read(clips, 1)
    assert batch.frames.dtype == torch.uint8
    assert batch.frames.shape == (4, 3, 3, 5, 5)
    assert batch.actions.dtype == torch.float32
    assert batch.actions.shape == (4, 3, 1)
    assert batch.poses.shape == (4, 3, 0)
    for i, name in enumerate(batch.ids):
        recording, start = name.removeprefix("r").split("@")
        assert batch.frames[i, :, 0, 0, 0].tolist() == [int(recording)] * 3
        assert batch.actions[i, :, 0].tolist() == [int(start), int(start) + 1, int(start) + 2]


@pytest.mark.parametrize("lengths", [(22, 7, 3), (6, 6), (4,), (3,)])
def test_every_epoch_has_every_window_once_across_the_borders_of_batches(
    lengths: tuple[int, ...],
) -> None:
    clips = windows(*lengths)
    n, epochs = len(clips), 5
    stream = ids(read(clips, -(-n * epochs // 4)))
    for epoch in range(epochs):
        assert len(set(stream[epoch * n : (epoch + 1) * n])) == n
    assert set(Counter(stream[: n * epochs]).values()) == {epochs}


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    clips = windows(42)
    stream = ids(read(clips, 20))
    assert stream[:40] != stream[40:]
    assert stream != ids(read(clips, 20, seed=8))


@pytest.mark.parametrize("start", [1, 5, 13, 1000])
@pytest.mark.parametrize("workers", [0, 1])
def test_going_on_from_a_batch_equals_never_having_stopped(start: int, workers: int) -> None:
    clips = windows(22, 7, 3)  # 26 windows: epochs end inside of batches
    if start < 100:
        whole = read(clips, start + 4)[start:]
    else:
        whole = [read(clips, 1, start=start + i)[0] for i in range(4)]
    assert all(map(same, read(clips, 4, start=start, workers=workers), whole))


def test_position_is_where_to_start_again() -> None:
    clips = windows(22)
    with Loader(clips, batch_size=4, seed=7, start=3) as loader:
        assert loader.position == 3
        next(loader)
        next(loader)
        assert loader.position == 5


@pytest.mark.parametrize("world_size", [2, 4, 8])
def test_ranks_see_together_what_one_process_would(world_size: int) -> None:
    clips = windows(22, 7, 3)
    alone = read(clips, 12, batch_size=8)
    ranks = [
        read(clips, 12, batch_size=8, rank=r, world_size=world_size) for r in range(world_size)
    ]
    for whole, *parts in zip(alone, *ranks, strict=True):
        assert ids(parts) == list(whole.ids)
        assert torch.equal(torch.cat([part.frames for part in parts]), whole.frames)


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_gives_the_same_batches(workers: int) -> None:
    clips = windows(22, 7, 3, 30, broken=frozenset({1}))
    assert all(map(same, read(clips, 30), read(clips, 30, workers=workers)))


@pytest.mark.parametrize("workers", [0, 1])
def test_the_global_random_generators_are_left_alone(workers: int) -> None:
    before = torch.get_rng_state(), pickle.dumps(np.random.get_state())
    read(windows(22), 3, workers=workers)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert pickle.dumps(np.random.get_state()) == before[1]


# Ends and errors


@pytest.mark.parametrize("workers", [0, 2])
def test_stopping_early_leaves_no_thread_and_no_process(workers: int) -> None:
    loader = Loader(windows(22), batch_size=4, seed=0, workers=workers)
    next(loader)
    assert not no_threads_or_processes_left()
    loader.close()
    loader.close()
    assert no_threads_or_processes_left()
    with pytest.raises(RuntimeError, match="closed"):
        next(loader)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_exception_in_the_loop_leaves_no_thread_and_no_process(workers: int) -> None:
    def train() -> None:
        with Loader(windows(22), batch_size=4, seed=0, workers=workers) as loader:
            for _ in loader:
                raise KeyError

    with pytest.raises(KeyError):
        train()
    assert no_threads_or_processes_left()


def test_a_loader_that_was_never_read_from_closes() -> None:
    with Loader(windows(22), batch_size=4, seed=0, workers=2):
        pass
    assert no_threads_or_processes_left()


def test_a_killed_worker_is_an_error_and_the_others_end() -> None:
    loader = Loader(windows(2000), batch_size=4, seed=0, workers=2)
    next(loader)
    pid = multiprocessing.active_children()[0].pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="a loader process was killed"):
        list(islice(loader, 100))
    assert no_threads_or_processes_left()


SCRIPT = """
import multiprocessing, sys
from memory_source import MemorySource, recordings
from farframe.data.clips import ClipWindows
from farframe.data.loader import Loader
from farframe.data.splits import Segment

if __name__ == "__main__":
    clips = ClipWindows(MemorySource(recordings(2000)), [Segment(0, 0, 2000)], 3)
    loader = Loader(clips, batch_size=4, seed=0, workers=2)
    for _ in range(2):  # one from each worker: both are up
        next(loader)
    print(*[child.pid for child in multiprocessing.active_children()], flush=True)
    sys.stdin.readline()
    for _ in range(20):
        next(loader)
    print("still reading", flush=True)
    sys.stdin.readline()
"""


def test_workers_outlive_ctrl_c_and_not_their_parent(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    with process:
        for pid in process.stdout.readline().split():
            os.kill(int(pid), signal.SIGINT)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "still reading\n"
        process.kill()
        # Workers and fork server hold the other end of this pipe: it ends when all are gone.
        process.communicate(timeout=60)


def test_a_clip_is_read_while_the_one_before_is_used() -> None:
    source = SlowSource(recordings(22))
    clips = ClipWindows(source, [Segment(0, 0, 22)], 3)
    SlowSource.reads = 0
    with Loader(clips, batch_size=4, seed=0) as loader:
        next(loader)
        SlowSource.enough.acquire(timeout=60)
        assert SlowSource.reads == 8


class SlowSource(MemorySource):
    reads = 0
    enough = threading.Semaphore(0)

    def read(self, index: int, frames: range) -> Clip:
        type(self).reads += 1
        if self.reads == 8:
            self.enough.release()
        return super().read(index, frames)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_file_is_replaced_with_one_warning(
    workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    clips = windows(*[12] * 20, broken=frozenset({3}))
    good = {f"r{r}@{s}" for r in range(20) for s in range(10) if r != 3}
    with caplog.at_level(logging.WARNING):
        stream = ids(read(clips, 50, workers=workers))
    assert len(stream) == 200
    assert set(stream) == good
    (record,) = caplog.records
    assert "3.mp4 is broken" in record.getMessage()
    # All other samples stay where they are.
    intact = ids(read(windows(*[12] * 20), 50))
    assert all(a == b for a, b in zip(stream, intact, strict=True) if not b.startswith("r3@"))
    # Its ten clips are not replaced by ten others of one recording.
    standing_in = {a.split("@")[0] for a, b in zip(stream, intact, strict=True) if a != b}
    assert len(standing_in) > 5


@pytest.mark.parametrize("workers", [0, 2])
def test_strict_raises_in_order(workers: int) -> None:
    clips = windows(*[12] * 20, broken=frozenset({3}))
    intact = ids(read(windows(*[12] * 20), 50))
    first_bad = next(i for i, name in enumerate(intact) if name.startswith("r3@")) // 4
    assert first_bad > 0
    loader = Loader(clips, batch_size=4, seed=7, strict=True, workers=workers)
    assert ids(list(islice(loader, first_bad))) == intact[: 4 * first_bad]
    with pytest.raises(DataError, match=r"^3\.mp4 is broken$"):
        next(loader)
    assert no_threads_or_processes_left()


@pytest.mark.parametrize("workers", [0, 1])
def test_nothing_readable_is_one_clear_error(workers: int) -> None:
    clips = windows(300, broken=frozenset({0}))
    with pytest.raises(DataError, match=rf"^0\.mp4 is broken.*{BAD_IN_A_ROW} clips in a row"):
        read(clips, 1, workers=workers)


def test_more_than_a_tenth_unreadable_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farframe.data.loader.BAD_BLOCK", 100)
    clips = windows(*[12] * 20, broken=frozenset({3, 4, 5}))
    with pytest.raises(DataError, match=r"1\d of \d+ clips can't be read.*\d\.mp4 is broken"):
        read(clips, 50)
    tolerable = windows(*[12] * 20, broken=frozenset({3}))
    assert len(read(tolerable, 100)) == 100


def test_other_errors_of_a_source_arrive_too() -> None:
    clips = windows(12)
    broken = MemorySource([Recording(id="r0", file="0.mp4", length=5, fps=1.0)])
    clips.source = broken  # windows beyond its end: a programming error
    for workers in (0, 1):
        with pytest.raises(IndexError, match="of recording 0"):
            read(clips, 20, workers=workers)
        assert no_threads_or_processes_left()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 5, "world_size": 2}, r"data\.batch_size is 5: .* multiple of the 2"),
        ({"batch_size": 0}, r"data\.batch_size is 0"),
        ({"rank": 2, "world_size": 2}, "rank is 2: must be from 0 to 1"),
        ({"workers": -1}, r"data\.workers is -1"),
        ({"start": -1}, "start is -1"),
    ],
)
def test_numbers_that_do_not_fit(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(windows(22), 1, **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to pin memory for")
def test_pinning_without_a_gpu_is_an_error() -> None:
    with pytest.raises(ValueError, match="pin_memory is True: needs a CUDA GPU"):
        read(windows(22), 1, pin_memory=True)
