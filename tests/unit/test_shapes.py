"""The shapes world: random access, labels that are the truth, and a judge that sees them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from farframe.worlds.judge import judge, look
from farframe.worlds.shapes import BACKGROUND, COLOURS, KINDS, SPEED, ShapesSource


def world(size: int = 32, seed: int = 5) -> ShapesSource:
    return ShapesSource(clips=100, length=140, frame_size=size, seed=seed)


def pictures(size: int, count: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One frame of each of ``count`` clips, with kinds and colours."""
    clips = [world(size).read(i, range(i, i + 1)) for i in range(count)]
    return (
        np.concatenate([clip.frames for clip in clips]),
        np.concatenate([clip.labels["kind"] for clip in clips]),
        np.concatenate([clip.labels["colour"] for clip in clips]),
    )


def test_any_frames_are_those_of_the_whole_clip() -> None:
    whole, some = world().read(3, range(140)), world().read(3, range(7, 140, 9))
    np.testing.assert_array_equal(some.frames, whole.frames[7::9])
    for name, values in some.labels.items():
        np.testing.assert_array_equal(values, whole.labels[name][7::9])


def test_seeds_and_clips_differ_and_repeat() -> None:
    first = world().read(0, range(5)).frames
    np.testing.assert_array_equal(first, world().read(0, range(5)).frames)
    assert (first != world().read(1, range(5)).frames).any()
    assert (first != world(seed=6).read(0, range(5)).frames).any()


@pytest.mark.parametrize("frames", [range(139, 141), range(-1, 2)])
def test_frames_outside_are_refused(frames: range) -> None:
    with pytest.raises(IndexError):
        world().read(0, frames)


def test_the_path_is_straight_between_bounces() -> None:
    steps = np.diff(world().read(2, range(140)).labels["position"], axis=0)
    length = np.linalg.norm(steps, axis=1)
    assert length.max() <= SPEED + 1e-9
    assert np.median(length) == pytest.approx(SPEED)


def test_the_mask_is_where_the_picture_is_not_background() -> None:
    clip = world().read(4, range(20))
    different = (clip.frames != np.array(BACKGROUND, np.uint8)[:, None, None]).any(1)
    assert ((clip.labels["mask"] > 8) <= different).all()
    assert (different <= (clip.labels["mask"] > 0)).all()


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("blur", [0.0, 0.8])
def test_the_truth_is_right_even_blurred(size: int, blur: float) -> None:
    frames, kinds, colours = pictures(size)
    sigma = (0, 0, blur * size / 32, blur * size / 32)
    blurred = gaussian_filter(frames.astype(float), sigma).astype(np.uint8)
    assert judge(blurred, kinds, colours)["right"] == 1.0


def test_position_and_size_are_found() -> None:
    clip = world().read(1, range(40))
    for frame, position, size in zip(
        clip.frames, clip.labels["position"], clip.labels["size"], strict=True
    ):
        seen = look(frame)
        assert np.abs(np.array(seen.position) - position).max() < 0.5 / 32
        assert abs(seen.size - size) < 0.4 / 32


def test_each_mistake_has_its_name() -> None:
    frames, kinds, colours = pictures(32)
    nothing = np.broadcast_to(np.array(BACKGROUND, np.uint8)[:, None, None], frames.shape)
    assert judge(nothing, kinds, colours)["vanished"] == 1.0
    assert judge(frames, (kinds + 1) % len(KINDS), colours)["wrong_shape"] == 1.0
    assert judge(frames, kinds, (colours + 1) % len(COLOURS))["wrong_colour"] == 1.0
    assert sum(judge(frames[:, ::-1], kinds, colours).values()) == pytest.approx(1.0)
