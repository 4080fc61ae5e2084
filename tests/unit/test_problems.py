"""Each problem is found in frames or numbers made to have it, and in no others."""

from __future__ import annotations

import numpy as np
import pytest

from farframe.data.problems import (
    TITLES,
    changed,
    cuts,
    gathered,
    imprint,
    in_frames,
    in_numbers,
    twice,
)
from farframe.worlds.shapes import ShapesSource

SHAPES = ShapesSource(clips=20, length=90, frame_size=32, seed=5)
RNG = np.random.default_rng(0)
ACTIONS = RNG.normal(size=(50, 5)).astype(np.float32)


def clip(index: int = 0, count: int = 60) -> np.ndarray:
    return SHAPES.read(index, range(count)).frames.copy()


def room(seed: int, count: int = 40, speed: float = 1.0) -> np.ndarray:
    """A noisy picture with a bright block that moves, as a camera sees it."""
    rng = np.random.default_rng(seed)
    wall = np.kron(rng.integers(0, 200, (3, 4, 4)), np.ones((1, 8, 8)))
    frames = np.repeat(wall[None], count, 0)
    for t in range(count):
        x = round(2 + speed * t) % 24
        frames[t, :, 10:20, x : x + 8] = 240
    return np.clip(frames + rng.normal(0, 3, frames.shape), 0, 255).astype(np.uint8)


def kinds(frames: np.ndarray, fps: float = 10.0) -> list[str]:
    return [kind for kind, _ in in_frames(frames, "a.mp4", 100, fps)]


def place(frames: np.ndarray, fps: float = 10.0) -> str:
    return next(place for _, place in in_frames(frames, "a.mp4", 100, fps))


@pytest.mark.parametrize("index", range(20))
def test_moving_shapes_are_clean(index: int) -> None:
    assert kinds(clip(index)) == []


@pytest.mark.parametrize("speed", [0.0, 0.3, 1.0, 3.0, 7.0])
@pytest.mark.parametrize("seed", range(3))
def test_what_a_camera_sees_is_clean_at_any_speed(seed: int, speed: float) -> None:
    assert kinds(room(seed, speed=speed)) == []


def test_a_start_and_a_stop_are_no_cuts() -> None:
    moving = room(1, speed=2.0)
    waiting = np.clip(
        moving[:1].astype(int) + np.random.default_rng(2).normal(0, 3, moving.shape), 0, 255
    ).astype(np.uint8)
    assert kinds(np.concatenate((waiting, moving, waiting))) == []


def test_a_cut_is_told_with_its_frame() -> None:
    frames = np.concatenate((room(1), room(2)))
    assert kinds(frames) == ["cut"]
    assert place(frames) == "a.mp4, frame 140"


def test_a_cut_between_shapes_is_found() -> None:
    pairs = [np.concatenate((clip(i, 30), room(i, 30))) for i in range(6)]
    assert all(kinds(frames) == ["cut"] for frames in pairs)


def test_a_flash_is_no_cut() -> None:
    frames = room(1)
    frames[20] = 255 - frames[20]
    assert "cut" not in kinds(frames)


def test_large_changes_of_fast_motion_are_no_cuts() -> None:
    assert cuts(np.full(30, 40.0)) == []
    assert cuts(np.array([])) == []
    assert cuts(np.array([50.0])) == []
    assert cuts(np.array([1.0, 1.0, 30.0, 1.0, 1.0])) == [2]


def test_changes_do_not_wrap_around() -> None:
    frames = np.zeros((2, 3, 4, 4), np.uint8)
    frames[0] = 255
    assert changed(frames).tolist() == [255.0]


def test_pictures_of_zeros_and_ones_are_told() -> None:
    frames = (room(1) > 100).astype(np.uint8)
    assert kinds(frames) == ["range"]
    assert "highest 1" in place(frames)


def test_a_still_is_constant() -> None:
    assert kinds(np.repeat(clip()[:1], 30, 0)) == ["constant"]


def test_single_colours_are_blank() -> None:
    assert kinds(np.zeros((30, 3, 32, 32), np.uint8)) == ["blank"]
    frames = room(1)
    frames[7:9] = 90
    assert "blank" in kinds(frames)
    assert "2 frames, the first 107" in dict(in_frames(frames, "a", 100, 10.0))["blank"]


def test_a_picture_that_stands_still_for_long_is_frozen() -> None:
    frames = room(1)
    frames[10:22] = frames[10]
    assert kinds(frames) == ["frozen"]
    assert place(frames) == "a.mp4, frames 110 to 121"
    assert kinds(frames, fps=50.0) == []  # a quarter of a second: nobody minds


def test_every_second_frame_the_same_is_another_rate() -> None:
    assert kinds(room(1).repeat(2, 0)) == ["repeats"]
    cut = np.concatenate((room(1).repeat(2, 0), room(2).repeat(2, 0)))
    assert kinds(cut) == ["repeats", "cut"]
    assert "frame 180" in list(in_frames(cut, "a", 100, 10.0))[1][1]
    frames = room(1)
    frames[5], frames[20] = frames[4], frames[19]  # two dropped frames are no pattern
    assert kinds(frames) == []


def test_a_cut_between_stills_is_found() -> None:
    frames = np.concatenate((room(1)[:1].repeat(20, 0), room(2)[:1].repeat(20, 0)))
    assert kinds(frames) == ["frozen", "frozen", "cut"]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_frames_are_no_crash(count: int) -> None:
    assert kinds(clip()[:count]) == []


def test_good_numbers_are_clean() -> None:
    held = ACTIONS.copy()
    held[:, 2] = 0.5  # a gripper that stays closed
    for values in (ACTIONS, held, ACTIONS[:0], np.zeros((9, 0), np.float32)):
        assert not list(in_numbers(values, "actions"))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_told(bad: float) -> None:
    values = ACTIONS.copy()
    values[3:5, 1] = bad
    assert list(in_numbers(values, "actions")) == [
        ("not finite", "actions, 2 of 50 frames, number(s) 1")
    ]
    assert next(in_numbers(np.full_like(values, bad), "poses"))[0] == "not finite"


def test_zeros_are_told_unless_they_are_meant() -> None:
    zeros = np.zeros((9, 5), np.float32)
    assert list(in_numbers(zeros, "poses")) == [("zeros", "poses, 5 numbers in 9 frames")]
    assert not list(in_numbers(zeros, "poses", zeros_meant=True))


def test_numbers_of_very_different_size_are_told() -> None:
    assert not list(in_numbers(ACTIONS * np.float32([1, 1, 300, 1, 1]), "actions"))
    ((kind, said),) = in_numbers(ACTIONS * np.float32([1, 1, 3000, 1, 1]), "actions")
    assert kind == "scales"
    assert "number 2 spreads" in said


def test_copies_are_found_and_copies_across_splits_are_worse() -> None:
    marks = {"a": "1", "b": "2", "c": "1", "d": "2", "e": "", "f": ""}
    train, test = frozenset(("train",)), frozenset(("test",))
    found = list(twice(marks, {"a": train, "b": train, "c": test, "d": train}))
    assert found == [("leak", "a (train) and c (test)"), ("duplicate", "b and d")]


def test_imprints_are_of_moving_pictures() -> None:
    assert imprint(clip(0, 3)) == imprint(clip(0, 3)) != imprint(clip(1, 3))
    assert imprint(np.repeat(clip()[:1], 3, 0)) == imprint(clip()[:1]) == ""


def test_problems_come_worst_first_with_a_few_places() -> None:
    found = [("short", f"{i}") for i in range(9)] + [("leak", "a and b")]
    leak, short = gathered(found)
    assert (leak.kind, short.kind, short.count) == ("leak", "short", 9)
    assert short.lines() == [f"9 x {TITLES['short']}", "0", "1", "2", "and 6 more"]
