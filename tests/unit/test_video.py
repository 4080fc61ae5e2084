from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from farframe import video
from farframe.video_encoder import frame_rate

GREEN, RED = np.array(video.GIVEN), np.array(video.PREDICTED)


def moving(count: int, height: int = 32, width: int = 32) -> np.ndarray:
    """Pictures "t h w 3" of a square that moves one pixel per frame; corners are coloured."""
    out = np.full((count, height, width, 3), 60, np.uint8)
    out[:, :8, :8] = (220, 30, 30)
    out[:, -8:, :8] = (30, 200, 40)
    out[:, :8, -8:] = (40, 40, 220)
    for t in range(count):
        x = 8 + t % (width - 16)
        out[t, 12:20, x : x + 8] = 255
    return out


def decoded(path: Path) -> tuple[np.ndarray, av.VideoStream, float]:
    """All pictures of a video, its stream, and its duration in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(stream)]
        assert container.duration is not None
        return np.stack(frames), stream, container.duration / av.time_base


def test_to_uint8_clamps_and_rounds() -> None:
    values = np.array([-0.5, 0.0, 0.499 / 255, 0.501 / 255, 0.5, 254.6 / 255, 1.0, 7.0])
    assert video.to_uint8(values).tolist() == [0, 0, 0, 1, 128, 255, 255, 255]
    every = np.arange(256, dtype=np.uint8)
    assert (video.to_uint8(every.astype(np.float32) / 255) == every).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_to_uint8_refuses_what_is_not_finite(value: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        video.to_uint8(np.array([0.5, value]))


def test_pictures_of_frames_and_masks() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5), np.uint8)
    assert (video.pictures(frames) == frames.transpose(0, 2, 3, 1)).all()
    assert (video.pictures(frames / np.float32(255)) == video.pictures(frames)).all()
    mask = video.pictures(frames[:, :1])
    assert mask.shape == (2, 4, 5, 3)
    assert (mask == frames[:, 0, :, :, None]).all()


@pytest.mark.parametrize(
    ("size", "least", "factor"), [(32, 256, 8), (64, 256, 4), (96, 256, 3), (300, 256, 1)]
)
def test_enlarge_repeats_pixels(size: int, least: int, factor: int) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, size, size + 2, 3), np.uint8)
    large = video.enlarge(frames, least)
    assert large.shape == (2, factor * size, factor * (size + 2), 3)
    for dy in range(factor):
        assert (large[:, dy::factor, factor - 1 :: factor] == frames).all()


def test_border_lies_outside_and_changes_colour_after_the_context() -> None:
    frames = moving(5)
    out = video.bordered(frames, 2, thickness=3)
    assert out.shape == (5, 38, 38, 3)
    assert (out[:, 3:-3, 3:-3] == frames).all()
    edge = np.ones((38, 38), bool)
    edge[3:-3, 3:-3] = False
    assert (out[:2, edge] == GREEN).all()
    assert (out[2:, edge] == RED).all()
    marks = np.array([False, True, False, False, True])
    assert (video.bordered(frames, marks)[marks][:, 0, 0] == GREEN).all()
    assert (video.bordered(frames, marks)[~marks][:, 0, 0] == RED).all()


def test_comparison_panels() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((6, 3, 32, 32), np.float32)
    drawn = truth[2:].copy()
    drawn[:, :, :16] = np.abs(drawn[:, :, :16] - 0.5)
    mask = rng.random((4, 1, 32, 32), np.float32)
    out = video.comparison(truth, drawn, mask, context=2, least=32)
    size = 32 + 8
    assert out.shape == (6, out.shape[1], 4 * size + 3 * 6, 3)
    panels = [out[:, -36:-4, x + 4 : x + 36] for x in range(0, out.shape[2], size + 6)]
    shown, predicted, masks, error = panels
    assert (shown == video.pictures(truth)).all()
    assert (predicted[:2] == shown[:2]).all()
    assert (predicted[2:] == video.pictures(drawn)).all()
    assert (masks[:2] == 0).all()
    assert (masks[2:] == video.pictures(mask)).all()
    assert (error[:2] == 0).all()
    assert (error[2:, 16:] == 0).all()
    expected = np.abs(truth[2:, :, :16] - drawn[:, :, :16]).mean(1) * 255
    np.testing.assert_allclose(error[2:, :16, :, 0], expected, atol=1.01)
    assert (out[1, -1, 0] == GREEN).all()
    assert (out[2, -1, 0] == RED).all()


def test_grid_of_panels() -> None:
    panel = moving(3)
    out = video.beside({str(i): panel // (i + 1) for i in range(5)}, columns=3)
    assert out.shape == (3, 2 * (16 + 32) + 6, 3 * 32 + 2 * 6, 3)
    assert (out[:, 16:48, 38:70] == panel // 2).all()
    assert (out[:, -32:, 38:70] == panel // 5).all()
    assert (out[:, -32:, 76:] == 255).all()
    assert out[:, :16, :32].min() < 128, "no caption"


def test_strip_layout() -> None:
    pictures = moving(4)
    rows = {
        "truth": [*pictures[:3], None],
        "prediction": list(pictures),
        "mask": [None, None, *pictures[2:]],
    }
    out = video.strip(rows, [-1, 0, 1, 250], least=32)
    cell, gap = 32 + 6, 6
    assert out.shape[0] == gap + 16 + 3 * (gap + cell) + gap
    left = out.shape[1] - 4 * (cell + gap)

    def at(row: int, column: int) -> np.ndarray:
        y, x = gap + 16 + gap + row * (cell + gap), left + column * (cell + gap)
        return out[y : y + cell, x : x + cell]

    for row, name in enumerate(rows):
        for column, picture in enumerate(rows[name]):
            shown = at(row, column)
            if picture is None:
                assert (shown == shown[0, 0]).all()
                continue
            assert (shown[3:-3, 3:-3] == picture).all()
            assert (shown[0] == (GREEN if column < 2 else RED)).all()
    assert out[:22, left:].min() < 128, "no time labels"
    assert out[30:, : left - gap].min() < 128, "no row names"


@pytest.mark.parametrize("fps", [10.0, 29.97, 30000 / 1001, 10 / 3, 0.04, 120.0])
def test_mp4_keeps_time(tmp_path: Path, fps: float) -> None:
    path = tmp_path / "x.mp4"
    video.write_video(path, moving(12), fps)
    frames, stream, duration = decoded(path)
    assert len(frames) == 12
    assert stream.average_rate is not None
    assert float(stream.average_rate) == pytest.approx(fps, rel=1e-3)
    assert duration == pytest.approx(12 / fps, rel=0.01)


def test_mp4_is_what_browsers_play(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    pictures = video.enlarge(moving(9), 128)
    video.write_video(path, iter(pictures), 10.0)
    frames, stream, _ = decoded(path)
    codec = stream.codec_context
    assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "the index must come first"
    assert frames.shape == pictures.shape
    assert np.abs(frames.astype(int) - pictures).mean() < 3
    # Colours are right to a few levels inside of flat areas, so range and matrix are right.
    for y, x in ((12, 12), (115, 12), (12, 115), (64, 12)):
        np.testing.assert_allclose(frames[4, y, x].astype(int), pictures[4, y, x], atol=8)


@pytest.mark.parametrize(("height", "width"), [(31, 32), (32, 33), (17, 41)])
def test_mp4_of_odd_sizes(tmp_path: Path, height: int, width: int) -> None:
    pictures = np.full((3, height, width, 3), 200, np.uint8)
    video.write_video(tmp_path / "x.mp4", pictures, 10.0)
    frames, _, _ = decoded(tmp_path / "x.mp4")
    assert frames.shape == (3, height + height % 2, width + width % 2, 3)
    assert np.abs(frames.astype(int) - 200).max() <= 3, "the added edge is no black line"


def test_mp4_of_one_frame(tmp_path: Path) -> None:
    video.write_video(tmp_path / "x.mp4", moving(1), 10.0)
    assert len(decoded(tmp_path / "x.mp4")[0]) == 1


@pytest.mark.parametrize("fps", [3.0, 10.0, 24.0, 30.0, 100.0])
def test_gif_keeps_time(tmp_path: Path, fps: float) -> None:
    path = tmp_path / "x.gif"
    pictures = moving(16)
    video.write_gif(path, pictures, fps)
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        assert image.n_frames == min(16, 800 // fps)
        duration = 0
        for i in range(image.n_frames):
            image.seek(i)
            duration += image.info["duration"]
            assert image.info["duration"] >= 20
        last = np.asarray(image.convert("RGB"))
    assert duration == pytest.approx(1000 * 16 / fps, abs=10)
    shown = pictures[15 if fps <= 50 else 14]
    assert np.abs(last.astype(int) - shown).max() <= 8


def test_png_is_exact(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 31, 3), np.uint8)
    video.write_png(tmp_path / "x.png", picture)
    with Image.open(tmp_path / "x.png") as image:
        assert (np.asarray(image) == picture).all()


def failing(count: int) -> Iterator[np.ndarray]:
    """Pictures that end in an error, as when a disk or a model fails half-way."""
    yield from moving(count)
    raise RuntimeError("half-way")


@pytest.mark.parametrize("name", ["x.mp4", "x.gif"])
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path, name: str) -> None:
    write = video.write_video if name == "x.mp4" else video.write_gif
    (tmp_path / name).write_bytes(b"old")
    with pytest.raises(RuntimeError, match="half-way"):
        write(tmp_path / name, failing(4), 10.0)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"old"
    write(tmp_path / name, moving(4), 10.0)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() != b"old"


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda p: video.write_video(p / "x.mp4", moving(0), 10.0), "no frames to write"),
        (lambda p: video.write_gif(p / "x.gif", [], 10.0), "no frames to write"),
        (lambda p: video.write_video(p / "x.mp4", moving(2), 0.0), "fps is 0.0: must be a posit"),
        (lambda p: video.write_gif(p / "x.gif", moving(2), -5.0), "fps is -5.0: must be a posit"),
        (lambda p: video.write_video(p / "x.mp4", moving(2), float("nan")), "fps is nan: must"),
        (lambda p: video.write_video(p / "x.webm", moving(2), 10.0), r"must end in \.mp4"),
        (lambda p: video.write_png(p / "x.jpg", moving(1)[0]), r"must end in \.png"),
    ],
)
def test_mistakes_leave_nothing(
    tmp_path: Path, action: Callable[[Path], None], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        action(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_rates_are_fractions_that_containers_hold() -> None:
    assert frame_rate(30000 / 1001) == Fraction(30000, 1001)
    assert frame_rate(25.0) == 25
