"""FVD and the network and the distance it is made of, each against an independent computation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from scipy.linalg import sqrtm

from farframe.evaluation.frechet import Moments, frechet_distance
from farframe.evaluation.fvd import FVD, check_clips, pieces, prepared
from farframe.evaluation.i3d import I3D, PLAYING_CRICKET
from farframe.interop.feature_cache import I3D as KEPT

UNITS = ["Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3"]
MIXED = [f"Mixed_{n}" for n in ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")]
BRANCHES = ["0.Conv3d_0a_1x1", "1.Conv3d_0a_1x1", "1.Conv3d_0b_3x3", "2.Conv3d_0a_1x1"]
BRANCHES += ["2.Conv3d_0b_3x3", "3.Conv3d_0b_1x1"]
CLASSES = 5


def random_tensors() -> dict[str, torch.Tensor]:
    """Weights of an I3D two channels wide: its units in the authors' order."""
    generator = torch.Generator().manual_seed(1)
    tensors: dict[str, torch.Tensor] = {}

    def unit(name: str, c_in: int, size: int) -> None:
        weight = torch.randn(2, c_in, size, size, size, generator=generator)
        tensors[f"{name}.weight"] = weight / (c_in * size**3 / 3) ** 0.5
        tensors[f"{name}.bias"] = torch.randn(2, generator=generator) / 5
        tensors[f"{name}.mean"] = torch.randn(2, generator=generator) / 5
        tensors[f"{name}.var"] = 0.5 + torch.rand(2, generator=generator)

    for name, c_in, size in zip(UNITS, (3, 2, 2), (7, 1, 3), strict=True):
        unit(name, c_in, size)
    for n, name in enumerate(MIXED):
        wide = 8 if n else 2
        for branch in BRANCHES:
            size = 3 if "3x3" in branch else 1
            unit(f"{name}.Branch_{branch}", 2 if size == 3 else wide, size)
    logits = torch.randn(CLASSES, 8, 1, 1, 1, generator=generator)
    tensors["Logits.Conv3d_0c_1x1.weight"] = logits
    tensors["Logits.Conv3d_0c_1x1.bias"] = torch.arange(CLASSES, dtype=torch.float32)
    return tensors


def same(n: int, k: int, s: int) -> tuple[int, int]:
    total = max((int(np.ceil(n / s)) - 1) * s + k - n, 0)
    return total // 2, total - total // 2


class Reference:
    """I3D in numpy, from its description: nothing folded, every step by itself."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self.w = {name: value.double().numpy() for name, value in tensors.items()}

    def unit(self, x: np.ndarray, name: str, s: int = 1) -> np.ndarray:
        weight = self.w[f"{name}.weight"]
        k = weight.shape[-1]
        sizes = [int(np.ceil(n / s)) for n in x.shape[1:]]
        x = np.pad(x, ((0, 0), *(same(n, k, s) for n in x.shape[1:])))
        out = np.zeros((len(weight), *sizes))
        for offset in np.ndindex(k, k, k):
            parts = (slice(o, o + (n - 1) * s + 1, s) for o, n in zip(offset, sizes, strict=True))
            out += np.tensordot(weight[:, :, *offset], x[:, *parts], 1)
        mean, var, bias = (
            self.w[f"{name}.{part}"][:, None, None, None] for part in ("mean", "var", "bias")
        )
        return np.maximum((out - mean) / np.sqrt(var + 1e-3) + bias, 0)

    def pool(self, x: np.ndarray, k: tuple[int, ...], s: tuple[int, ...]) -> np.ndarray:
        pads = [same(n, size, step) for n, size, step in zip(x.shape[1:], k, s, strict=True)]
        x = np.pad(x, ((0, 0), *pads), constant_values=-np.inf)
        windows = np.lib.stride_tricks.sliding_window_view(x, k, (1, 2, 3))
        return windows[:, :: s[0], :: s[1], :: s[2]].max((4, 5, 6))

    def mixed(self, x: np.ndarray, name: str) -> np.ndarray:
        a, b, c, d, e, f = (f"{name}.Branch_{branch}" for branch in BRANCHES)
        pooled = self.pool(x, (3, 3, 3), (1, 1, 1))
        middle = (self.unit(self.unit(x, b), c), self.unit(self.unit(x, d), e))
        return np.concatenate([self.unit(x, a), *middle, self.unit(pooled, f)])

    def logits(self, x: np.ndarray) -> np.ndarray:
        x = self.pool(self.unit(x, UNITS[0], 2), (1, 3, 3), (1, 2, 2))
        x = self.unit(self.unit(x, UNITS[1]), UNITS[2])
        x = self.pool(x, (1, 3, 3), (1, 2, 2))
        for name in MIXED:
            if name == "Mixed_4b":
                x = self.pool(x, (3, 3, 3), (2, 2, 2))
            if name == "Mixed_5b":
                x = self.pool(x, (2, 2, 2), (2, 2, 2))
            x = self.mixed(x, name)
        assert x.shape[2:] == (7, 7)
        pooled = np.stack([x[:, t : t + 2].mean((1, 2, 3)) for t in range(x.shape[1] - 1)])
        weight = self.w["Logits.Conv3d_0c_1x1.weight"][:, :, 0, 0, 0]
        return (pooled @ weight.T + self.w["Logits.Conv3d_0c_1x1.bias"]).mean(0)


def test_i3d_equals_an_independent_computation() -> None:
    tensors = random_tensors()
    clip = torch.rand(1, 3, 10, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = I3D.folded(tensors, torch.device("cpu"))(clip)
    assert found.shape == (1, CLASSES)
    expected = Reference(tensors).logits(clip[0].double().numpy())
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-3, atol=1e-4)
    assert np.ptp(expected) > 0.1


def test_frames_are_prepared_as_the_published_code_does() -> None:
    """TensorFlow 1's resize_bilinear, pixel by pixel: no half-pixel centres, edges repeated."""
    frames = torch.rand(1, 1, 3, 20, 32)
    found = prepared(frames)[0, :, 0]
    levels = np.round(frames[0, 0].double().numpy() * 255)
    for y, x in [(0, 0), (223, 223), (1, 100), (117, 64), (220, 3)]:
        v, u = y * 20 / 224, x * 32 / 224
        y0, x0 = int(v), int(u)
        y1, x1 = min(y0 + 1, 19), min(x0 + 1, 31)
        top = levels[:, y0, x0] * (1 - u + x0) + levels[:, y0, x1] * (u - x0)
        below = levels[:, y1, x0] * (1 - u + x0) + levels[:, y1, x1] * (u - x0)
        expected = 2 * (top * (1 - v + y0) + below * (v - y0)) / 255 - 1
        np.testing.assert_allclose(found[:, y, x].numpy(), expected, atol=1e-5)


# -- the distance ------------------------------------------------------------------------------


def gaussians(n: int, f: int, seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(f, f)) / np.sqrt(f)
    return torch.from_numpy(rng.normal(size=(n, f)) @ mixing + rng.normal(size=f) / 3)


@pytest.mark.parametrize(("n", "f"), [(50, 3), (200, 20), (400, 60)])
def test_the_distance_equals_scipys(n: int, f: int) -> None:
    a, b = gaussians(n, f, 0), gaussians(n + 7, f, 1)
    found = frechet_distance(Moments.of(a), Moments.of(b))
    first, second = (np.cov(x.numpy(), rowvar=False) for x in (a, b))
    root = sqrtm(first @ second)
    assert np.abs(root.imag).max() < 1e-6
    apart = ((a.mean(0) - b.mean(0)) ** 2).sum().item()
    expected = apart + np.trace(first + second - 2 * root.real)
    assert found == pytest.approx(expected, rel=1e-7)


def test_the_distance_where_the_answer_is_known() -> None:
    a = gaussians(30, 100, 0)  # singular: fewer clips than features
    same_moments = Moments.of(a)
    assert frechet_distance(same_moments, same_moments) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(same_moments, Moments.of(a + 2)) == pytest.approx(400, rel=1e-6)
    # half the spread: tr(S) (1 - 1/2)^2
    half = Moments.of(a.mean(0) + (a - a.mean(0)) / 2)
    expected = same_moments.covariance.trace().item() / 4
    assert frechet_distance(same_moments, half) == pytest.approx(expected, rel=1e-6)


def test_moments_come_in_parts() -> None:
    a = gaussians(40, 6, 2) * 1e-3 + 1e4  # a mean that would swamp sums of squares
    merged = Moments.of(a[:1]).merged(Moments.of(a[1:17])).merged(Moments.of(a[17:]))
    whole = Moments.of(a)
    assert merged.count == 40
    torch.testing.assert_close(merged.mean, whole.mean)
    torch.testing.assert_close(merged.covariance, whole.covariance, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(whole.covariance.numpy(), np.cov(a.numpy(), rowvar=False), rtol=1e-6)


# -- putting it together -------------------------------------------------------------------------


def test_fvd_compares_pieces_of_many_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for the network whose features are known: the clip's mean colours."""

    class Means(I3D):
        def __call__(self, clips: torch.Tensor) -> torch.Tensor:
            return clips.mean((2, 3, 4))

    monkeypatch.setattr("farframe.evaluation.fvd.SIZE", 14)
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(80, 22, 3, 8, 8, generator=generator)
    late = truth.clone()
    late[:, 10:] = late[:, 10:] * 0.5  # wrong from frame 11 on
    fvd = FVD(Means({}, ""), pieces(22, 10), batch_size=7)
    for start in range(0, 80, 32):
        fvd.add("truth", truth[start : start + 32])
        fvd.add("model", late[start : start + 32])
    first, second = fvd.distances("model")
    assert first == pytest.approx(0, abs=1e-6)
    assert second > 0.1
    features = [Means({}, "")(prepared(x[:, 10:20])) for x in (truth, late)]
    assert second == pytest.approx(frechet_distance(*map(Moments.of, features)), rel=1e-6)


def test_what_is_no_fvd_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pieces(40, 0) == (range(40),)
    assert pieces(40, 16) == (range(16), range(16, 32))
    for horizon, frames, words in [
        (9, 0, "FVD of 9 frames with a horizon of 9: I3D needs 10"),
        (20, 30, "FVD of 30 frames with a horizon of 20"),
        (1000, 0, "FVD of 1000 frames at once: give --fvd-frames 16"),
    ]:
        with pytest.raises(ValueError, match=words):
            pieces(horizon, frames)
    check_clips(64)
    with pytest.raises(ValueError, match="FVD of 63 clips would be a number about the sample"):
        check_clips(63)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ValueError, match="farframe weights get i3d"):
        I3D.load(torch.device("cpu"))


def test_the_authors_clip_is_cricket() -> None:
    """Only where the real weights are in the user's cache and the clip beside the checkout."""
    folders = (p / "shared" / "samples" for p in Path(__file__).resolve().parents)
    clip = next((f / "cricket.gif" for f in folders if (f / "cricket.gif").is_file()), None)
    if clip is None or not KEPT.files[0].path.is_file():
        pytest.skip("needs `farframe weights get i3d` and the I3D authors' example clip")
    with Image.open(clip) as film:
        pictures = [np.array(p.convert("RGB")) for p in ImageSequence.Iterator(film)]
    frames = torch.from_numpy(np.stack(pictures[20:60])).permute(3, 0, 1, 2)[None]
    shares = I3D.load(torch.device("cpu"))(frames.float() / 127.5 - 1).softmax(1)[0]
    assert int(shares.argmax()) == PLAYING_CRICKET
    assert shares.max() > 0.98
