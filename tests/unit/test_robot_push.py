"""The robot-push world: a contract, and physics that anyone can check in the clips themselves."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest

from farframe.data.tfrecord_dialects import ACTION, POSE
from farframe.types import Clip
from farframe.worlds.robot_motion import reachable
from farframe.worlds.robot_push import RobotPush
from farframe.worlds.robot_room import HALF_X, HALF_Y
from farframe.worlds.robot_scene import MOVED
from farframe.worlds.robot_toys import KNOWN_HUES, NOVEL_HUES, draw_toys
from farframe.worlds.world import World

simulated = pytest.mark.skipif(
    find_spec("pybullet") is None, reason="PyBullet has no wheel for this Python"
)
SMALL = RobotPush(frame_size=32, clip_length=10, clips_per_scene=2, objects=6)


@cache
def clips(world: RobotPush, split: str, number: int) -> tuple[Clip, ...]:
    return tuple(world.scene(split, number))


def some(split: str = "train") -> tuple[Clip, ...]:
    return clips(SMALL, split, 0) + clips(SMALL, split, 1)


def toys(clip: Clip) -> np.ndarray:
    return clip.labels["objects"].reshape(len(clip), -1, 7)


def digest(world: RobotPush, split: str, number: int) -> str:
    """Every array of a scene's clips, in one number."""
    import hashlib

    sha = hashlib.sha256()
    for clip in world.scene(split, number):
        arrays = (clip.frames, clip.actions, clip.poses, *clip.labels.values())
        sha.update(clip.id.encode() + b"".join(a.tobytes() for a in arrays))
    return sha.hexdigest()


# -- the contract ------------------------------------------------------------------------------


def test_it_is_a_world() -> None:
    assert isinstance(SMALL, World)
    assert (SMALL.action_dim, SMALL.pose_dim) == (ACTION, POSE)
    assert pickle.loads(pickle.dumps(SMALL)) == SMALL


@simulated
def test_clips_are_what_they_say() -> None:
    made = clips(SMALL, "validation", 3)
    assert [clip.id for clip in made] == ["validation-3-0", "validation-3-1"]
    for clip in made:
        t = SMALL.clip_length
        assert clip.frames.shape == (t, 3, 32, 32)
        assert clip.frames.dtype == np.uint8
        assert clip.frames.std() > 20
        assert clip.actions.shape == (t, 5)
        assert clip.poses.shape == (t, 12)
        assert clip.actions.dtype == clip.poses.dtype == np.float32
        assert clip.fps == 10
        assert clip.labels["mask"].shape == clip.labels["segmentation"].shape == (t, 32, 32)
        assert clip.labels["mask"].dtype == clip.labels["segmentation"].dtype == np.uint8
        assert clip.labels["objects"].shape == (t, 6 * 7)
        assert clip.labels["objects"].dtype == np.float32


@simulated
@pytest.mark.parametrize("size", [64, 128])
def test_other_sizes_show_the_same(size: int) -> None:
    world = replace(SMALL, clips_per_scene=1, clip_length=2)
    small, large = (next(replace(world, frame_size=s).scene("train", 0)) for s in (32, size))
    np.testing.assert_array_equal(small.poses, large.poses)
    blocks = large.frames.reshape(2, 3, 32, size // 32, 32, size // 32).mean((3, 5))
    assert np.abs(blocks - small.frames).mean() < 5


@simulated
def test_the_same_bytes_in_any_order_and_in_another_process() -> None:
    world = replace(SMALL, clip_length=4)
    here = [digest(world, *scene) for scene in (("train", 0), ("testnovel", 1), ("train", 0))]
    assert here[0] == here[2] != here[1]
    code = (
        "from test_robot_push import SMALL, digest, replace\n"
        "print(digest(replace(SMALL, clip_length=4), 'testnovel', 1))"
    )
    path = [str(p) for p in sys.path if p]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"]
    assert (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        == (here[1])
    )


@simulated
def test_scenes_splits_and_seeds_differ() -> None:
    world = replace(SMALL, clip_length=2, clips_per_scene=1)
    scenes = [(world, "train", 0), (world, "train", 1), (world, "test", 0)]
    scenes.append((replace(world, seed=1), "train", 0))
    assert len({digest(*scene) for scene in scenes}) == 4


@simulated
def test_fingerprint_tells_settings_apart() -> None:
    assert SMALL.fingerprint() == replace(SMALL).fingerprint()
    changed = [{"seed": 1}, {"objects": 7}, {"frame_size": 64}, {"fps": 5.0}, {"clip_length": 3}]
    prints = {replace(SMALL, **change).fingerprint() for change in changed}
    assert len(prints | {SMALL.fingerprint()}) == 6


# -- physics -----------------------------------------------------------------------------------


@simulated
@pytest.mark.parametrize("split", ["train", "testnovel"])
def test_the_gripper_goes_where_it_is_told(split: str) -> None:
    error = np.concatenate([np.abs(c.poses[1:, 7:] - c.actions[:-1]) for c in some(split)])
    assert (np.median(error, 0) < (0.01, 0.01, 0.003, 0.02, 0.04)).all()
    told = np.concatenate([c.actions[:-1] - c.poses[:-1, 7:] for c in some(split)])
    done = np.concatenate([np.diff(c.poses[:, 7:], axis=0) for c in some(split)])
    for axis in (0, 1, 4):  # an action explains the move from frame t to frame t + 1
        assert np.corrcoef(told[:, axis], done[:, axis])[0, 1] > 0.9


@simulated
@pytest.mark.parametrize("split", ["train", "testnovel"])
def test_the_gripper_keeps_to_the_bin_and_the_toys_stay_in_it(split: str) -> None:
    for clip in some(split):
        x, y, z, pitch, yaw = clip.poses[:, 7:].T
        assert (abs(x) < HALF_X).all()
        assert (abs(y) < HALF_Y).all()
        assert ((z > 0) & (z < 0.15)).all()
        assert (abs(pitch) < 0.5).all()
        assert (abs(yaw) < 1).all()
        assert np.isfinite(clip.labels["objects"]).all()
        assert (np.abs(toys(clip)[..., :2]) < (HALF_X, HALF_Y)).mean() > 0.95
        assert (toys(clip)[..., 2] > 0.004).all()
        np.testing.assert_allclose(np.linalg.norm(toys(clip)[..., 3:], axis=2), 1, atol=1e-5)


@simulated
def test_pushes_move_toys_and_most_lie_still() -> None:
    away = [np.linalg.norm(toys(c)[-1, :, :3] - toys(c)[0, :, :3], axis=1) for c in some()]
    away += [
        np.linalg.norm(toys(c)[-1, :, :3] - toys(c)[0, :, :3], axis=1) for c in some("testnovel")
    ]
    assert np.mean([(clip > 0.02).any() for clip in away]) >= 0.7
    assert np.mean(np.concatenate(away) < 0.001) > 0.3


def test_a_place_out_of_reach_is_reached_by_tilting() -> None:
    near, far = np.array([-0.2, 0, 0.02, 0, 0]), np.array([0.2, 0.25, 0.02, 0, 0])
    assert reachable(near)[3] > 0 > reachable(far)[3]
    middle = np.array([0.0, 0.0, 0.02, 0.1, 0.3])
    np.testing.assert_array_equal(reachable(middle), middle)


# -- toys --------------------------------------------------------------------------------------


def test_novel_toys_are_of_other_kinds_and_colours() -> None:
    rng = np.random.default_rng(0)
    known, novel = (draw_toys(rng, 60, novel=novel) for novel in (False, True))
    assert not {toy.kind for toy in known} & {toy.kind for toy in novel}
    assert {paint.kind for toy in known for paint in toy.paints} == {"plain"}
    assert "plain" not in {toy.paints[0].kind for toy in novel}
    assert min(abs(a - b) for a in KNOWN_HUES for b in NOVEL_HUES) > 0.1
    for toy in known + novel:
        assert 0.02 < toy.radius < 0.12
        assert toy.mass > 0


# -- labels ------------------------------------------------------------------------------------


@simulated
def test_segmentation_covers_where_frames_change() -> None:
    inside, outside = [], []
    for clip in clips(replace(SMALL, frame_size=64), "train", 0):
        change = np.abs(np.diff(clip.frames.astype(int), axis=0)).max(1)
        thing = clip.labels["segmentation"] > 0
        either = thing[1:] | thing[:-1]
        strong = change > 60  # a shadow that passes is weaker
        inside.append(strong[either].mean())
        outside.append(strong[~either].mean())
    assert np.mean(inside) > 20 * np.mean(outside)


@simulated
def test_segments_bear_the_numbers_of_their_toys() -> None:
    columns: list[float] = []
    right: list[float] = []
    for clip in some():
        for n in range(SMALL.objects):
            shown = np.argwhere(clip.labels["segmentation"][0] == 2 + n)
            if len(shown) >= 4:
                columns.append(shown[:, 1].mean())
                x, y = toys(clip)[0, n, :2]
                right.append(0.83 * y - 0.54 * x)  # the camera stands at x 0.50, y 0.34
    assert len(columns) > 12
    assert np.corrcoef(columns, right)[0, 1] > 0.95


@simulated
def test_the_mask_is_the_arm_and_what_it_has_moved() -> None:
    for clip in some():
        mask, segmentation = clip.labels["mask"], clip.labels["segmentation"]
        assert set(np.unique(segmentation)) <= set(range(2 + SMALL.objects))
        assert (mask[segmentation == 1] >= 85).all()  # the most of a pixel in three may be a third
        assert (mask[0][segmentation[0] != 1] < 170).all()  # nothing has moved in the first frame
        away = np.linalg.norm(toys(clip)[..., :3] - toys(clip)[:1, :, :3], axis=2)
        for n in range(SMALL.objects):
            shown = (segmentation == 2 + n) & (away[:, n] > MOVED)[:, None, None]
            assert (mask[shown] >= 85).all()


# -- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame_size": 48}, "frame_size is 48: must be one of 32, 64, 96, 128"),
        ({"fps": 7.0}, "fps is 7.0: must be one of 5, 6, 8, 10"),
        ({"objects": 0}, "objects is 0: must be 1 to 16"),
        ({"clip_length": 1}, "clip_length is 1: must be 2 to"),
        ({"clips_per_scene": 0}, "clips_per_scene is 0: must be 1 to"),
        ({"seed": -1}, "seed is -1: must be 0 or above"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RobotPush(**change)  # type: ignore[arg-type]


def test_unknown_splits_and_scenes_are_refused() -> None:
    with pytest.raises(ValueError, match="split is 'val': must be one of train, validation"):
        SMALL.scene("val", 0)
    with pytest.raises(ValueError, match="scene number is -1"):
        SMALL.scene("train", -1)


def test_without_pybullet_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pybullet", None)
    for act in (lambda: SMALL.scene("train", 0), SMALL.fingerprint):
        with pytest.raises(ValueError, match=r"pip install 'farframe\[worlds\]'") as caught:
            act()
        assert "\n" not in str(caught.value)


@simulated
def test_pybullet_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    next(SMALL.scene("train", 5))
    code = "from farframe.worlds.bullet import Bullet\nwith Bullet(120): pass"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert capfd.readouterr() == ("", "")
