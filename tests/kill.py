"""SIGKILLs at random moments of train, evaluate and predict: what is left must be whole.

    .venv/bin/python tests/kill.py --kills 500

After each kill every checkpoint is verified, and every file that a command may have left under its
own name is read to its end. Trainings are killed while each step saves; predictions and evaluations
replace earlier ones of another horizon, so that a mixture of two would be seen. At the end each
command runs undisturbed, and no hidden file may be left.

All victims are forks of one process that has imported torch and done nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent / "unit"))

import av
import numpy as np
import torch
import torch._dynamo
import torch.utils.tensorboard.writer
from PIL import Image
from tiny_run import tiny

from farframe.cli import main
from farframe.prediction_files import OUTPUTS, REPORT
from farframe.run import load
from farframe.training import checkpoint
from farframe.training.loop import train
from farframe.training.progress import Reporter

Work = Callable[[], object]


class Told(Reporter):
    """Writes a byte into a pipe after the first step."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe

    def step(self, done: int) -> None:
        if self.pipe:
            os.write(self.pipe, b".")
            self.pipe = 0


def training(run: Path, steps: int, pipe: int = 0) -> Work:
    """Go on with a run that saves after each step, until it has ``steps``."""
    options = {"checkpoint_every": 1, "log_every": 1, "evaluate_every": 3, "evaluate_clips": 2}
    config = tiny(steps=steps, evaluate_horizon=2, **options)
    return lambda: train(config, run, resume=True, reporter=Told(pipe))


def predicting(run: Path, out: Path, horizon: int) -> Work:
    words = ["predict", run, "shapes:0", "--horizon", horizon, "--npz", "--out", out, "--overwrite"]
    return lambda: _command(words)


def evaluating(run: Path, out: Path, horizon: int) -> Work:
    sizes = ["--horizon", horizon, "--clips", 2, "--videos", 2]
    return lambda: _command(["evaluate", run, *sizes, "--out", out])


def _command(words: list[object]) -> None:
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (until the process ends)
    code = main([*map(str, words)])
    assert code == 0, f"{words} ended with {code}"


# -- what is left --------------------------------------------------------------------------------


def check_run(run: Path) -> None:
    """Every checkpoint is whole, and the newest can be used."""
    found = checkpoint.checkpoints(run)
    for each in found:
        assert checkpoint.verify(each.path) == each.step
    if found:
        load(run)
    lines = run / "metrics.jsonl"
    for line in lines.read_text().splitlines()[:-1] if lines.exists() else ():
        json.loads(line)  # only the last may be torn


def check_prediction(out: Path) -> None:
    """Each file is whole, and if there is a report, all files are of its prediction."""
    there = [name for name in OUTPUTS if (out / name).exists()]
    lengths = {name: _length(out / name) for name in there}
    if (out / REPORT).exists():
        report = json.loads((out / REPORT).read_text())
        assert sorted(report["files"]) == sorted([*there, REPORT])
        frames = report["context_frames"] + report["options"]["horizon"]
        for name in ("prediction.mp4", "masks.mp4"):
            assert lengths[name] == frames, (name, lengths[name], frames)
        assert lengths["prediction.npz"] == report["options"]["horizon"]


def check_evaluation(out: Path) -> None:
    """All files are whole, whatever an evaluation writes."""
    for path in out.glob("[!.]*"):
        if path.suffix == ".json":
            assert json.loads(path.read_text())
        elif path.suffix == ".csv":
            text = path.read_text()
            assert text.endswith("\n")
            assert len({line.count(",") for line in text.splitlines()}) == 1
        elif path.suffix == ".html":
            assert path.read_text().rstrip().endswith("</html>")
        else:
            assert _length(path) > 0


def _length(path: Path) -> int:
    """Frames in a file, all of them read."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as container:
            return sum(1 for _ in container.decode(video=0))
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return len([arrays[name] for name in arrays.files] and arrays["times"])
    with Image.open(path) as picture:
        picture.load()
    return 1


def hidden(folder: Path) -> set[Path]:
    """Files and folders that only those who write should see."""
    return {path for path in folder.rglob(".*") if path.name != ".lock"}


# -- killing -------------------------------------------------------------------------------------


def forked(work: Work) -> int:
    """Start ``work`` in a child; returns its process number."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def finished(work: Work) -> float:
    """Seconds that ``work`` takes in a child; it must succeed."""
    began = time.monotonic()
    assert os.waitpid(forked(work), 0)[1] == 0, "a child failed: see above"
    return time.monotonic() - began


def killed(work: Work, after: float, pipe: int = 0) -> bool:
    """Kill a child ``after`` seconds, or so long after it wrote into ``pipe``.

    Returns whether it still worked.
    """
    child = forked(work)
    if pipe:
        assert select.select([pipe], [], [], 120)[0], "the child took no step in two minutes"
        os.read(pipe, 1)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), "the child failed before it was killed: see above"
    return status != 0


def main_of_kills(kills: int, seed: int, folder: Path) -> tuple[dict[str, int], int]:
    """Kill until there are so many; returns how many of each kind, and in the middle of writing."""
    rng, base, run = random.Random(seed), folder / "base", folder / "run"
    finished(training(base, 2))
    out, numbers = {"predict": folder / "predicted", "evaluate": folder / "evaluated"}, (3, 6)
    told, tell = os.pipe()
    works: dict[str, Callable[[], Work]] = {
        "train": lambda: training(run, 10**6),
        "predict": lambda: predicting(base, out["predict"], rng.choice(numbers)),
        "evaluate": lambda: evaluating(base, out["evaluate"], rng.choice(numbers)),
    }
    checks: dict[str, Work] = {
        "train": lambda: check_run(run),
        "predict": lambda: check_prediction(out["predict"]),
        "evaluate": lambda: check_evaluation(out["evaluate"]),
    }
    lasts = {"train": finished(training(folder / "other", 1))}
    lasts |= {name: finished(works[name]()) for name in ("predict", "evaluate")}
    counts, writing = dict.fromkeys(works, 0), 0
    while sum(counts.values()) < kills:
        name = min(counts, key=lambda n: counts[n])
        before = hidden(folder)
        if name == "train" and rng.random() < 0.7:  # in a step or a save, else in the setting up
            done = killed(training(run, 10**6, tell), rng.random() * 0.1, told)
        else:
            done = killed(works[name](), rng.random() * lasts[name])
        counts[name] += done
        writing += bool(hidden(folder) - before)
        finished(checks[name])
    newest = max((c.step for c in checkpoint.checkpoints(run)), default=0)
    finished(training(run, newest + 1))
    for name in ("predict", "evaluate"):
        finished(works[name]())
        finished(checks[name])
    assert not hidden(folder), hidden(folder)
    return counts, writing


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as place:
        started = time.monotonic()
        counts, writing = main_of_kills(options.kills, options.seed, Path(place))
        said = ", ".join(f"{count} {name}" for name, count in counts.items())
        print(
            f"{sum(counts.values())} kills ({said}), {writing} of them in the middle of writing, "
            f"in {time.monotonic() - started:.0f} s: all that was left is whole"
        )
