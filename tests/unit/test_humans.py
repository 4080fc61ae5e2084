from __future__ import annotations

import hashlib
import importlib.util
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bvh_people import person

from farframe.data.source import DataError
from farframe.types import Clip
from farframe.worlds import repertoire
from farframe.worlds.bullet import View
from farframe.worlds.humans import Humans
from farframe.worlds.loft import ball, limb, loft
from farframe.worlds.skeleton import JOINT_NAMES
from farframe.worlds.world import World

needs_bullet = pytest.mark.skipif(
    importlib.util.find_spec("pybullet") is None, reason="pip install 'farframe[worlds]'"
)
SMALL = Humans(clip_length=8, clips_per_scene=2)


def digest(clip: Clip) -> str:
    """One number for all that a clip holds."""
    arrays = (clip.frames, *(clip.labels[name] for name in sorted(clip.labels)))
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return [c for split in SMALL.splits for c in SMALL.scene(split, 0)]


# -- what every world promises ---------------------------------------------------------------


def test_is_a_world_that_travels() -> None:
    assert isinstance(SMALL, World)
    assert pickle.loads(pickle.dumps(SMALL)) == SMALL
    assert (
        Humans().clip_length >= 64 + 1
    )  # the original's 64 frames, every second one of 128: see docs


@needs_bullet
def test_clips_have_the_promised_form(clips: list[Clip]) -> None:
    assert [c.id for c in clips[:4]] == [
        "train-0-0",
        "train-0-1",
        "validation-0-0",
        "validation-0-1",
    ]
    for clip in clips:
        assert clip.frames.shape == (8, 3, 64, 64)
        assert clip.frames.dtype == np.uint8
        assert clip.actions.shape == clip.poses.shape == (8, 0)
        assert clip.fps == 12.5
        mask, joints = clip.labels["mask"], clip.labels["joints"]
        assert mask.shape == (8, 64, 64)
        assert mask.dtype == np.uint8
        assert joints.shape == (8, 2 * len(JOINT_NAMES))
        assert joints.dtype == np.float32


@needs_bullet
def test_joints_are_the_poses_if_asked_for(clips: list[Clip]) -> None:
    acting = replace(SMALL, poses="joints")
    assert acting.pose_dim == 2 * len(JOINT_NAMES)
    assert acting.fingerprint() != SMALL.fingerprint()
    for clip, plain in zip(acting.scene("train", 0), clips, strict=False):
        assert np.array_equal(clip.poses, clip.labels["joints"])
        assert np.array_equal(clip.poses, plain.labels["joints"])
        assert np.array_equal(clip.frames, plain.frames)


@needs_bullet
def test_bytes_depend_on_fields_split_and_number_alone(clips: list[Clip]) -> None:
    code = (
        "from test_humans import SMALL, digest\n"
        "for c in [*SMALL.scene('test', 0), *SMALL.scene('train', 0)]: print(c.id, digest(c))"
    )
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {here!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""  # no banner either
    told = dict(line.split() for line in done.stdout.splitlines())
    assert told == {c.id: digest(c) for c in clips if c.id.startswith(("test-", "train-"))}


@needs_bullet
def test_other_seeds_splits_and_numbers_are_other_scenes(clips: list[Clip]) -> None:
    other = next(replace(SMALL, seed=1).scene("train", 0))
    assert len({digest(c) for c in (*clips, other)}) == len(clips) + 1


@needs_bullet
def test_frames_come_in_several_sizes() -> None:
    clip = next(Humans(frame_size=96, clip_length=2, clips_per_scene=1).scene("test", 0))
    assert clip.frames.shape == (2, 3, 96, 96)
    assert clip.labels["mask"].shape == (2, 96, 96)


# -- what is to be seen ----------------------------------------------------------------------


@needs_bullet
def test_a_person_is_in_every_frame(clips: list[Clip]) -> None:
    for clip in clips:
        share = (clip.labels["mask"] / 255).mean((1, 2))
        assert (share > 0.02).all()
        assert (share < 0.25).all()
        edge = clip.labels["mask"].copy()
        edge[:, 1:-1, 1:-1] = 0
        assert not edge.any()  # nothing is cut off
        assert ((clip.labels["mask"] > 0) & (clip.labels["mask"] < 255)).any()  # soft edges


@needs_bullet
def test_joints_lie_on_the_person(clips: list[Clip]) -> None:
    for clip in clips:
        mask, joints = clip.labels["mask"] > 0, clip.labels["joints"].reshape(8, -1, 2)
        assert ((joints >= 0) & (joints <= 1)).all()
        x, y = (np.clip((joints[..., n] * 64).astype(int), 0, 63) for n in (0, 1))
        on = mask[np.arange(8)[:, None], y, x]
        assert on.mean() > 0.97
        for t in range(8):
            rows, columns = np.nonzero(mask[t].any(1))[0], np.nonzero(mask[t].any(0))[0]
            assert (y[t] >= rows[0] - 1).all()
            assert (y[t] <= rows[-1] + 1).all()
            assert (x[t] >= columns[0] - 1).all()
            assert (x[t] <= columns[-1] + 1).all()
            # and it is as large as they say
            assert np.ptp(y[t]) > 0.6 * (rows[-1] - rows[0]) - 2


@needs_bullet
def test_the_person_moves_and_the_room_does_not(clips: list[Clip]) -> None:
    for clip in clips:
        frames = clip.frames.astype(int)
        assert (np.abs(np.diff(frames, axis=0)).max((1, 2, 3)) > 20).all()
        near = clip.labels["mask"].max(0) > 0
        still = ~np.pad(near, 12)[12:-12, 12:-12]
        still &= ~np.roll(near, 8, 0)
        apart = np.abs(frames - frames[:1]).max((0, 1))
        assert np.median(apart[still]) <= 2
        assert frames[:, :, still].std() > 8  # a room, not one colour


@needs_bullet
def test_one_person_in_several_clips_of_a_scene(clips: list[Clip]) -> None:
    def colour(clip: Clip) -> np.ndarray:
        return np.median(clip.frames.transpose(0, 2, 3, 1)[clip.labels["mask"] == 255], 0)

    for a, b in zip(clips[::2], clips[1::2], strict=True):
        assert np.abs(colour(a) - colour(b)).max() < 60
        assert digest(a) != digest(b)


@needs_bullet
def test_clips_of_a_scene_show_other_motions(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = View(
        eye=(0.0, 1.0, 4.0), target=(0.0, 0.9, 0.0), up=(0.0, 1.0, 0.0), fov=45.0,
        light=(0.3, 2.0, 1.0), light_colour=(1.0, 1.0, 1.0), light_distance=5.0,
        ambient=0.5, diffuse=0.7, specular=0.05, far=12.0,
    )  # fmt: skip
    monkeypatch.setattr("farframe.worlds.humans.random_view", lambda *_: fixed)
    first, second = Humans(frame_size=32, clip_length=2, clips_per_scene=2).scene("train", 0)
    assert np.abs(first.labels["joints"] - second.labels["joints"]).max() > 0.02


# -- splits ----------------------------------------------------------------------------------


@needs_bullet
def test_test_motions_are_never_in_train() -> None:
    names = {s: {m.name for m in repertoire.motions(s, "")} for s in Humans.splits}
    assert names["test"] == set(repertoire.TEST_CLIPS)
    assert names["train"] == names["validation"]
    assert not names["train"] & names["test"]
    assert len(names["train"] | names["test"]) == 15


def test_appearances_belong_to_one_split() -> None:
    shown = [set(repertoire.pairs(split, 14, 9)) for split in Humans.splits]
    assert sum(map(len, shown)) == len(set.union(*shown)) == 14 * 9
    for pairs in shown:
        assert {a for a, _ in pairs} == set(range(14))  # each single thing is known
        assert {b for _, b in pairs} == set(range(9))


@needs_bullet
def test_own_motions_are_divided_by_name(tmp_path: Path) -> None:
    for n in range(12):
        (tmp_path / f"walk{n}.bvh").write_text(person(1.5, phase=n / 3))
    train, test = (
        {m.name for m in repertoire.motions(s, str(tmp_path)) if m.name.endswith(".bvh")}
        for s in ("train", "test")
    )
    assert train
    assert test
    assert not train & test
    assert len(train | test) == 12
    own = replace(SMALL, motions=str(tmp_path), clip_length=4, clips_per_scene=1)
    assert len(list(own.scene("train", 0))) == 1
    before = own.fingerprint()
    (tmp_path / "walk3.bvh").write_text(person(1.6))
    assert own.fingerprint() != before


@needs_bullet
def test_a_single_recording_is_divided_in_time(tmp_path: Path) -> None:
    path = tmp_path / "long.bvh"
    path.write_text(person(12.0))
    train, test = (repertoire.motions(s, str(path))[-1] for s in ("train", "test"))
    assert train.seconds == pytest.approx(9.6, abs=0.1)
    assert test.seconds == pytest.approx(1.9, abs=0.1)
    ahead = (test.root[0] - train.root[-1])[0]
    assert ahead == pytest.approx(0.5 * (train.root[30] - train.root[0])[0], rel=0.1)


# -- mistakes --------------------------------------------------------------------------------


def test_missing_pybullet_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farframe.worlds.bullet.find_spec", lambda _: None)
    for use in (lambda: SMALL.scene("train", 0), SMALL.fingerprint):
        with pytest.raises(ValueError, match=r"pip install 'farframe\[worlds\]'") as caught:
            use()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"frame_size": 50}, r"frame_size is 50; it must be one of \(32, 64, 96, 128\)"),
        ({"clip_length": 1}, "clip_length is 1; it must be 2 or more"),
        ({"clips_per_scene": 0}, "clips_per_scene is 0; it must be 1 or more"),
        ({"seed": -1}, "seed is -1; it must be 0 or more"),
    ],
)
def test_wrong_settings(fields: dict[str, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Humans(**fields)


def test_unknown_split_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="split is 'dev'; it must be one of train, validation"):
        SMALL.scene("dev", 0)


@needs_bullet
@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "no .bvh file in"),
        ({"a.bvh": "HIERARCHY"}, "the file ends where 'ROOT' should be"),
        ({"a.bvh": person(2.0)}, "give longer ones or more files"),
    ],
)
def test_motions_that_cannot_be_used(tmp_path: Path, files: dict[str, str], says: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=says):
        replace(SMALL, motions=str(tmp_path)).scene("test", 0)


def test_motions_that_are_not_there() -> None:
    with pytest.raises(DataError, match="is no file and no folder"):
        repertoire.bvh_files("/nowhere/at/all")


@needs_bullet
def test_fingerprint_knows_every_field() -> None:
    changed = {"frame_size": 32, "clip_length": 13, "clips_per_scene": 3, "seed": 4}
    prints = {replace(SMALL, **{name: value}).fingerprint() for name, value in changed.items()}
    assert len(prints | {SMALL.fingerprint()}) == len(changed) + 1


# -- meshes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mesh", "volume"),
    [
        (ball((1, 2, 3), 0.5, 0.7, 0.4), 4 / 3 * np.pi * 0.5 * 0.7 * 0.4),
        (limb(1.0, [(0, 0.2), (1, 0.2)]), np.pi * 0.04 + 4 / 3 * np.pi * 0.008),
        (loft([(0, 0, 1, 1), (2, 0, 1, 1)]), 2 * np.pi),
    ],
    ids=["ball", "limb", "tube"],
)
def test_lofts_are_closed_and_face_outwards(mesh: object, volume: float) -> None:
    a, b, c = (mesh.vertices[mesh.faces[:, n]] for n in range(3))  # type: ignore[attr-defined]
    inside = (a * np.cross(b, c)).sum() / 6
    assert inside == pytest.approx(volume, rel=0.12)
    flat = np.cross(b - a, c - a)
    smooth = mesh.normals[mesh.faces].mean(1)  # type: ignore[attr-defined]
    assert ((flat * smooth).sum(1) >= -1e-12).all()
