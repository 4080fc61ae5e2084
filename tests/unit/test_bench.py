"""The benchmark: the same results whichever way, and ratios that say what they mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from statistics import median

import pytest
import torch
from torch import Tensor

from farframe import bench, bench_costs, bench_machine, cli
from farframe.bench import BenchOptions, BenchReport, Spread, compare, run_bench
from farframe.bench_scaling import Growth
from farframe.bench_stepwise import Stepwise
from farframe.bench_training import settings, training_step
from farframe.bench_ways import Contest, Way, Work, random_model
from farframe.config import ModelConfig
from farframe.models.hierarchical import HierarchicalModel
from farframe.modes import MODES, Networks
from farframe.presets import PRESETS
from farframe.types import Batch

TINY = Work(
    horizon=12,
    every=5,
    rollouts=3,
    rollout_steps=4,
    predicted=((2, 5),),
    steps=(("robot", 2, 5, 2),),
    presets=("debug",),
    turns=2,
    step_turns=1,
)
CONFIG = ModelConfig(frame_size=32, width=2, enc_size=12, pred_cells=3, pred_init="glorot")
SMALL = replace(PRESETS["debug"].config.hierarchical()[0], action_dim=CONFIG.action_dim)
CLIPS, FRAMES = 2, 5


@pytest.fixture(scope="module")
def tiny() -> Iterator[None]:
    """All that is measured, made so small that its numbers mean nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "QUICK", TINY)
        for name, size in {"_SIDE": 64, "_CLIPS": 2, "_CHANNELS": 8, "_MAP": 8}.items():
            patch.setattr(bench_machine, name, size)
        for name, size in {"_CLIPS": 8, "_FRAMES": 4}.items():
            patch.setattr(bench_costs, name, size)
        starts = {k: v for k, v in bench_costs._STARTS.items() if "--help" not in v}
        patch.setattr(bench_costs, "_STARTS", starts)
        yield


@pytest.fixture(scope="module")
def measured(tiny: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[BenchReport, Path]:
    """A report, and the file that it was written into."""
    path = tmp_path_factory.mktemp("bench") / "bench.json"
    generator, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(threads + 1)  # here and not there: beside other tests two would wait
    try:
        report = run_bench(BenchOptions(quick=True, width=2, threads=threads, device="cpu"), path)
        assert report.machine.threads == threads
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), generator)
    return report, path


@pytest.fixture
def model() -> HierarchicalModel:
    return random_model(CONFIG).train()


@pytest.fixture
def batch() -> Batch:
    return Batch(
        frames=torch.rand(CLIPS, FRAMES, 3, 32, 32),
        actions=torch.randn(CLIPS, FRAMES, CONFIG.action_dim),
        poses=torch.randn(CLIPS, FRAMES, 12),
        ids=("a", "b"),
    )


# -- the yardstick -----------------------------------------------------------------------------


@pytest.mark.parametrize(("tag", "config"), [*((tag, CONFIG) for tag in MODES), ("epev", SMALL)])
def test_stepwise_has_the_losses_and_gradients_of_the_folded_step(
    tag: str, config: ModelConfig, batch: Batch
) -> None:
    mode, model = MODES[tag](), random_model(config).train()
    extra = mode.extra_networks(config)
    found: list[tuple[dict[str, Tensor], tuple[Tensor, ...]]] = []
    for each in (model, Stepwise(model)):
        updates = mode.updates(Networks(each, extra), batch, 0)
        losses = {name: loss for update in updates for name, loss in update.losses.items()}
        total = sum(losses.values())
        groups = mode.groups(Networks(model, extra)).values()
        weights = {id(p): p for group in groups for p in group.parameters()}.values()
        found.append((losses, torch.autograd.grad(total, tuple(weights))))
    (losses, grads), (stepwise, stepwise_grads) = found
    assert losses.keys() == stepwise.keys()
    for name, loss in losses.items():
        assert abs(loss.item()) > 1e-3, f"{name} is too small to tell anything"
        assert abs(loss.item() - stepwise[name].item()) < 1e-4
    scale = max(grad.abs().max().item() for grad in grads)
    for ours, theirs in zip(grads, stepwise_grads, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5 * scale)


def test_stepwise_runs_every_network_once_a_time_step(
    model: HierarchicalModel, batch: Batch
) -> None:
    calls: dict[str, list[int]] = {"encoder": [], "image_encoder": [], "drawer": []}
    watched = {
        "encoder": model.encoder,
        "image_encoder": model.decoder.image_encoder,
        "drawer": model.decoder.drawer,
    }
    for name, module in watched.items():
        module.register_forward_hook(lambda m, x, y, n=name: calls[n].append(len(x[0])))
    mode = MODES["epev"]()
    training_step(mode, model, batch)()
    drawn = FRAMES - 1
    assert calls == {
        "encoder": [CLIPS * FRAMES],
        "image_encoder": [CLIPS],
        "drawer": [CLIPS * drawn],
    }
    for some in calls.values():
        some.clear()
    training_step(mode, Stepwise(model), batch)()
    assert calls == {
        "encoder": [CLIPS] * FRAMES,
        "image_encoder": [CLIPS] * drawn,
        "drawer": [CLIPS] * drawn,
    }


def test_every_step_that_can_be_taken_is_measured() -> None:
    taken = [setting.name for setting in settings(CONFIG, Work())]
    with_poses = {tag for tag, mode in MODES.items() if mode().pose_dim}
    assert set(taken) == {f"robot-{tag}" for tag in MODES} | {
        f"human-{tag}" for tag in MODES if tag not in with_poses
    } | set(Work().presets)
    assert {"human-e2e", "human-epev"} <= set(taken)


def test_random_encodings_tell_frames_apart() -> None:
    frames = torch.rand(1, 2, 3, 64, 64)
    frames[:, 1] *= 0.5
    model = random_model(ModelConfig(width=4))
    with torch.no_grad():
        enc = model.encode(frames)
    assert (enc[:, 0] - enc[:, 1]).abs().max() > 1e-2


# -- the whole ---------------------------------------------------------------------------------


def test_all_ways_give_the_same(measured: tuple[BenchReport, Path]) -> None:
    report, _ = measured
    steps = [f"step-robot-{tag}" for tag in MODES] + ["step-debug"]
    assert [c.key for c in report.comparisons] == ["predict-2x5", "at", "rollouts", *steps]
    for comparison in report.comparisons:
        yardstick, *others = comparison.timings
        assert yardstick.difference is None
        assert yardstick.speedup == Spread(1.0, 1.0, 1.0)
        assert others
        for timing in others:
            turns = TINY.step_turns if comparison.key.startswith("step") else TINY.turns
            assert len(timing.turns) == turns
            assert timing.seconds.low <= timing.seconds.median <= timing.seconds.high
            if timing.way != "draw none":
                assert timing.difference is not None
                bar = 0.3 if timing.way == "in 8 bits" else 1e-3
                assert timing.difference < bar, (comparison.key, timing.way)
    ways = [timing.way for timing in report.comparisons[1].timings]
    assert ways == ["draw all frames", "draw every 5th", "draw frame 12 alone"]
    assert (report.model.frame_size, report.model.width) == (32, 2)


def test_what_surrounds_the_networks_is_measured_too(measured: tuple[BenchReport, Path]) -> None:
    report, _ = measured
    assert report.drawing is not None
    everything, *_, nothing = (timing.turns for timing in report.comparisons[2].timings)
    costs = sorted((a - n) / n for a, n in zip(everything, nothing, strict=True))
    assert report.drawing == Spread(median(costs), costs[0], costs[-1])
    assert report.peak is not None
    assert [share.part for share in report.shares] == ["encoder", "decoder", "training step"]
    assert all(share.share > 0 and share.gigaflops > 0 for share in report.shares)
    assert report.shares[2].gigaflops > report.shares[0].gigaflops + report.shares[1].gigaflops
    assert len(report.loading) >= 7
    assert all(min(kind.alone, kind.one_worker, kind.two_workers) > 0 for kind in report.loading)
    started = [start.command for start in report.starts]
    assert started == ["farframe --version", "train one step (debug)"]
    assert report.megabytes > 100


def test_json_has_every_field(measured: tuple[BenchReport, Path]) -> None:
    report, path = measured
    stored = json.loads(path.read_text())
    assert stored.keys() == {field.name for field in fields(BenchReport)}
    assert stored == json.loads(json.dumps(asdict(report)))
    for part in stored["comparisons"]:
        assert part.keys() == {"key", "title", "timings"}
        for timing in part["timings"]:
            assert timing.keys() == {"way", "turns", "seconds", "speedup", "difference"}
            assert timing["seconds"].keys() == {"median", "low", "high"}
    assert stored["machine"]["torch"] == torch.__version__
    assert {"load_before", "load_after", "threads", "device"} <= stored["machine"].keys()
    assert list(path.parent.iterdir()) == [path]


def test_scaling_grows_one_size_at_a_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    growth = Growth(clips=(2, 4), frames=(4, 8), horizons=(5, 9), sides=(32,), turns=1)
    monkeypatch.setattr(bench, "QUICK_GROWTH", growth)
    path = tmp_path / "b.json"
    command = f"bench --quick --only scaling --preset debug --device cpu --json {path}"
    assert cli.main(command.split()) == 0
    assert "training step by frames" in capsys.readouterr().out
    report = json.loads(path.read_text())
    assert report["comparisons"] == []
    base = {
        "training step": {"clips": 2, "frames": 4, "width": 4, "side": 32},
        "prediction": {"clips": 2, "frames": 5, "width": 4, "side": 32},
    }
    for work, smallest in base.items():
        rows = [row for row in report["scaling"] if row["work"] == work]
        for axis, count in {"frames": 2, "clips": 2, "width": 3, "side": 1}.items():
            along = [row for row in rows if row["axis"] == axis]
            sizes = [row["size"] for row in along]
            assert [{**size, axis: smallest[axis]} for size in sizes] == [smallest] * count
            assert all(len(row["turns"]) == 1 and row["seconds"] > 0 for row in along)
            megabytes = [row["megabytes"] for row in along]
            assert megabytes == sorted(set(megabytes)), axis
        assert len(rows) == 8


@pytest.mark.usefixtures("tiny")
def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "b.json"
    args = ["--quick", "--width", "2", "--threads", "1", "--device", "cpu", "--json", str(path)]
    args += ["--only", "predict", "machine"]
    assert cli.main(["bench", *args]) == 0
    out, err = capsys.readouterr()
    for words in (
        "draw frame 12 alone",
        "one frame at a time",
        "peak, GFLOP/s",
        "load average",
        "1 thread(s)",
    ):
        assert words in out
    assert f"torch {torch.__version__}" in out
    assert err.count("measuring: ") == 3
    assert path.exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--size", "50"], ["--size is 50", "32, 64, 96, 128"]),
        (["--only", "steps", "all"], ["--only is 'all'", "predict, steps, machine"]),
        (["--steps", "human-individual"], ["--steps is 'human-individual'", "human-epev"]),
        (["--quick", "--steps", "human-epev"], ["--steps is 'human-epev'", "robot-epev"]),
        (["--only", "predict", "--steps", "robot-epev"], ["--steps is", "needs steps in --only"]),
        (["--preset", "none"], ["--preset is 'none'", "robot-epev"]),
        (["--width", "0"], ["--width is 0", "at least 1"]),
        (["--threads", "0"], ["--threads is 0", "at least 1"]),
        (["--json", "nowhere/b.json"], ["--json nowhere/b.json", "folder that exists"]),
        (["--json", "."], ["--json .", "name a file"]),
        (["--device", "quantum"], ["'quantum'"]),
    ],
)
def test_wrong_options(
    args: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["bench", *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "error parsing" not in err
    assert all(word in err for word in words), err


# -- the arithmetic of ratios ------------------------------------------------------------------


def test_ratios_are_taken_within_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine becomes ten times slower on the way, and the ratio is still 4 to 5."""
    order: list[str] = []
    taken = {"slow": iter([8.0, 50.0, 400.0]), "fast": iter([2.0, 10.0, 100.0])}
    clock = [0.0]
    warm: Iterator[str] = iter(["slow", "fast"])

    def run(name: str, value: float) -> Tensor:
        if next(warm, None) is None:
            order.append(name)
            clock[0] += next(taken[name])
        return torch.tensor([value])

    monkeypatch.setattr(bench, "perf_counter", lambda: clock[0])
    ways = {
        "slow": Way(lambda: run("slow", 1.0)),
        "fast": Way(lambda: run("fast", 1.25), lambda x: x),
    }
    found = compare(Contest("k", "t", ways), 3, lambda: None)
    slow, fast = found.timings
    assert order == ["slow", "fast", "fast", "slow", "slow", "fast"]
    assert slow.seconds == Spread(50.0, 8.0, 400.0)
    assert fast.seconds == Spread(10.0, 2.0, 100.0)
    assert fast.speedup == Spread(4.0, 4.0, 5.0)
    assert fast.difference == 0.25
