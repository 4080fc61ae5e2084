"""TF1's bicubic: against its definition, by hand, and against what TensorFlow made of a clip."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from farframe.data.resize import resize_bicubic, resized


def keys(distance: float) -> float:
    """Keys' cubic convolution kernel, A = -0.75."""
    x, a = abs(distance), -0.75
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def slow_resize(image: np.ndarray, size: int) -> np.ndarray:
    """The definition, one output number at a time."""
    height, width, channels = image.shape
    out = np.zeros((size, size, channels))
    for y in range(size):
        for x in range(size):
            v, u = y * height / size, x * width / size
            for j in range(math.floor(v) - 1, math.floor(v) + 3):
                for i in range(math.floor(u) - 1, math.floor(u) + 3):
                    pixel = image[min(max(j, 0), height - 1), min(max(i, 0), width - 1)]
                    out[y, x] += keys(v - j) * keys(u - i) * pixel
    return out


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "size", "tolerance"),
    [
        (24, 20, 16, 1e-3),  # steps that TensorFlow's table of 1024 holds exactly
        (4, 8, 16, 1e-3),
        (1, 1, 8, 1e-3),
        (40, 33, 16, 1e-3),
        (37, 11, 12, 0.5),  # a third of a pixel is not in the table
    ],
)
def test_follows_the_definition(height: int, width: int, size: int, tolerance: float) -> None:
    image = noise(height, width, 3)
    out = resize_bicubic(image, size)
    assert out.shape == (size, size, 3)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, slow_resize(image, size), atol=tolerance)


def test_by_hand() -> None:
    image = np.array([[[0], [255]], [[0], [255]]], np.uint8)
    # Half a pixel on: the nearer two weigh 0.59375 each, the outer two -0.09375 each.
    row = [0.0, 127.5, 255.0, 255 * 1.09375]
    np.testing.assert_allclose(resize_bicubic(image, 4)[..., 0], [row] * 4, atol=1e-4)
    assert resized(image, 4)[0, :, 0].tolist() == [0, 128, 255, 255]


def test_no_antialiasing_and_no_half_pixel_centres() -> None:
    image = noise(32, 32, 3)
    np.testing.assert_array_equal(resized(image, 8), image[::4, ::4])


def test_same_size_is_untouched_and_flat_stays_flat() -> None:
    image = noise(16, 16, 3)
    np.testing.assert_array_equal(resized(image, 16), image)
    np.testing.assert_array_equal(np.rint(resize_bicubic(image, 16)), image)
    flat = np.full((37, 53, 3), 201, np.uint8)
    assert (resized(flat, 32) == 201).all()


def test_clips_overshoot() -> None:
    image = np.where(noise(20, 20, 3) < 128, 0, 255).astype(np.uint8)
    raw = resize_bicubic(image, 32)
    assert raw.min() < -1
    assert raw.max() > 256
    out = resized(image, 32).astype(float)
    assert np.abs(out - raw.clip(0, 255)).max() <= 0.5001


def test_equals_tensorflow() -> None:
    from farframe.data.images import decode_images
    from farframe.data.tfrecord_example import parse_record
    from farframe.data.tfrecord_file import scan

    folder = Path(__file__).parents[1] / "data" / "tfrecord"
    path = folder / "humans-train-00000-of-00001.tfrecord"
    with path.open("rb") as file:
        (found,) = scan(file, path.stat().st_size)
    images = list(decode_images(parse_record(found.payload).images))
    assert images[0].shape == (80, 96, 3)
    with np.load(folder / "expected.npz") as expected:
        for t, levels in zip(expected["humans_frames"], expected["humans_64ths"], strict=True):
            # Within 1/64 level of TensorFlow's floats, overshoot included.
            np.testing.assert_allclose(resize_bicubic(images[t], 64), levels / 64, atol=0.01)
