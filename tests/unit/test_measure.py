"""What is measured of a batch: baselines, samples, encodings and masks, each computed anew here."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from farframe.config import ModelConfig
from farframe.data.clips import ClipWindows
from farframe.data.reader import collate
from farframe.data.splits import Segment
from farframe.evaluation.evaluate import Evaluation, evaluate_model, redraw
from farframe.evaluation.fvd import FVD
from farframe.evaluation.i3d import I3D
from farframe.evaluation.measure import Measuring, measure_batch, predict_clips, seed_noise
from farframe.evaluation.metrics import METRICS, mse, psnr
from farframe.evaluation.subjects import BASELINES
from farframe.models.hierarchical import HierarchicalModel
from farframe.types import Clip, Prediction
from farframe.worlds.shapes import ShapesSource

CONTEXT, HORIZON = 3, 6
CONFIG = ModelConfig(
    frame_size=32,
    width=2,
    enc_size=4,
    action_dim=0,
    context_frames=2,
    encoder="conv",
    pred_cells=3,
)
NOISY = replace(CONFIG, pred_noise_std=30.0)


def model_of(config: ModelConfig) -> HierarchicalModel:
    torch.manual_seed(0)
    model = HierarchicalModel(config).eval()
    with torch.no_grad():
        model.predictor.out.weight *= 50  # random weights hardly move: samples would all look alike
    return model


@pytest.fixture(scope="module")
def windows() -> ClipWindows:
    source = ShapesSource(clips=4, length=20, frame_size=32, seed=0)
    return ClipWindows(source, [Segment(i, 0, 20) for i in range(4)], CONTEXT + HORIZON)


def measured(model: HierarchicalModel, clips: list[Clip], **changes: Any) -> dict[str, np.ndarray]:
    asked = {"baselines": tuple(BASELINES), "encodings": True} | changes
    return measure_batch(model, clips, CONTEXT, HORIZON, Measuring(**asked), 0).curves


@pytest.mark.parametrize(("anchor_frame", "drawn_from"), [("first", 0), ("last", CONTEXT - 1)])
def test_baselines_are_what_they_say(
    windows: ClipWindows, anchor_frame: Any, drawn_from: int
) -> None:
    model = model_of(replace(CONFIG, anchor_frame=anchor_frame))
    clips = [windows[0], windows[20]]
    curves = measured(model, clips)
    frames = collate(clips).images()
    truth = frames[:, CONTEXT:]
    with torch.no_grad():
        enc = model.encode(frames)
        anchor = model.anchor(frames[:, drawn_from], enc[:, drawn_from])
        ahead = torch.arange(1, HORIZON + 1)[None, :, None]
        extended = enc[:, 2:3] + ahead * (enc[:, 2:3] - enc[:, 1:2])
        shown = {
            "copy_last": frames[:, [2] * HORIZON],
            "context_mean": frames[:, :3].mean(1, keepdim=True).expand_as(truth),
            "linear": model.decode(anchor, extended).frames.clamp(0, 1),
            "oracle": model.decode(anchor, enc[:, 3:]).frames.clamp(0, 1),
        }
        prediction = model.predict(frames[:, :3], horizon=HORIZON)
        shown["model"] = model.decode(anchor, prediction.enc_pred).frames.clamp(0, 1)
    for name, pictures in shown.items():
        for quantity, metric in METRICS.items():
            expected = metric(pictures, truth).numpy()
            np.testing.assert_allclose(
                curves[f"{name}/{quantity}"], expected, rtol=1e-4, atol=1e-5, err_msg=name
            )
    encodings = {
        "copy_last": enc[:, 2:3],
        "linear": extended,
        "model": prediction.enc_pred,
    }
    for name, said in encodings.items():
        expected = (said - enc[:, 3:]).square().mean(2).numpy()
        np.testing.assert_allclose(curves[f"{name}/enc_mse"], expected, rtol=1e-3, atol=1e-9)
    assert "context_mean/enc_mse" not in curves
    assert "oracle/enc_mse" not in curves


def test_extrapolated_encodings_stay_on_the_sphere_where_the_models_do(
    windows: ClipWindows,
) -> None:
    model = model_of(replace(CONFIG, enc_norm="l2"))
    from farframe.evaluation.subjects import Scene, linear

    enc = linear(Scene.of(model, [windows[0]], CONTEXT, HORIZON)).enc
    assert enc is not None
    torch.testing.assert_close(enc().norm(dim=2), torch.ones(1, HORIZON))


@pytest.mark.parametrize(("anchor_frame", "drawn_from"), [("first", 0), ("last", CONTEXT - 1)])
def test_masks_are_held_against_the_labels(
    windows: ClipWindows, anchor_frame: Any, drawn_from: int
) -> None:
    model, clip = model_of(replace(CONFIG, anchor_frame=anchor_frame)), windows[3]
    curves = measured(model, [clip])
    drawn = predict_clips(model, [clip], CONTEXT, HORIZON).masks[0, :, 0].numpy() > 0.5
    truth = clip.labels["mask"] > 127
    for t in range(HORIZON):
        now = truth[CONTEXT + t]
        for name, area in {"mask_iou": now, "redrawn_iou": now | truth[drawn_from]}.items():
            expected = (drawn[t] & area).sum() / (drawn[t] | area).sum()
            assert curves[f"model/{name}"][0, t] == pytest.approx(expected, abs=1e-6)
    unlabelled = replace(clip, labels={})
    assert "model/mask_iou" not in measured(model, [unlabelled])


class Stranger(nn.Module):
    """A model of someone else's that draws masks, but has no encodings."""

    def __init__(self, model: HierarchicalModel) -> None:
        super().__init__()
        self.inner, self.config, self.device = model, model.config, model.device

    def predict(self, *args: Any, **kwargs: Any) -> Prediction:
        return self.inner.predict(*args, **kwargs)


def test_masks_of_any_model_are_measured(windows: ClipWindows) -> None:
    model, clips = model_of(CONFIG), [windows[3]]
    asked = Measuring(baselines=("copy_last",), encodings=False)
    found = measure_batch(Stranger(model), clips, CONTEXT, HORIZON, asked, 0).curves
    expected = measured(model, clips)
    for name in ("psnr", "mask_iou", "redrawn_iou"):
        np.testing.assert_array_equal(found[f"model/{name}"], expected[f"model/{name}"])


def test_several_samples_have_a_best_a_mean_and_a_worst(windows: ClipWindows) -> None:
    model, clips, count = model_of(NOISY), [windows[0], windows[20]], 4
    curves = measured(model, clips, samples=count, seed=7)
    truth = collate(clips).images()[:, CONTEXT:]
    drawn: list[torch.Tensor] = []
    for sample in range(count):
        seed_noise(7, 0, sample)
        drawn.append(predict_clips(model, clips, CONTEXT, HORIZON).frames)
    for name, metric in {"psnr": psnr, "mse": mse}.items():
        values = torch.stack([metric(frames, truth) for frames in drawn]).double().numpy()
        np.testing.assert_allclose(curves[f"model/{name}"], values.mean(0), rtol=1e-4)
        ranked = values.mean(2).argsort(0) if name == "psnr" else (-values.mean(2)).argsort(0)
        for clip in range(2):
            worst, best = ranked[0, clip], ranked[-1, clip]
            for subject, sample in {"model_best": best, "model_worst": worst}.items():
                np.testing.assert_allclose(
                    curves[f"{subject}/{name}"][clip], values[sample, clip], rtol=1e-4
                )
        assert (values.std(0) > 0).any()
    pairs = [(a, b) for a in range(count) for b in range(a)]
    apart = torch.stack([mse(drawn[a], drawn[b]) for a, b in pairs]).mean(0)
    np.testing.assert_allclose(curves["model/diversity"], apart.numpy(), rtol=1e-3, atol=1e-9)


def test_diversity_in_lpips_is_that_of_consecutive_samples(windows: ClipWindows) -> None:
    model, clip = model_of(NOISY), windows[0]
    metrics = {**METRICS, "lpips": mse}  # any distance will do
    curves = measured(model, [clip], samples=3, metrics=metrics)
    drawn: list[torch.Tensor] = []
    for sample in range(3):
        seed_noise(0, 0, sample)
        drawn.append(predict_clips(model, [clip], CONTEXT, HORIZON).frames)
    expected = (mse(drawn[1], drawn[0]) + mse(drawn[2], drawn[1])) / 2
    np.testing.assert_allclose(curves["model/diversity_lpips"], expected.numpy(), rtol=1e-4)


def evaluated(model: HierarchicalModel, windows: ClipWindows, **changes: Any) -> Evaluation:
    indices = list(range(0, len(windows), 5))
    asked = {"indices": indices, "context": CONTEXT, "horizon": HORIZON, "batch_size": 3}
    return evaluate_model(model, windows, **(asked | changes))


def test_a_stochastic_model_is_measured_the_same_twice_and_leaves_no_trace(
    windows: ClipWindows,
) -> None:
    model = model_of(NOISY)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one, other = (evaluated(model, windows, what=Measuring(seed=3)) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(one.psnr, other.psnr)
    seeded = evaluated(model, windows, what=Measuring(seed=4))
    assert (seeded.psnr != one.psnr).any()


def test_a_clip_is_drawn_again_as_it_was_measured(windows: ClipWindows) -> None:
    model = model_of(NOISY)
    evaluation = evaluated(model, windows, what=Measuring(seed=3))
    indices = list(range(0, len(windows), 5))
    for number in (0, 4, len(indices) - 1):
        clip, drawn = redraw(model, windows, indices, number, evaluation, batch_size=3)
        assert clip.id == windows[indices[number]].id
        truth = collate([clip]).images()[:, CONTEXT:]
        found = psnr(drawn.frames, truth).mean().item()
        assert found == pytest.approx(evaluation.scores[number], rel=1e-5)


def test_fvd_sees_the_first_sample_the_truth_and_every_baseline(windows: ClipWindows) -> None:
    class Means(I3D):
        def __call__(self, clips: torch.Tensor) -> torch.Tensor:
            return clips.mean((2, 3, 4))

    class Spy(FVD):
        def add(self, name: str, frames: torch.Tensor) -> None:
            seen.setdefault(name, frames)

    for with_context in (False, True):
        seen: dict[str, torch.Tensor] = {}
        spy = Spy(Means({}, ""), [range(10)])
        model, clip = model_of(NOISY), windows[0]
        curves = measured(model, [clip], samples=2, fvd=spy, fvd_context=with_context)
        assert seen.keys() == {"truth", "model", *BASELINES}
        given = CONTEXT if with_context else 0
        frames = collate([clip]).images()
        torch.testing.assert_close(seen["truth"], frames[:, CONTEXT - given :])
        for name in seen:
            assert torch.equal(seen[name][:, :given], frames[:, :given])
        seed_noise(0, 0, 0)
        first = predict_clips(model, [clip], CONTEXT, HORIZON).frames
        torch.testing.assert_close(seen["model"][:, given:], first)
        copied = psnr(seen["copy_last"][:, given:], frames[:, CONTEXT:])
        np.testing.assert_allclose(curves["copy_last/psnr"], copied.numpy(), rtol=1e-5)


def test_memory_does_not_grow_with_the_number_of_clips() -> None:
    source = ShapesSource(clips=100, length=9, frame_size=32, seed=0)
    windows = ClipWindows(source, [Segment(i, 0, 9) for i in range(100)], 9)
    model = model_of(CONFIG)

    def peak(clips: int) -> int:
        indices = windows.spread(clips)
        tracemalloc.start()
        what = Measuring(baselines=tuple(BASELINES), replicates=100, encodings=True)
        evaluated(model, windows, indices=indices, batch_size=4, what=what)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(8)  # what is loaded and kept the first time
    assert peak(40) < 1.1 * peak(8) + 4096
