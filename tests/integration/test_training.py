"""Training as a whole: what it leaves in its folder, what it says, and how it ends."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_run import Heard, contents, differing, tiny

from farframe.modes import EPEV, Networks, Update
from farframe.run import RunConfig, load, load_config
from farframe.training import checkpoint
from farframe.training.distributed import World
from farframe.training.loop import Cadence, Due, train
from farframe.training.progress import ConsoleReporter
from farframe.training.state import TrainingState
from farframe.training.stopping import Interrupted, TrainingError
from farframe.types import Batch

EVALUATED = {"evaluate_every": 2, "evaluate_clips": 3, "evaluate_horizon": 4}
WITH_EVALUATION = {"data": {"clip_length": 16}, **EVALUATED}


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def events(run: Path) -> EventAccumulator:
    found = EventAccumulator(str(run / "logs"), {"scalars": 0, "images": 0})
    found.Reload()
    return found


# -- what it leaves ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Heard]:
    out, heard = tmp_path_factory.mktemp("runs") / "deep" / "run", Heard()
    config = tiny(checkpoint_every=3, steps=5, **WITH_EVALUATION)
    last = train(config, out, reporter=heard)
    assert last == checkpoint.Checkpoint(out / "checkpoints" / "step-000000005", 5)
    return out, heard


def test_folder(trained: tuple[Path, Heard]) -> None:
    run, _ = trained
    assert {p.name for p in run.iterdir()} >= {"config.json", "checkpoints", "logs"}
    assert [c.step for c in checkpoint.checkpoints(run)] == [5, 3]
    assert load_config(run) == tiny(checkpoint_every=3, steps=5, **WITH_EVALUATION)
    assert not [p for p in run.rglob(".*") if p.name != ".lock"]


def test_numbers_are_logged_once_for_each_interval(trained: tuple[Path, Heard]) -> None:
    run, heard = trained
    losses = [x for x in lines(run) if "loss/van_on_enc" in x]
    assert [x["step"] for x in losses] == [2, 4, 5]
    assert [x["step"] for x in lines(run) if "val/psnr" in x] == [2, 4, 5]
    for record in losses:
        assert record.keys() == {
            *("step", "loss/van_on_enc", "loss/enc_pred", "weight/van_on_enc", "weight/enc_pred"),
            *("lr/all", "speed/frames_per_second", "speed/steps_per_second"),
        }
        assert record["lr/all"] == 1e-3
        assert 0 < record["loss/van_on_enc"] < 1
        assert record["weight/van_on_enc"] == 1.0
        assert record["speed/frames_per_second"] == 8 * record["speed/steps_per_second"] > 0
    assert heard.values.keys() == {2, 4, 5}
    assert heard.begun == [(0, 5)]
    assert heard.steps == [1, 2, 3, 4, 5]
    assert heard.closed == 1


def test_evaluation_is_logged_as_curves(trained: tuple[Path, Heard]) -> None:
    run, heard = trained
    found = [x for x in lines(run) if "val/psnr" in x]
    for name in ("psnr", "ssim", "psnr_copy_last", "ssim_copy_last"):
        for record in found:
            assert len(record[f"curve/{name}"]) == 4
            assert record[f"val/{name}"] == pytest.approx(
                np.mean(record[f"curve/{name}"]), abs=1e-4
            )
    assert found[0]["val/psnr_copy_last"] == found[1]["val/psnr_copy_last"]
    assert found[0]["val/psnr"] != found[1]["val/psnr"]
    assert sum("PSNR" in line and "copy-last-frame" in line for line in heard.lines) == 3


def test_tensorboard_has_the_same_numbers_and_a_video(trained: tuple[Path, Heard]) -> None:
    run, _ = trained
    found = events(run)
    for name in ("loss/van_on_enc", "lr/all", "speed/frames_per_second", "val/psnr"):
        written = {e.step: e.value for e in found.Scalars(name)}
        logged = {x["step"]: x[name] for x in lines(run) if name in x}
        assert written == pytest.approx(logged, rel=1e-6)
    images = found.Images("val/prediction")
    assert [image.step for image in images] == [2, 4, 5]
    with Image.open(io.BytesIO(images[0].encoded_image_string)) as picture:
        assert picture.format == "GIF"
        assert picture.n_frames == 6  # two given, four predicted
        assert picture.size == (images[0].width, images[0].height)
        borders = []
        for frame in (0, 5):
            picture.seek(frame)
            borders.append(np.asarray(picture.convert("RGB"))[17, picture.width // 8])
    assert borders[0][1] > borders[0][0] + 80  # green while frames are given
    assert borders[1][0] > borders[1][1] + 80  # red once they are predicted


def test_evaluating_and_logging_change_nothing(trained: tuple[Path, Heard], tmp_path: Path) -> None:
    """The same weights to the last bit without evaluation, with other logs and checkpoints."""
    train(tiny(steps=5, log_every=3, data={"clip_length": 16}), tmp_path)
    assert differing(contents(trained[0]), contents(tmp_path)) == []


def test_seed_decides_weights_and_noise(tmp_path: Path) -> None:
    torch.manual_seed(5)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(tiny(steps=2, seed=seed), tmp_path / name)
    a, b, c = (contents(tmp_path / name) for name in "abc")
    assert differing(a, b) == []
    assert len(differing(a, c)) > 50


def test_loading_what_was_trained_predicts(trained: tuple[Path, Heard]) -> None:
    model = load(trained[0])
    frames = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    first = model.predict(frames, horizon=3).frames
    assert first.shape == (1, 3, 3, 32, 32)
    assert bool(first.isfinite().all())


# -- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_mixed_precision(amp: str, tmp_path: Path) -> None:
    """Losses differ by rounding; weights stay float32; fp16 finds its scale and then learns."""
    still = {"enc_keep_prob": 1.0, "van_keep_prob": 1.0, "pred_noise_std": 0.0}
    losses: dict[str, list[float]] = {}
    for kind in ("off", amp):
        config, heard = tiny(amp=kind, steps=6, log_every=1), Heard()
        config = replace(config, model=replace(config.model, **still))
        train(config, tmp_path / kind, reporter=heard)
        losses[kind] = [values["loss/van_on_enc"] for values in heard.values.values()]
    assert losses[amp][0] == pytest.approx(losses["off"][0], rel=0.02)
    assert losses[amp] != losses["off"]
    found = contents(tmp_path / amp)
    assert {v.dtype for k, v in found.items() if "weights" in k} == {torch.float32, torch.int64}
    steps = int(found["training.optimizers.all.param_groups.0.updates"])
    assert 1 <= steps <= 6
    scale = found.get("training.scaler.scale")
    assert (scale is None) == (amp == "bf16")
    if scale is not None:
        assert float(scale) == 65536 / 2 ** (6 - steps)


def test_compiled_networks_learn_the_same_under_the_same_names(tmp_path: Path) -> None:
    """In a process of its own: under pytest shapes are checked, which can't be compiled."""
    code = f"""
import sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[1] / "unit")!r})
from tiny_run import tiny
from farframe.training.loop import train
from farframe.training.state import TrainingState
real = TrainingState.compile
# Inductor's C++ takes a minute: the eager backend traces the same graphs.
TrainingState.compile = lambda self: real(self, backend="eager")
train(tiny(steps=2, compile=True, **{WITH_EVALUATION!r}), Path({str(tmp_path / "compiled")!r}))
spare = tiny(steps=2, compile=True, activation_checkpointing=2, **{WITH_EVALUATION!r})
train(spare, Path({str(tmp_path / "spare")!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "recompile_limit" not in done.stderr
    train(tiny(steps=2, **WITH_EVALUATION), tmp_path / "plain")
    compiled, plain = contents(tmp_path / "compiled"), contents(tmp_path / "plain")
    assert compiled.keys() == plain.keys()
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-4, atol=1e-5)
    load(tmp_path / "compiled")
    spare = contents(tmp_path / "spare")
    for name, value in plain.items():
        torch.testing.assert_close(spare[name], value, rtol=1e-4, atol=1e-5)


# -- what can't be ------------------------------------------------------------------------------


def refused(config: RunConfig, out: Path, message: str, **options: Any) -> None:
    before = sorted(out.rglob("*")) if out.exists() else None
    with pytest.raises(ValueError, match=message) as error:
        train(config, out, **options)
    assert "\n" not in str(error.value)
    assert (sorted(out.rglob("*")) if out.exists() else None) == before


def test_a_folder_with_a_run_is_not_overwritten(trained: tuple[Path, Heard]) -> None:
    refused(tiny(), trained[0], "already holds a run: go on with --resume, or choose another")


def test_no_validation_clips(tmp_path: Path) -> None:
    refused(
        tiny(**EVALUATED, data={"clips": 2}),
        tmp_path / "run",
        r"no clips to evaluate on: .*--train\.evaluate-every 0 .*--data\.split time",
    )


def test_validation_clips_too_short(tmp_path: Path) -> None:
    refused(
        tiny(evaluate_every=2, evaluate_horizon=20),
        tmp_path / "run",
        r"no clips to evaluate on: .*--train\.evaluate-horizon \(now 20\)",
    )


def test_data_without_the_models_actions(tmp_path: Path) -> None:
    config = tiny()
    config = replace(config, model=replace(config.model, action_dim=5))
    refused(config, tmp_path / "run", r"model\.action_dim is 5: must be 0")


def test_missing_data_and_devices(tmp_path: Path) -> None:
    refused(tiny(data={"path": str(tmp_path / "no")}), tmp_path / "run", "no does not exist")
    refused(tiny(device="cuda:7"), tmp_path / "run", "device is 'cuda:7'")


def test_folders_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(ValueError, match=rf"--out {out} can't be written"):
            train(tiny(), out)


def test_two_trainings_in_one_folder(tmp_path: Path) -> None:
    def second() -> None:
        mine = f"another training \\(process {os.getpid()}\\) is writing there"
        refused(tiny(), tmp_path, mine)
        refused(tiny(), tmp_path, mine, resume=True)

    heard = Heard(at={2: second})
    train(tiny(), tmp_path, reporter=heard)
    assert heard.at == {}


def test_locks_of_dead_processes_do_not_hold(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("999999")
    train(tiny(steps=1), tmp_path)


def test_a_folder_without_checkpoints_may_begin_anew(tmp_path: Path) -> None:
    """A first attempt that ran out of memory must not block the second."""
    with pytest.raises(RuntimeError, match="stop"):
        train(tiny(log_every=1), tmp_path, reporter=Heard(at={3: raiser(RuntimeError("stop"))}))
    assert [x["step"] for x in lines(tmp_path)] == [1, 2]
    train(tiny(seed=3, steps=2, log_every=1), tmp_path)
    assert load_config(tmp_path).train.seed == 3
    assert [x["step"] for x in lines(tmp_path)] == [1, 2]
    assert [e.step for e in events(tmp_path).Scalars("lr/all")] == [1, 2]


# -- when what is due ----------------------------------------------------------------------------


def test_cadence_follows_steps() -> None:
    config = tiny(steps=7, log_every=2, checkpoint_every=3, **EVALUATED | {"evaluate_every": 4})
    due = {n: Cadence(config.train, World()).due(n, False) for n in range(1, 8)}
    assert [n for n, d in due.items() if d.log] == [2, 4, 6, 7]
    assert [n for n, d in due.items() if d.evaluate] == [4, 7]
    assert [n for n, d in due.items() if d.save] == [3, 6, 7]
    assert not any(d.stop for d in due.values())


def test_cadence_stops_with_a_save_and_without_evaluation() -> None:
    cadence = Cadence(tiny(steps=7, **EVALUATED).train, World())
    assert cadence.due(2, True) == Due(log=True, evaluate=False, save=True, stop=True)
    assert cadence.due(7, True) == Due(log=True, evaluate=False, save=True, stop=False)


def test_cadence_follows_the_clock_too(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("farframe.training.loop.time.monotonic", lambda: now[0])
    cadence = Cadence(
        tiny(steps=70, checkpoint_every=50, checkpoint_secs=60.0).train, World(), 100.0
    )
    saves: list[int] = []
    for step in range(1, 61):
        now[0] += 10.0 if step < 20 else 1.0
        if cadence.due(step, False).save:
            saves.append(step)
    assert saves == [6, 12, 18, 50]  # the one by steps restarts the clock


def test_cadence_of_no_steps_is_that_of_the_clock() -> None:
    cadence = Cadence(tiny(steps=70, checkpoint_every=0).train, World())
    assert [n for n in range(1, 71) if cadence.due(n, False).save] == [70]


def test_events_go_where_they_are_wanted(tmp_path: Path) -> None:
    for steps in (2, 4):
        run, logs = tmp_path / "run", tmp_path / "far" / "logs"
        train(tiny(steps=steps), run, resume=steps > 2, logs=logs)
    assert not (run / "logs").exists()
    events = EventAccumulator(str(logs))
    events.Reload()
    assert [e.step for e in events.Scalars("loss/van_on_enc")] == [2, 4]
    assert [line["step"] for line in lines(run)] == [2, 4]


# -- how it ends ---------------------------------------------------------------------------------


def raiser(error: BaseException) -> Callable[[], None]:
    def function() -> None:
        raise error

    return function


@dataclass(frozen=True, kw_only=True)
class Poisoned(EPEV):
    """Its first loss is not a number at iteration ``at``."""

    at: int = 0
    value: float = float("nan")

    def __post_init__(self) -> None:
        pass

    def updates(self, nets: Networks, batch: Batch, step: int) -> list[Update]:
        updates = super().updates(nets, batch, step)
        if step == self.at:
            updates[0].losses["van_on_enc"] = updates[0].losses["van_on_enc"] * self.value
        return updates


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("at", "safe"), [(0, None), (1, None), (2, 2), (4, 4)], ids=lambda x: str(x)
)
def test_non_finite_losses_stop(at: int, safe: int | None, value: float, tmp_path: Path) -> None:
    """The first bad step is named, whenever it is noticed; poisoned weights are never saved."""
    config = tiny(steps=8, log_every=5, checkpoint_every=2)
    with pytest.raises(TrainingError) as error:
        train(replace(config, mode=Poisoned(at=at, value=value)), tmp_path)
    message = str(error.value)
    assert f"step {at + 1}, mode epev: a loss is not finite (van_on_enc {value}" in message
    assert ", enc_pred " in message
    assert "\n" not in message
    assert [c.step for c in checkpoint.checkpoints(tmp_path)][:1] == ([safe] if safe else [])
    if safe:
        assert str(checkpoint.latest(tmp_path).path) in message
        assert all(bool(v.isfinite().all()) for v in contents(tmp_path).values())
    else:
        assert "there is no checkpoint yet" in message


def test_non_finite_weights_are_not_saved(tmp_path: Path) -> None:
    """A gradient that is not finite poisons weights one step before a loss shows it."""
    heard = Heard()
    real = TrainingState.step

    def poisoning(self: TrainingState, batch: Batch) -> list[Update]:
        updates = real(self, batch)
        if self.done == 4:
            with torch.no_grad():
                self.model.predictor.back_connect_init[0] = float("nan")
        return updates

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingState, "step", poisoning)
        with pytest.raises(TrainingError, match="step 4, mode epev: a weight is not finite"):
            train(tiny(steps=6, checkpoint_every=2), tmp_path, reporter=heard)
    assert checkpoint.latest(tmp_path).step == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_after_the_step_with_a_checkpoint(number: int, tmp_path: Path) -> None:
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    heard = Heard(at={3: lambda: os.kill(os.getpid(), number)})
    with pytest.raises(Interrupted) as stop:
        train(tiny(steps=6), tmp_path, reporter=heard)
    path = tmp_path / "checkpoints" / "step-000000003"
    assert (stop.value.step, stop.value.path, stop.value.signal) == (3, path, number)
    assert str(stop.value) == (f"stopped at step 3, checkpoint {path}; continue with --resume")
    assert checkpoint.latest(tmp_path).path == path
    assert lines(tmp_path)[-1]["step"] == 3
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before
    assert train(tiny(steps=6), tmp_path, resume=True).step == 6


def test_a_signal_during_a_save_does_not_break_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fsync, list[int]()

    def interrupted(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 3:  # config.json's, then the checkpoint's
            os.kill(os.getpid(), signal.SIGTERM)
        real(handle)

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(Interrupted) as stop:
        train(tiny(steps=6, checkpoint_every=2), tmp_path)
    assert stop.value.step == 3
    assert [c.step for c in checkpoint.checkpoints(tmp_path)] == [3, 2]
    for found in checkpoint.checkpoints(tmp_path):
        checkpoint.verify(found.path)


def test_training_in_a_thread_installs_no_handlers(tmp_path: Path) -> None:
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(train(tiny(), tmp_path).step))
    thread.start()
    thread.join()
    assert results == [4]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "the GPU's memory is too small"),
        (MemoryError(), "^memory is too small .*--data.batch-size"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            "^memory is too small .*--data.batch-size",
        ),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/x/metrics.jsonl"),
            r"the disk is full .* /x/metrics.jsonl: .*--train.keep-checkpoints.*--resume",
        ),
    ],
)
def test_exhaustion_is_explained(error: Exception, message: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=message) as told:
        train(tiny(), tmp_path, reporter=Heard(at={3: raiser(error)}))
    assert "\n" not in str(told.value)


def test_a_full_disk_while_saving_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    heard = Heard(at={3: lambda: monkeypatch.setattr(os, "fsync", full)})
    with pytest.raises(TrainingError, match="the disk is full"):
        train(tiny(steps=6, checkpoint_every=2), tmp_path, reporter=heard)
    monkeypatch.undo()
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-000000002"]
    assert train(tiny(steps=6, checkpoint_every=2), tmp_path, resume=True).step == 6


def test_other_errors_are_not_disguised(tmp_path: Path) -> None:
    for error in (RuntimeError("shape mismatch"), PermissionError(errno.EACCES, "denied")):
        with pytest.raises(type(error), match=r"shape mismatch|denied"):
            train(tiny(), tmp_path, reporter=Heard(at={1: raiser(error)}))


# -- what it says --------------------------------------------------------------------------------


def test_console_without_a_terminal_is_plain(tmp_path: Path) -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=False, width=40)
    train(tiny(steps=3), tmp_path, reporter=ConsoleReporter(console))
    said = text.getvalue().splitlines()
    assert len(said) == 4  # the next step would come ten seconds later, the last always
    assert said[0].startswith(f"tiny (epev) in {tmp_path}: starting at step 0 of 3; ")
    assert " of memory for 2 clips x 4 frames: " in said[1]
    assert said[2].startswith("step 2/3  van_on_enc 0.")
    assert said[3].startswith("step 3/3  van_on_enc 0.")
    assert "f/s" in said[3]
    assert "\x1b" not in text.getvalue()


def test_console_on_a_terminal_has_a_bar(tmp_path: Path) -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=120)
    train(tiny(steps=3), tmp_path, reporter=ConsoleReporter(console))
    assert "3/3" in text.getvalue()
    assert "van_on_enc 0." in text.getvalue()
    assert text.getvalue().count("\x1b[?25l") == text.getvalue().count("\x1b[?25h") == 1
