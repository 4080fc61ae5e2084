"""LPIPS against an independent computation, and the authors' numbers where the weights are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.signal import correlate
from skimage.measure import block_reduce

from farframe.evaluation.lpips import AT_ONCE, LPIPS, Net
from farframe.interop.feature_cache import LPIPS as KEPT

ALEX = [(11, 3, 6), (5, 6, 5), (3, 5, 4), (3, 4, 4), (3, 4, 3)]  # kernel, channels in and out
VGG = [2, 2, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5, 5]  # channels out


def network(net: Net) -> LPIPS:
    """A narrow one with random weights."""
    generator = torch.Generator().manual_seed(3)
    sizes = ALEX if net == "alex" else [(3, i, o) for i, o in zip([3, *VGG[:-1]], VGG, strict=True)]
    tensors: dict[str, torch.Tensor] = {}
    for n, (k, i, o) in enumerate(sizes):
        weight = torch.randn(o, i, k, k, generator=generator)
        tensors[f"conv.{n}.weight"] = weight / (i * k * k) ** 0.5
        tensors[f"conv.{n}.bias"] = torch.randn(o, generator=generator) / 10
    taps = range(5) if net == "alex" else (1, 3, 6, 9, 12)
    for n, tap in enumerate(taps):
        tensors[f"head.{n}"] = torch.rand(sizes[tap][2], generator=generator)
    return LPIPS(net, tensors)


def conv(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int, pad: int) -> np.ndarray:
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    out = np.stack([correlate(x, w, "valid")[0] for w in weight])[:, ::stride, ::stride]
    return np.maximum(out + bias[:, None, None], 0)


def pool(x: np.ndarray, size: int, stride: int) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))
    return windows[:, ::stride, ::stride].max((3, 4))


def reference(net: LPIPS, a: np.ndarray, b: np.ndarray) -> float:
    """The distance of two pictures "c h w" in [0, 1], step by step in numpy's float64."""
    w = {name: value.double().numpy() for name, value in net.tensors.items()}
    layers: list[list[np.ndarray]] = []
    for picture in (a, b):
        x = (2 * picture - 1) - np.array([-0.030, -0.088, -0.188])[:, None, None]
        x = x / np.array([0.458, 0.448, 0.450])[:, None, None]
        found: list[np.ndarray] = []
        for n in range(5 if net.net == "alex" else 13):
            weights = w[f"conv.{n}.weight"], w[f"conv.{n}.bias"]
            if net.net == "alex":
                x = pool(x, 3, 2) if n in (1, 2) else x
                x = conv(x, *weights, *((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))[n])
                found.append(x)
            else:
                x = pool(x, 2, 2) if n in (2, 4, 7, 10) else x
                x = conv(x, *weights, 1, 1)
                if n in (1, 3, 6, 9, 12):
                    found.append(x)
        layers.append([f / (np.sqrt((f**2).sum(0)) + 1e-10) for f in found])
    distance = 0.0
    for n, (x, y) in enumerate(zip(*layers, strict=True)):
        distance += ((x - y) ** 2 * w[f"head.{n}"][:, None, None]).sum(0).mean()
    return distance


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_distances_equal_an_independent_computation(net: Net) -> None:
    small = network(net)
    frames = torch.rand(2, 1, 2, 3, 48, 40, generator=torch.Generator().manual_seed(0))
    found = small(frames[0], frames[1])
    assert found.shape == (1, 2)
    for t in range(2):
        a, b = frames[:, 0, t].double().numpy()
        assert found[0, t].item() == pytest.approx(reference(small, a, b), rel=1e-4)


def test_pooling_of_the_reference_is_that_of_scikit_image() -> None:
    x = np.random.default_rng(0).normal(size=(2, 8, 6))
    np.testing.assert_array_equal(pool(x, 2, 2), block_reduce(x, (1, 2, 2), np.max))


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_equal_frames_are_at_no_distance_and_order_does_not_matter(net: Net) -> None:
    small = network(net)
    a, b = torch.rand(2, 3, 2, 3, 32, 32)
    assert small(a, a).abs().max() < 1e-9
    torch.testing.assert_close(small(a, b), small(b, a))
    assert (small(a, b) > 0).all()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(small(a, b), small(a.clone(), b), rtol=0, atol=0)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    small, (a, b) = network("alex"), torch.rand(2, 3, 4, 3, 32, 32)
    whole = small(a, b)
    monkeypatch.setitem(AT_ONCE, "cpu", 5)
    torch.testing.assert_close(small(a, b), whole)


def test_mistakes_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="16x16: LPIPS needs at least 32x32"):
        network("alex")(torch.zeros(1, 1, 3, 16, 16), torch.zeros(1, 1, 3, 16, 16))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ValueError, match="run `farframe weights get lpips`"):
        LPIPS.load("vgg", torch.device("cpu"))


def samples() -> Path | None:
    """The authors' example pictures, beside some checkout of the project."""
    folders = (p / "shared" / "samples" for p in Path(__file__).resolve().parents)
    return next((f for f in folders if (f / "lpips_ex_ref.png").is_file()), None)


@pytest.mark.parametrize(("net", "numbers"), [("alex", (0.722, 0.138)), ("vgg", (0.569, 0.422))])
def test_the_authors_example(net: Net, numbers: tuple[float, float]) -> None:
    """Only where the real weights are in the user's cache and the pictures beside the checkout."""
    folder = samples()
    if folder is None or not all(file.path.is_file() for file in KEPT.files):
        pytest.skip("needs `farframe weights get lpips` and the LPIPS authors' example pictures")
    ref, p0, p1 = (
        torch.from_numpy(np.array(Image.open(folder / f"lpips_ex_{n}.png").convert("RGB")))
        .permute(2, 0, 1)[None, None]
        .float()
        / 255
        for n in ("ref", "p0", "p1")
    )
    real = LPIPS.load(net, torch.device("cpu"))
    found = [round(real(p, ref).item(), 3) for p in (p0, p1)]
    assert found == list(numbers)


def test_the_loss_is_the_mean_distance_and_has_a_slope_where_no_feature_is_active() -> None:
    net = network("alex")
    generator = torch.Generator().manual_seed(4)
    truth = torch.rand(2, 2, 3, 64, 64, generator=generator)
    pred = torch.rand(2, 2, 3, 64, 64, generator=generator, dtype=torch.float64)
    pred.requires_grad_()
    loss = net.loss(pred, truth)
    assert torch.allclose(loss, net(pred, truth).mean())
    loss.backward()  # type: ignore[no-untyped-call]
    assert pred.grad is not None
    step = 1e-4 * pred.grad / pred.grad.norm()
    slope = (net(pred + step, truth).mean() - net(pred - step, truth).mean()) / 2e-4
    assert slope.item() == pytest.approx(pred.grad.norm().item(), rel=0.05)
    dead = LPIPS("alex", {name: -value.abs() for name, value in net.tensors.items()})
    white = torch.ones_like(truth, requires_grad=True)
    dead.loss(white, truth).backward()  # type: ignore[no-untyped-call]
    assert white.grad is not None
    assert white.grad.isfinite().all()


def test_the_loss_counts_on_tensors_without_numbers_as_on_others() -> None:
    """Before a training its memory is counted so (``training/step_memory.py``)."""
    tensors = {name: value.to("meta") for name, value in network("alex").tensors.items()}
    frames = torch.empty(1, 2, 3, 64, 64, device="meta", requires_grad=True)
    loss = LPIPS("alex", tensors).loss(frames, frames.detach())
    loss.backward()  # type: ignore[no-untyped-call]
    assert frames.grad is not None
    assert frames.grad.shape == frames.shape
