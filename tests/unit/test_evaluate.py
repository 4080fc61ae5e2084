"""Evaluation: curves that are means over clips of per-frame values, and the table made of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from farframe.config import ModelConfig
from farframe.data.clips import ClipWindows
from farframe.data.reader import collate
from farframe.data.splits import Segment
from farframe.evaluation.evaluate import Evaluation, evaluate_model
from farframe.evaluation.measure import predict_clips
from farframe.evaluation.metrics import METRICS, PSNR_CAP
from farframe.evaluation.stored_json import write_json
from farframe.evaluation.table import table
from farframe.evaluation.tally import Tally
from farframe.models.hierarchical import HierarchicalModel
from farframe.types import Clip, Prediction
from farframe.worlds.shapes import ShapesSource

CONTEXT, HORIZON = 2, 6
CONFIG = ModelConfig(
    frame_size=32,
    width=2,
    enc_size=4,
    action_dim=0,
    context_frames=CONTEXT,
    encoder="conv",
    pred_cells=3,
)


@pytest.fixture(scope="module")
def windows() -> ClipWindows:
    source = ShapesSource(clips=5, length=12, frame_size=32, seed=0)
    return ClipWindows(source, [Segment(i, 0, 12) for i in range(5)], CONTEXT + HORIZON + 1)


@pytest.fixture(scope="module")
def model() -> HierarchicalModel:
    torch.manual_seed(0)
    return HierarchicalModel(CONFIG).eval()


INDICES = (0, 7, 3, 12)


def evaluate(model: HierarchicalModel, windows: ClipWindows, **changes: Any) -> Evaluation:
    asked = {"indices": INDICES, "context": CONTEXT, "horizon": HORIZON, "batch_size": 3}
    return evaluate_model(model, windows, **(asked | changes))


def test_curves_are_means_over_clips_of_per_frame_values(
    model: HierarchicalModel, windows: ClipWindows
) -> None:
    measured = evaluate(model, windows)
    ids = "".join(f"{windows[i].id}\n" for i in INDICES)
    assert measured.ids == hashlib.sha256(ids.encode()).hexdigest()
    assert (measured.clips, measured.horizon, measured.context) == (4, HORIZON, CONTEXT)
    for name, metric in METRICS.items():
        mine: list[torch.Tensor] = []
        copied: list[torch.Tensor] = []
        for index in INDICES:
            frames = collate([windows[index]]).images()
            truth = frames[:, CONTEXT : CONTEXT + HORIZON]
            predicted = model.predict(frames[:, :CONTEXT], horizon=HORIZON).frames
            mine.append(metric(predicted, truth))
            copied.append(metric(frames[:, [CONTEXT - 1] * HORIZON], truth))
        expected, expected_copy = (torch.cat(x).double() for x in (mine, copied))
        np.testing.assert_allclose(
            measured.tally.mean(f"model/{name}"), expected.mean(0), rtol=1e-4, atol=1e-6
        )
        np.testing.assert_allclose(
            measured.tally.mean(f"copy_last/{name}"), expected_copy.mean(0), rtol=1e-5
        )
        if name == "psnr":
            np.testing.assert_allclose(measured.scores, expected.mean(1), rtol=1e-4)
    np.testing.assert_array_equal(measured.psnr, measured.tally.mean("model/psnr"))
    np.testing.assert_array_equal(measured.ssim_copy_last, measured.tally.mean("copy_last/ssim"))


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_the_batch_size_changes_nothing(
    batch_size: int, model: HierarchicalModel, windows: ClipWindows
) -> None:
    one, other = (evaluate(model, windows, batch_size=n) for n in (2, batch_size))
    np.testing.assert_allclose(one.psnr, other.psnr, rtol=1e-5)
    np.testing.assert_allclose(one.ssim, other.ssim, rtol=1e-4, atol=1e-6)
    assert one.ids == other.ids


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(
    training: bool, model: HierarchicalModel, windows: ClipWindows
) -> None:
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    model.train(training)
    try:
        evaluate(model, windows)
        assert model.training is training
        assert model.decoder.training is training
    finally:
        model.eval()
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name])


class Oracle(HierarchicalModel):
    """Knows every clip; ``wrong`` replaces what it says about one frame."""

    def __init__(self, windows: ClipWindows, wrong: float | None = None) -> None:
        super().__init__(CONFIG)
        self.known = {c.frames[:CONTEXT].tobytes(): c for c in map(windows.__getitem__, INDICES)}
        self.wrong = wrong

    def predict(  # type: ignore[override]
        self, frames: torch.Tensor, actions: object = None, *, horizon: int
    ) -> Prediction:
        clips = [self.known[f.numpy().tobytes()] for f in frames]
        future = collate(clips).images()[:, CONTEXT : CONTEXT + horizon].clone()
        if self.wrong is not None:
            future[-1, 2] = self.wrong
        return Prediction(
            frames=future,
            masks=torch.zeros(len(future), horizon, 1, 32, 32),
            enc_pred=torch.zeros(len(future), horizon, 4),
            times=tuple(range(1, horizon + 1)),
        )


def test_an_oracle_is_perfect(windows: ClipWindows) -> None:
    measured = evaluate(Oracle(windows), windows)
    np.testing.assert_array_equal(measured.psnr, PSNR_CAP)
    np.testing.assert_allclose(measured.ssim, 1, atol=1e-6)
    assert (measured.psnr_copy_last < 30).all()


def test_predictions_that_are_not_finite_are_an_error(windows: ClipWindows) -> None:
    with pytest.raises(ValueError, match=r"predicted frame 3 of clip shapes-\S+@3 is not finite"):
        evaluate(Oracle(windows, wrong=float("nan")), windows)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"horizon": 40}, r"clips of 42 frames \(context 2 \+ horizon 40\), .* windows have 9"),
        ({"indices": ()}, "evaluation clips is 0: must be >= 1"),
        ({"batch_size": 0}, "batch_size is 0: must be >= 1"),
    ],
)
def test_what_cannot_be_measured_is_an_error(
    changes: dict[str, Any], words: str, model: HierarchicalModel, windows: ClipWindows
) -> None:
    with pytest.raises(ValueError, match=words):
        evaluate(model, windows, **changes)


def test_the_judge_sees_the_last_predicted_frame_and_its_labels(windows: ClipWindows) -> None:
    seen: list[tuple[np.ndarray, Mapping[str, np.ndarray]]] = []

    def judge(frames: np.ndarray, labels: Mapping[str, np.ndarray]) -> dict[str, float]:
        seen.append((frames, labels))
        return {"right": 0.75 if len(frames) == 3 else 0.25}

    measured = evaluate(Oracle(windows), windows, judge=judge)
    assert measured.world == {"right": pytest.approx((3 * 0.75 + 0.25) / 4)}
    assert [len(frames) for frames, _ in seen] == [3, 1]  # batch by batch: nothing is kept
    clips = [windows[i] for i in INDICES]
    last = CONTEXT + HORIZON - 1
    frames = np.concatenate([frames for frames, _ in seen])
    np.testing.assert_array_equal(frames, np.stack([clip.frames[last] for clip in clips]))
    for name in ("kind", "colour", "position", "size", "mask"):
        labels = np.concatenate([labels[name] for _, labels in seen])
        np.testing.assert_array_equal(labels, [clip.labels[name][last] for clip in clips])


class Asked(Exception):  # noqa: N818
    """Raised by a spy, with the actions it was given."""


class Spy(HierarchicalModel):
    def predict(  # type: ignore[override]
        self, frames: torch.Tensor, actions: torch.Tensor | None = None, *, horizon: int
    ) -> Prediction:
        raise Asked(actions)


@pytest.mark.parametrize("action_dim", [0, 2])
def test_a_model_with_actions_is_given_those_of_the_clip(action_dim: int) -> None:
    clip = Clip(
        frames=np.zeros((9, 3, 32, 32), np.uint8),
        actions=np.arange(18, dtype=np.float32).reshape(9, 2),
        poses=np.zeros((9, 0), np.float32),
        fps=10.0,
        id="clip",
    )
    with pytest.raises(Asked) as caught:
        predict_clips(Spy(replace(CONFIG, action_dim=action_dim)), [clip], 2, 5)
    [given] = caught.value.args
    assert given is None if action_dim == 0 else given.tolist() == [clip.actions[:6].tolist()]


# -- the table ---------------------------------------------------------------------------------


def made(psnr: Sequence[float]) -> Evaluation:
    curve = np.asarray(psnr, np.float64)[None].repeat(9, 0)
    tally = Tally()
    tally.add({"model/psnr": curve, "copy_last/psnr": curve - 1, "model/mse": curve / 100})
    tally.add({"model/psnr": curve, "copy_last/psnr": curve - 1, "model/mse": curve / 100})
    return Evaluation(context=2, horizon=len(psnr), tally=tally, scores=curve.mean(1))


@pytest.mark.parametrize(
    ("horizon", "frames"),
    [
        (1, ["1"]),
        (3, ["1", "2", "3", "mean 1-3"]),
        (5, ["1", "2", "5", "mean 1-5"]),
        (20, ["1", "2", "5", "10", "20", "mean 1-5", "mean 6-20", "mean 1-20"]),
        (
            100,
            [
                *("1", "2", "5", "10", "20", "50", "100"),
                *("mean 1-5", "mean 6-20", "mean 1-20", "mean 21-100", "mean 1-100"),
            ],
        ),
    ],
)
def test_the_tables_rows(horizon: int, frames: list[str]) -> None:
    rows = table(made(range(1, horizon + 1)))
    assert [row.frames for row in rows if row.quantity == "psnr"] == frames
    assert [row.frames for row in rows if row.quantity == "mse"] == frames
    for row in rows:
        first, _, last = row.frames.removeprefix("mean ").partition("-")
        mean = (int(first) + int(last or first)) / 2
        if row.quantity == "mse":
            assert row.values["model"].mean == pytest.approx(mean / 100)
            assert row.gain is None
            continue
        assert row.values["model"].mean == pytest.approx(mean)
        assert row.values["copy_last"].mean == pytest.approx(mean - 1)
        assert row.gain is not None
        assert [row.gain.low, row.gain.mean, row.gain.high] == pytest.approx([1, 1, 1])


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    write_json(path, {"a": 1})
    assert json.loads(path.read_text()) == {"a": 1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["evaluation.json"]
