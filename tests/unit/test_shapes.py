"""The shapes world: random access, labels that are the truth, and a judge that sees them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from farframe.worlds.judge import judge, look
from farframe.worlds.shapes import BACKGROUND, COLOURS, KINDS, SPEED, ShapesSource


def world(size: int = 32, seed: int = 5) -> ShapesSource:
    return ShapesSource(clips=100, length=140, frame_size=size, seed=seed)


def pictures(
    size: int, count: int = 60, later: int = 0
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One frame of each of ``count`` clips (or the one ``later`` on), with its labels."""
    clips = [world(size).read(i, range(i + later, i + later + 1)) for i in range(count)]
    labels = {name: np.concatenate([clip.labels[name] for clip in clips]) for name in LABELS}
    return np.concatenate([clip.frames for clip in clips]), labels


LABELS = ("kind", "colour", "position", "size")


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
    frames, labels = pictures(size)
    sigma = (0, 0, blur * size / 32, blur * size / 32)
    blurred = gaussian_filter(frames.astype(float), sigma).astype(np.uint8)
    seen = judge(blurred, labels)
    assert seen["right"] == seen["in_place"] == 1.0


def test_position_and_size_are_found() -> None:
    clip = world().read(1, range(40))
    for frame, position, size in zip(
        clip.frames, clip.labels["position"], clip.labels["size"], strict=True
    ):
        seen = look(frame)
        assert np.abs(np.array(seen.position) - position).max() < 0.5 / 32
        assert abs(seen.size - size) < 0.4 / 32


def test_each_mistake_has_its_name() -> None:
    frames, labels = pictures(32)
    nothing = np.broadcast_to(np.array(BACKGROUND, np.uint8)[:, None, None], frames.shape)
    assert judge(nothing, labels)["vanished"] == 1.0
    other_kind = labels | {"kind": (labels["kind"] + 1) % len(KINDS)}
    assert judge(frames, other_kind)["wrong_shape"] == 1.0
    other_colour = labels | {"colour": (labels["colour"] + 1) % len(COLOURS)}
    assert judge(frames, other_colour)["wrong_colour"] == 1.0
    shares = judge(frames[:, ::-1], labels)
    del shares["in_place"]  # a part of "right"
    assert sum(shares.values()) == pytest.approx(1.0)


def test_a_right_shape_may_be_in_the_wrong_place() -> None:
    frames, labels = pictures(32)
    elsewhere = labels | {"position": labels["position"] + labels["size"][:, None] * 0.4}
    seen = judge(frames, elsewhere)  # 0.57 radii away
    assert (seen["right"], seen["in_place"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("share", "verdict"),
    [(0.35, "vanished"), (0.55, "wrong_shape"), (0.6, "wrong_shape"), (0.8, "right")],
)
def test_a_pale_shape_is_no_shape(share: float, verdict: str) -> None:
    frames, labels = pictures(32)
    background = np.array(BACKGROUND)[:, None, None]
    pale = background + (frames.astype(float) - background) * share
    assert judge(pale.astype(np.uint8), labels)[verdict] == 1.0


def test_a_half_transparent_ghost_beside_the_shape_is_not_right() -> None:
    """Where the mask is half way, the first frame shines through."""
    now, before = pictures(32, later=9), pictures(32)
    background = np.array(BACKGROUND)[:, None, None]
    ghost = background + (before[0].astype(float) - background) * 0.5
    doubled = np.maximum(now[0], ghost.astype(np.uint8))
    apart = np.linalg.norm(now[1]["position"] - before[1]["position"], axis=1) > 0.35
    assert apart.sum() > 20
    assert judge(doubled[apart], {n: v[apart] for n, v in now[1].items()})["right"] < 0.05


def test_a_copy_of_the_first_frame_is_right_but_not_in_place() -> None:
    first, (_, labels) = pictures(32)[0], pictures(32, later=7)
    seen = judge(first, labels)
    assert seen["right"] == 1.0
    assert seen["in_place"] < 0.2


def test_two_shapes_are_not_one() -> None:
    """A net that has learned nothing draws the first frame's shape and a smear of this one's."""
    frames, labels = pictures(32)
    elsewhere, _ = pictures(32, later=9)
    apart = np.maximum(frames, elsewhere)[
        np.linalg.norm(labels["position"] - pictures(32, later=9)[1]["position"], axis=1) > 0.35
    ]
    assert len(apart) > 20
    assert all(look(frame).kind == -1 for frame in apart)


def test_noise_is_no_shape() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 3, 32, 32)).astype(np.uint8)
    assert all(look(frame).kind == -1 for frame in noise)
