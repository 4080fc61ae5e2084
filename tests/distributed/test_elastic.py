"""torchrun: a killed process, a stop from outside, another number of processes, no sample lost."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from same_everywhere import exactly, quiet
from tiny_run import Heard, contents

from farframe.data.clips import ClipWindows
from farframe.data.loader import Loader
from farframe.data.source import open_source
from farframe.run import RunConfig
from farframe.training import checkpoint
from farframe.training.loop import train
from farframe.training.session import _training_windows
from farframe.types import Batch

KILLED, STOPPED, STEPS = 7, 12, 26  # batches in which what happens, and how many there are

# In the first attempt process 1 is killed between two steps' collectives, in the second the agent
# gets a SIGTERM, as from a cluster that wants its machine back.
SCRIPT = f"""
import os, signal, sys, time
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import torch
from same_everywhere import exactly
from farframe.cli import guarded
from farframe.data.loader import Loader
from farframe.run import RunConfig
from farframe.training.loop import train

torch.set_num_threads(1)
rank, attempt = int(os.environ['RANK']), int(os.environ['TORCHELASTIC_RESTART_COUNT'])
run, real = Path(sys.argv[2]), Loader.__next__
seen = open(f'{{run}}-{{attempt}}-{{rank}}', 'w', buffering=1)


def watched(self):
    batch = real(self)
    print(self.position, *batch.ids, file=seen)
    if (self.position, rank, attempt) == ({KILLED}, 1, 0):
        os.kill(os.getpid(), signal.SIGKILL)
    if (self.position, rank, attempt) == ({STOPPED}, 0, 1):
        os.kill(os.getppid(), signal.SIGTERM)
        while signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            time.sleep(0.01)
    return batch


Loader.__next__ = watched
config = RunConfig.from_json(Path(f'{{run}}.json').read_text())
with exactly():
    sys.exit(guarded(lambda: train(config, run).step * 0, debug=False))
"""


def batches(*files: Path) -> dict[int, tuple[str, ...]]:
    """The ids of each batch that these processes read, in their order."""
    found: dict[int, tuple[str, ...]] = {}
    for file in files:
        for line in file.read_text().splitlines():
            number, *ids = line.split()
            found[int(number)] = (*found.get(int(number), ()), *ids)
    return found


def test_killed_stopped_and_resumed_by_fewer_sees_each_clip_once(tmp_path: Path) -> None:
    config = quiet("epev", "batch", steps=STEPS, checkpoint_every=3, log_every=1)
    config = replace(config, data=replace(config.data, clips=6, clip_length=12))
    run = tmp_path / "run"
    Path(f"{run}.json").write_text(config.to_json())
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["--max-restarts=1", "--monitor-interval=0.1"]
    unit = str(Path(__file__).parents[1] / "unit")
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [*command, str(tmp_path / "script.py"), unit, str(run)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode != 0, done.stderr
    assert "farframe: error: process 0 of 2 lost another one" in done.stderr
    assert done.stderr.count("farframe: stopped at step 12") == 1  # of two processes
    assert checkpoint.latest(run).step == STOPPED
    first, second = (
        batches(*(Path(f"{run}-{attempt}-{rank}") for rank in (0, 1))) for attempt in (0, 1)
    )
    assert max(first) == KILLED
    assert min(second) == KILLED // 3 * 3 + 1  # goes on from the checkpoint before it was killed

    third, heard = watched(config, run, resume=True)
    assert heard.steps == list(range(STOPPED + 1, STEPS + 1))
    assert checkpoint.latest(run).step == STEPS
    whole, _ = watched(config, tmp_path / "whole")
    # What counts of an attempt is what the next one didn't take back.
    counted = {n: ids for n, ids in {**first, **second, **third}.items() if n <= STEPS}
    assert counted == whole
    windows = _training_windows(open_source(config.data, config.model.frame_size), config)
    every = sorted(name for name in ids_of(windows))
    assert len(every) % config.data.batch_size  # epochs end within batches
    samples = [name for n in sorted(counted) for name in counted[n]]
    assert len(samples) > 2 * len(every)
    for epoch in (0, 1):
        part = samples[epoch * len(every) : (epoch + 1) * len(every)]
        assert sorted(part) == every
    steps = [json.loads(x)["step"] for x in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, STEPS + 1))
    resumed = contents(run)
    for name, value in contents(tmp_path / "whole").items():
        torch.testing.assert_close(resumed[name], value, rtol=1e-6, atol=1e-6)


def ids_of(windows: ClipWindows) -> list[str]:
    """Of all windows, read one by one."""
    return [windows[i].id for i in range(len(windows))]


def watched(
    config: RunConfig, run: Path, resume: bool = False
) -> tuple[dict[int, tuple[str, ...]], Heard]:
    """Train in this process alone; the ids of the batches it was given."""
    found, heard, real = dict[int, tuple[str, ...]](), Heard(), Loader.__next__

    def noted(self: Loader) -> Batch:
        batch = real(self)
        found[self.position] = batch.ids
        return batch

    with pytest.MonkeyPatch.context() as patch, exactly():
        patch.setattr(Loader, "__next__", noted)
        train(config, run, resume=resume, reporter=heard)
    return found, heard
