"""Motions, chained and walked: arithmetic on skeletons, nothing drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from farframe.worlds import quaternions as q
from farframe.worlds.motion import Motion, grounded, unlikeness
from farframe.worlds.performance import ROOM, joined, perform, steps, walked
from farframe.worlds.skeleton import (
    JOINT_NAMES,
    MIRRORED,
    PARENTS,
    SEGMENTS,
    Frame,
    joints,
    lowest,
    pose,
)

UP = (0.0, 1.0, 0.0)


def turns(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return q.normalised(rng.standard_normal((*shape, 4)))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def walk(seconds: float = 1.0, *, turning: float = 0.5) -> Motion:
    """A made-up cycle that goes ahead, turns left and swings one arm and the legs."""
    n = round(seconds * 30) + 1
    t = np.linspace(0, 2 * np.pi, n)
    local = np.tile(q.IDENTITY, (n, len(SEGMENTS), 1))
    heading = turning * t / (2 * np.pi)
    local[:, 0] = q.multiply(q.about(UP, heading), q.about((0.0, 0.0, 1.0), 0.1 * np.sin(t)))
    for name, size in (("right thigh", 0.5), ("left thigh", -0.5), ("left arm", 0.8)):
        local[:, SEGMENTS.index(name)] = q.about((0.0, 0.0, 1.0), size * np.sin(t))
    ahead = q.rotate(q.about(UP, heading), np.array([1.0, 0, 0]))
    root = np.cumsum(ahead, 0) * 1.2 / 30 + np.array([0, 1.0, 0])
    return grounded("made up", 30.0, local, root, wraps=True)


def test_turns_agree_with_matrices(rng: np.random.Generator) -> None:
    a, b, v = turns(rng, 5), turns(rng, 5), rng.standard_normal((5, 3))

    def matrix(t: np.ndarray) -> np.ndarray:
        return np.stack([q.rotate(t, axis) for axis in np.eye(3)], -1)

    both = q.multiply(a, b)
    np.testing.assert_allclose(matrix(both), matrix(a) @ matrix(b), atol=1e-12)
    np.testing.assert_allclose(q.rotate(q.inverse(a), q.rotate(a, v)), v, atol=1e-12)
    again = q.from_matrices(matrix(a))
    np.testing.assert_allclose(matrix(again), matrix(a), atol=1e-9)
    quarter = q.rotate(q.about(UP, np.pi / 2), np.array([1.0, 0, 0]))
    np.testing.assert_allclose(quarter, [0, 0, -1], atol=1e-12)  # to the left


def test_slerp_goes_at_constant_speed_along_the_shorter_way() -> None:
    a, b = q.about(UP, 0.2), -q.about(UP, 1.2)
    between = q.slerp(np.tile(a, (5, 1)), np.tile(b, (5, 1)), np.linspace(0, 1, 5))
    np.testing.assert_allclose(q.yaw(between), np.linspace(0.2, 1.2, 5), atol=1e-9)


def test_swing_and_axes(rng: np.random.Generator) -> None:
    a, b = rng.standard_normal((2, 6, 3))
    b[0] = -a[0]  # there is no single shortest way
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    np.testing.assert_allclose(q.rotate(q.swing(a, b), a), b, atol=1e-7)
    turn = q.from_axes(a, b + 0.1)
    np.testing.assert_allclose(q.rotate(turn, np.array([1.0, 0, 0])), a, atol=1e-7)


def test_a_mirror_swaps_left_and_right() -> None:
    motion, frame = walk(), Frame()
    there = pose(frame, motion.local, motion.root)
    mirror = motion.mirrored()
    other = pose(frame, mirror.local, mirror.root)
    expected = there.places[:, list(MIRRORED)] * np.array([1, 1, -1])
    np.testing.assert_allclose(other.places, expected, atol=1e-12)
    twice = mirror.mirrored()
    np.testing.assert_allclose(twice.local, motion.local)
    assert unlikeness(mirror.local[8], motion.local[8]) > 0.05


def test_retiming_keeps_the_way_and_changes_the_time() -> None:
    motion = walk()
    fast = motion.sampled(np.arange(0, motion.seconds, 1.15 / 12.5))
    slow = motion.sampled(np.arange(0, motion.seconds, 0.85 / 12.5))
    assert len(slow.local) > len(fast.local)
    third = motion.sampled(np.array([10 / 30, 10.5 / 30]))
    np.testing.assert_allclose(third.local[0], motion.local[10], atol=1e-12)
    np.testing.assert_allclose(third.root[1], (motion.root[10] + motion.root[11]) / 2)
    middle = q.yaw(motion.local[10, 0]) / 2 + q.yaw(motion.local[11, 0]) / 2
    assert q.yaw(third.local[1, 0]) == pytest.approx(float(middle), abs=1e-3)


def test_cycles_go_on_where_they_ended() -> None:
    motion = walk()
    assert motion.cyclic
    long = motion.unrolled(3.2)
    assert long.seconds >= 3.2
    n = len(motion.local) - 1
    for k in (1, 2):  # each cycle is the first one, turned and moved
        a, b = long.local[k * n : k * n + n], motion.local[:n]
        np.testing.assert_allclose(q.yaw(a[:, 0]) - q.yaw(b[:, 0]), 0.5 * k, atol=1e-6)
    pace = np.linalg.norm(np.diff(long.root, axis=0), axis=1)
    np.testing.assert_allclose(pace, pace[0], rtol=1e-6)


def test_what_does_not_end_as_it_began_is_no_cycle() -> None:
    whole = walk()
    bowing = whole.local.copy()
    bend = q.about((0.0, 0.0, 1.0), -np.linspace(0, 1, len(bowing)))
    bowing[:, 0] = q.multiply(bowing[:, 0], bend)
    half = grounded("bow", 30.0, bowing, whole.root, wraps=True)
    assert not half.cyclic
    assert half.unrolled(10.0) is half


def test_steps_hold_all_of_a_motion() -> None:
    motion = walk(turning=2.0)
    told = steps(motion)
    heading, place = q.yaw(motion.local[0, 0]), motion.root[0, [0, 2]].copy()
    for n in range(len(told)):
        np.testing.assert_allclose(place, motion.root[n, [0, 2]], atol=1e-9)
        turned = q.multiply(q.about(UP, heading), told.local[n, 0])
        assert abs(turned @ motion.local[n, 0]) == pytest.approx(1, abs=1e-9)
        ahead = q.rotate(q.about(UP, heading), np.array([told.stride[n, 0], 0, told.stride[n, 1]]))
        place, heading = place + ahead[[0, 2]], heading + told.turn[n]


def test_motions_fade_into_each_other() -> None:
    first, second = steps(walk()), steps(walk().mirrored())
    both = joined(first, second, 6)
    assert len(both) == len(first) + len(second) - 6
    np.testing.assert_allclose(both.local[:25], first.local[:25])
    np.testing.assert_allclose(both.local[31:], second.local[6:])
    jumps = np.abs(np.diff(both.local, axis=0)).max((1, 2))
    cut = np.abs(second.local[3] - first.local[-3]).max()
    assert jumps[24:32].max() < max(0.5 * cut, 1.5 * jumps[:24].max())


@pytest.mark.parametrize("frames", [2, 37, 160])
def test_performances_have_the_frames_asked_for(frames: int) -> None:
    one = walk()
    other = replace(walk(0.8, turning=-1.0), name="other", cyclic=False)
    for seed in range(4):
        told = perform([one, other], seed % 2, frames, 12.5, np.random.default_rng(seed))
        assert len(told) == frames
        assert np.isfinite(told.local).all()


def test_paths_stay_near_and_feet_on_the_floor() -> None:
    frame = Frame(thigh=0.46, shin=0.4, chest=0.25)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        told = perform([walk()], 0, 120, 12.5, rng)
        local, path = walked(told, frame.leg, 12.5, rng)
        assert (np.linalg.norm(path / ROOM, axis=1) <= 1).all()
        went = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
        assert went > 4  # walks about, not on the spot
        posed = pose(frame, local, np.stack([path[:, 0], 0 * path[:, 0], path[:, 1]], 1))
        lift = told.clearance * frame.leg - lowest(frame, posed)
        low = lowest(frame, posed.moved(lift[:, None] * np.array(UP)))
        np.testing.assert_allclose(low, told.clearance * frame.leg, atol=1e-9)


def test_joints_of_a_standing_person() -> None:
    frame = Frame()
    rest = pose(frame, np.tile(q.IDENTITY, (1, 15, 1)), np.array([[0.0, frame.leg, 0.0]]))
    at = dict(zip(JOINT_NAMES, joints(frame, rest)[0], strict=True))
    assert len(at) == len(JOINT_NAMES) == 17
    assert at["head top"][1] == pytest.approx(frame.height)
    assert at["right ankle"][1] == pytest.approx(frame.ankle)
    np.testing.assert_allclose(at["left wrist"] * [1, 1, -1], at["right wrist"])
    assert at["right wrist"][2] > at["left wrist"][2]
    assert at["pelvis"][1] < at["spine"][1] < at["thorax"][1] < at["neck"][1]
    assert lowest(frame, rest)[0] == pytest.approx(0)
    assert all(parent < n for n, parent in enumerate(PARENTS))
