"""JPEG and PNG decoding: every chroma sampling to the bit, every PNG mode, hostile files."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from farframe.data.images import ImageError, decode_images

FIXTURE = Path(__file__).parents[1] / "data" / "tfrecord" / "jpeg.npz"


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def decode(*data: bytes) -> list[np.ndarray]:
    return list(decode_images(data))


def test_every_jpeg_sampling_equals_tensorflows_settings() -> None:
    with np.load(FIXTURE) as stored:
        names = [name.removesuffix("_jpeg") for name in stored if name.endswith("_jpeg")]
        together = decode(*(stored[f"{name}_jpeg"].tobytes() for name in names))
        assert len(names) == 30
        for name, pixels in zip(names, together, strict=True):
            np.testing.assert_array_equal(pixels, stored[f"{name}_rgb"], err_msg=name)


@pytest.mark.parametrize("size", [(64, 64), (17, 40), (1, 5)])
def test_png_is_exact(size: tuple[int, int]) -> None:
    pixels = noise(*size)
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(pixels), "PNG"))[0], pixels)


def test_grey_alpha_palette_and_deep_pngs_become_rgb() -> None:
    rgba, grey, la = noise(6, 5, 4), noise(6, 5, 1), noise(6, 5, 2)
    deep = grey.astype(np.uint16) * 257
    palette = Image.fromarray(noise(6, 5)).quantize(8)
    flat = np.asarray(palette.convert("RGB"))
    files = [
        encoded(Image.fromarray(rgba), "PNG"),
        encoded(Image.fromarray(grey), "PNG"),
        encoded(Image.fromarray(la), "PNG"),
        encoded(Image.fromarray(deep), "PNG"),
        encoded(palette, "PNG"),
        encoded(palette, "PNG", transparency=bytes(range(0, 240, 30))),
        encoded(Image.fromarray(grey > 127), "PNG"),
    ]
    repeated = grey[..., None].repeat(3, 2)
    black_white = ((repeated > 127) * 255).astype(np.uint8)
    expected = [rgba[..., :3], repeated, la[..., :1].repeat(3, 2), repeated, flat, flat]
    for out, right in zip(decode(*files), [*expected, black_white], strict=True):
        np.testing.assert_array_equal(out, right)


def test_progressive_rgb_and_cmyk_jpegs() -> None:
    smooth = np.asarray(Image.fromarray(noise(4, 6)).resize((48, 32), Image.Resampling.BICUBIC))
    image = Image.fromarray(smooth)
    files = [
        encoded(image, "JPEG", quality=95, progressive=True),
        encoded(image, "JPEG", quality=95, keep_rgb=True),
        encoded(image.convert("CMYK"), "JPEG", quality=95),
    ]
    for out in decode(*files):
        assert out.shape == smooth.shape
        assert np.abs(out.astype(int) - smooth).mean() < 3


def test_orientation_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by a quarter turn
    plain = Image.fromarray(noise(16, 24))
    with_tag, without = decode(encoded(plain, "JPEG", exif=exif), encoded(plain, "JPEG"))
    np.testing.assert_array_equal(with_tag, without)


def test_names_the_broken_one() -> None:
    good = encoded(Image.fromarray(noise(16, 16)), "JPEG")
    for bad in (b"", b"text", good[: len(good) // 2], encoded(Image.new("RGB", (4, 4)), "GIF")):
        with pytest.raises(ImageError) as caught:
            decode(good, bad, good)
        assert caught.value.position == 1
        assert "\n" not in str(caught.value)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@pytest.mark.parametrize(("width", "height"), [(60000, 60000), (4000, 4000), (1, 2**31 - 1)])
@pytest.mark.filterwarnings("default::PIL.Image.DecompressionBombWarning")
def test_decompression_bombs_are_refused_before_they_unfold(width: int, height: int) -> None:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    row = chunk(b"IDAT", zlib.compress(bytes(10_000)))
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + row + chunk(b"IEND", b"")
    tracemalloc.start()
    try:
        with pytest.raises(ImageError):
            decode(bomb)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_large_images_do_not_pile_up() -> None:
    """A batch is finished and handed out as soon as it is large, whatever comes after it."""
    data = encoded(Image.new("RGB", (1600, 1200), (9, 200, 30)), "JPEG")
    stream = decode_images([data, data, b"broken"])
    assert next(stream).shape == (1200, 1600, 3)
    assert next(stream).shape == (1200, 1600, 3)
    with pytest.raises(ImageError):
        next(stream)
