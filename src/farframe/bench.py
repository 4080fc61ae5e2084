"""``farframe bench``: what the method's shortcuts are worth on this machine, as ratios of one run.

Ways to one result take turns, so that a machine whose speed drifts slows all of them alike; ratios
are taken within each turn, and their medians and extremes are told.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import torch

import farframe
from farframe.bench_costs import Loading, Start, loading, peak_memory, starts
from farframe.bench_machine import Peak, Share, measure_peak, shares
from farframe.bench_scaling import Growth, Scaled, scaling
from farframe.bench_training import settings, training
from farframe.bench_ways import Contest, Work, predictions, random_model
from farframe.config import FRAME_SIZES, ModelConfig, check
from farframe.evaluation.stored_json import write_json
from farframe.presets import PRESETS
from farframe.training.distributed import pick_device

FULL = Work()
QUICK = Work(
    predicted=((1, 30),),
    horizon=100,
    steps=(("robot", 2, 10, 2),),
    presets=("shapes-tiny",),
    turns=2,
    step_turns=2,
)
GROWTH = Growth()
QUICK_GROWTH = Growth(clips=(1, 2), frames=(10, 20), horizons=(10, 30), sides=(32, 64), turns=2)
USUAL = ("predict", "steps", "machine", "loader", "starts")
SECTIONS = (*USUAL, "scaling")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What to measure, and on what."""

    quick: bool = False
    """Small networks and less work: a minute or two."""
    only: tuple[str, ...] = ()
    """Measure only some of predict, steps, machine, loader, starts (none named: all these), or
    scaling: how time and memory grow with frames, clips, width and resolution."""
    preset: str = "robot-epev"
    """The preset whose networks and mode scaling measures."""
    steps: tuple[str, ...] = ()
    """Measure only these training steps, as in robot-epev human-e2e (none named: all)."""
    size: int | None = None
    """Height and width of frames in pixels (None: 64, or 32 with --quick)."""
    width: int | None = None
    """Channels of the first convolutions, as model.width (None: the original's 64, or 8 with
    --quick)."""
    threads: int | None = None
    """Threads of torch on the CPU (None: as many as torch takes by itself)."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes the GPU if there is one."""

    def __post_init__(self) -> None:
        rule = f"must be one of {', '.join(map(str, FRAME_SIZES))}"
        check(self.size in (None, *FRAME_SIZES), "--size", self.size, rule)
        wrong = [name for name in self.only if name not in SECTIONS]
        check(not wrong, "--only", " ".join(wrong), f"must be of {', '.join(SECTIONS)}")
        known = [setting.name for setting in settings(ModelConfig(), self.work)]
        for name in self.steps:
            check(name in known, "--steps", name, f"must be of {', '.join(known)}")
        measured = not self.only or "steps" in self.only or not self.steps
        check(measured, "--steps", " ".join(self.steps), "needs steps in --only")
        check(self.preset in PRESETS, "--preset", self.preset, f"must be of {', '.join(PRESETS)}")
        for name in ("width", "threads"):
            value = getattr(self, name)
            check(value is None or value >= 1, f"--{name}", value, "must be at least 1")

    @property
    def work(self) -> Work:
        """How much is measured."""
        return QUICK if self.quick else FULL


@dataclass(frozen=True)
class Spread:
    """What the turns gave: median, lowest and highest."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Timing:
    """A way's seconds, and how many times faster than the yardstick it is.

    ``difference`` is the largest from the yardstick's values; None where it gives others.
    """

    way: str
    turns: tuple[float, ...]
    seconds: Spread
    speedup: Spread
    difference: float | None


@dataclass(frozen=True)
class Comparison:
    """Timings of the ways to one result; the first is the yardstick's."""

    key: str
    title: str
    timings: tuple[Timing, ...]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What it was measured with; the load averages are those of the last minute."""

    farframe: str
    torch: str
    python: str
    device: str
    threads: int
    load_before: float
    load_after: float


@dataclass(frozen=True)
class BenchReport:
    """All that was measured.

    ``drawing`` is a frame's cost of drawing over that of rolling out its encoding.
    """

    options: BenchOptions
    model: ModelConfig
    work: Work
    machine: Machine
    comparisons: tuple[Comparison, ...]
    drawing: Spread | None
    peak: Peak | None
    shares: tuple[Share, ...]
    loading: tuple[Loading, ...]
    starts: tuple[Start, ...]
    scaling: tuple[Scaled, ...]
    megabytes: float
    """The most memory that the benchmark itself has held."""


def run_bench(options: BenchOptions, out: Path | None = None) -> BenchReport:
    """Measure a model with random weights; write a JSON file if ``out`` names one.

    Raises:
        ValueError: if there is no such device, or ``out`` can't be written (told beforehand).
    """
    if out is not None and (out.is_dir() or not os.access(out.absolute().parent, os.W_OK)):
        raise ValueError(f"--json {out} can't be written: name a file in a folder that exists")
    device, work, load = pick_device(options.device), options.work, os.getloadavg()[0]
    size, width = options.size or 64, options.width or 64
    if options.quick:
        size, width = options.size or 32, options.width or 8
    # The original's small weights would predict the same encoding for ever.
    config = ModelConfig(frame_size=size, width=width, pred_init="glorot")
    wanted = options.only or USUAL
    finish = partial(torch.cuda.synchronize, device) if device.type == "cuda" else lambda: None
    with _threads(options.threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = {
            contest.key: compare(contest, turns, finish)
            for contest, turns in _contests(config, work, options, device)
        }
        peak = measure_peak(device, finish) if "machine" in wanted else None
        first = next(settings(config, work))
        report = BenchReport(
            options=options,
            model=config,
            work=work,
            comparisons=tuple(found.values()),
            drawing=_drawing(found["rollouts"]) if "rollouts" in found else None,
            peak=peak,
            shares=() if peak is None else shares(first, device, peak, finish),
            loading=tuple(loading(size)) if "loader" in wanted else (),
            starts=tuple(starts(work.step_turns)) if "starts" in wanted else (),
            scaling=tuple(_scaling(options, device, finish)) if "scaling" in wanted else (),
            megabytes=peak_memory(),
            machine=_machine(device, load),
        )
    if out is not None:
        write_json(out, asdict(report))
    return report


def _contests(
    config: ModelConfig, work: Work, options: BenchOptions, device: torch.device
) -> Iterator[tuple[Contest, int]]:
    """What is compared, and how often; each is made when its turn has come."""
    wanted = options.only or USUAL
    if "predict" in wanted:
        for contest in predictions(random_model(config, norm_gain=0.3).to(device), work):
            yield contest, work.turns
    if "steps" in wanted:
        chosen = (s for s in settings(config, work) if not options.steps or s.name in options.steps)
        for setting in chosen:
            yield training(setting, device), work.step_turns


def _scaling(
    options: BenchOptions, device: torch.device, finish: Callable[[], None]
) -> Iterator[Scaled]:
    config = PRESETS[options.preset].config
    model = replace(config.model, width=options.width or config.model.width)
    model = replace(model, frame_size=options.size or model.frame_size)
    growth = QUICK_GROWTH if options.quick else GROWTH
    return scaling(replace(config, model=model), growth, device, finish)


def compare(contest: Contest, turns: int, finish: Callable[[], None]) -> Comparison:
    """Let all ways run once untimed, whose values are compared, then in turns, to and fro.

    ``finish`` waits for the device: a GPU computes on after a call returns.
    """
    logger.info("measuring: %s", contest.title)
    values = {name: way.run() for name, way in contest.ways.items()}
    taken: dict[str, list[float]] = {name: [] for name in contest.ways}
    for turn in range(turns):
        for name in list(contest.ways)[:: -1 if turn % 2 else 1]:
            finish()
            start = perf_counter()
            contest.ways[name].run()
            finish()
            taken[name].append(perf_counter() - start)
    yardstick = next(iter(contest.ways))
    timings = tuple(
        Timing(
            way=name,
            turns=tuple(taken[name]),
            seconds=_spread(taken[name]),
            speedup=_spread([a / b for a, b in zip(taken[yardstick], taken[name], strict=True)]),
            difference=way.difference(values[name], values[yardstick]),
        )
        for name, way in contest.ways.items()
    )
    return Comparison(contest.key, contest.title, timings)


def _drawing(rollouts: Comparison) -> Spread:
    """Drawing all frames takes that much longer than drawing none, which only rolls out."""
    everything, nothing = rollouts.timings[0].turns, rollouts.timings[-1].turns
    return _spread([(a - n) / n for a, n in zip(everything, nothing, strict=True)])


def _machine(device: torch.device, load_before: float) -> Machine:
    cpu = f"{device.type} ({platform.machine()}, {os.cpu_count()} cores)"
    return Machine(
        farframe=farframe.__version__,
        torch=torch.__version__,
        python=platform.python_version(),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else cpu,
        threads=torch.get_num_threads(),
        load_before=load_before,
        load_after=os.getloadavg()[0],
    )


def _spread(values: list[float]) -> Spread:
    return Spread(median(values), min(values), max(values))


@contextmanager
def _threads(count: int | None) -> Generator[None, None, None]:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(count or before)
        yield
    finally:
        torch.set_num_threads(before)
