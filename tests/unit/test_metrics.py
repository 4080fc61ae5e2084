import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from farframe.evaluation.metrics import METRICS, PSNR_CAP, mae, mse, psnr, same_frames, ssim


def clips(seed: int, noise: float, size: tuple[int, int] = (32, 40)) -> tuple[torch.Tensor, ...]:
    """Smooth random pictures "2 3 3 h w" and noisy copies, both in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(6, 3, 5, 5, generator=generator)
    truth = torch.nn.functional.interpolate(coarse, size, mode="bilinear", align_corners=True)
    pred = (truth + noise * torch.randn(truth.shape, generator=generator)).clamp(0, 1)
    return pred.unflatten(0, (2, 3)), truth.unflatten(0, (2, 3))


@pytest.mark.parametrize("noise", [0.001, 0.02, 0.2])
@pytest.mark.parametrize("size", [(11, 11), (32, 40), (64, 64)])
def test_ssim_equals_scikit_image(noise: float, size: tuple[int, int]) -> None:
    pred, truth = clips(1, noise, size)
    expected = [
        structural_similarity(
            p.numpy(),
            t.numpy(),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=0,
        )
        for p, t in zip(pred.flatten(0, 1), truth.flatten(0, 1), strict=True)
    ]
    found = ssim(pred, truth)
    assert found.shape == (2, 3)
    np.testing.assert_allclose(found.flatten().numpy(), expected, atol=1e-4)


def test_ssim_of_bright_flat_pictures_keeps_its_precision() -> None:
    # Variances are differences of nearly equal numbers here: half precision anywhere would show.
    truth = torch.full((1, 1, 3, 32, 32), 0.9)
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    pred = (truth + 0.01 * noise).clamp(0, 1)
    expected = structural_similarity(
        pred[0, 0].double().numpy(),
        truth[0, 0].double().numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1,
        channel_axis=0,
    )
    with torch.autocast("cpu", torch.bfloat16):
        found = ssim(pred, truth)
    assert found.item() == pytest.approx(expected, abs=1e-4)


def test_psnr_equals_scikit_image() -> None:
    pred, truth = clips(2, 0.1)
    expected = [
        peak_signal_noise_ratio(t.numpy(), p.numpy(), data_range=1)
        for p, t in zip(pred.flatten(0, 1), truth.flatten(0, 1), strict=True)
    ]
    np.testing.assert_allclose(psnr(pred, truth).flatten().numpy(), expected, rtol=1e-5)


def test_known_errors() -> None:
    truth = torch.full((2, 3, 3, 16, 16), 0.25)
    pred = truth.clone()
    pred[1, 2] += 0.5
    expected = torch.zeros(2, 3)
    expected[1, 2] = 0.5
    torch.testing.assert_close(mae(pred, truth), expected)
    torch.testing.assert_close(mse(pred, truth), expected**2)
    assert psnr(pred, truth)[1, 2].item() == pytest.approx(-10 * np.log10(0.25), abs=1e-4)


def test_identical_frames() -> None:
    _, truth = clips(3, 0.1)
    assert (psnr(truth, truth) == PSNR_CAP).all()
    torch.testing.assert_close(ssim(truth, truth), torch.ones(2, 3))


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_gives_one_number_per_frame(name: str) -> None:
    pred, truth = clips(4, 0.1)
    before = pred.clone(), truth.clone()
    curve = METRICS[name](pred, truth)
    assert curve.shape == (2, 3)
    assert curve.isfinite().all()
    assert torch.equal(pred, before[0])
    assert torch.equal(truth, before[1])
    # A frame's number depends on that frame alone, whatever else is in the batch.
    torch.testing.assert_close(METRICS[name](pred[1:, 2:], truth[1:, 2:]), curve[1:, 2:])
    # More noise is never better.
    worse = METRICS[name](clips(4, 0.4)[0], truth)
    assert ((worse < curve) if name in {"psnr", "ssim"} else (worse > curve)).all()


def test_sharpness_is_the_share_of_the_gradients_energy() -> None:
    _, truth = clips(6, 0.1)
    torch.testing.assert_close(METRICS["sharpness"](truth, truth), torch.ones(2, 3))
    paler = METRICS["sharpness"](0.5 + 0.5 * truth, truth)
    torch.testing.assert_close(paler, torch.full((2, 3), 0.25), atol=1e-3, rtol=0)
    blurred = torch.nn.functional.avg_pool2d(
        truth.flatten(0, 1), 5, 1, 2, count_include_pad=False
    ).unflatten(0, (2, 3))
    assert (METRICS["sharpness"](blurred, truth) < 0.95).all()
    down, across = (np.gradient(truth[1, 2].double().numpy(), axis=a) for a in (1, 2))
    plain = truth.clone()
    plain[1, 2] = 0.3
    assert METRICS["sharpness"](plain, truth)[1, 2].item() == pytest.approx(
        1e-6 / ((down**2).mean() + (across**2).mean()), rel=0.2
    )


def test_mistakes_are_refused() -> None:
    # The shape annotations refuse these too, but only under pytest: a user meets this check.
    pred, truth = clips(5, 0.1)
    with pytest.raises(ValueError, match=r"\(2, 1, .* and truth \(2, 3, .* differ in shape"):
        same_frames(pred[:, :1], truth)
    with pytest.raises(ValueError, match=r"truth torch\.uint8: both must be float"):
        same_frames(pred, (truth * 255).to(torch.uint8))


def test_ssim_needs_frames_as_large_as_its_window() -> None:
    with pytest.raises(ValueError, match="10x12: SSIM needs at least 11x11"):
        ssim(torch.zeros(1, 1, 3, 10, 12), torch.zeros(1, 1, 3, 10, 12))
