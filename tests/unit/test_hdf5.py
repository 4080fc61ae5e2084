"""HDF5 in robomimic's layout: what is read, which splits, and one line for all that doesn't fit."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from robomimic_files import ENV, write_demos

from farframe.config import DataConfig
from farframe.data.source import ClipSource, DataError, actions_in, data_kind, open_source
from farframe.data.splits import segments, split_mode
from farframe.types import Clip


def clip(length: int = 6, actions: int = 7, size: int = 32, seed: int = 0) -> Clip:
    rng = np.random.default_rng(seed)
    return Clip(
        frames=rng.integers(0, 256, (length, 3, size, size), dtype=np.uint8),
        actions=rng.normal(size=(length, actions)).astype(np.float32),
        poses=rng.normal(size=(length, 9)).astype(np.float32),
        fps=1.0,
        id=str(seed),
    )


def opened(path: Path, **options: Any) -> ClipSource:
    return open_source(DataConfig(path=str(path), **options), 32)


def test_demonstrations_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "demo.hdf5"
    clips = [clip(6, seed=0), clip(4, seed=1), *(clip(2, seed=i) for i in range(2, 11))]
    write_demos(path, clips)
    assert data_kind(DataConfig(path=str(tmp_path))) == "hdf5"
    source = opened(path, strict=True)
    assert [r.id for r in source.recordings][-2:] == ["demo.hdf5:demo_9", "demo.hdf5:demo_10"]
    assert {(r.fps, r.split) for r in source.recordings} == {(20.0, None)}
    assert (source.action_dim, source.pose_dim) == (7, 9)
    assert actions_in(DataConfig(path=str(path))) == 7
    for index, right in enumerate(clips[:2]):
        for frames in (range(len(right)), range(3, 0, -2), range(1, 4, 2), range(2, 2)):
            found = source.read(index, frames)
            np.testing.assert_array_equal(found.frames, right.frames[list(frames)])
            np.testing.assert_array_equal(found.actions, right.actions[list(frames)])
            np.testing.assert_array_equal(found.poses, right.poses[list(frames)])


def test_pictures_are_cropped_as_videos_are(tmp_path: Path) -> None:
    write_demos(tmp_path / "a.h5", [clip(size=40)])
    whole = clip(size=40).frames
    found = opened(tmp_path / "a.h5", crop="4,8,32").read(0, range(6))
    np.testing.assert_array_equal(found.frames, whole[:, :, 8:40, 4:36])
    assert opened(tmp_path).read(0, range(1)).frames.shape == (1, 3, 32, 32)
    with pytest.raises(DataError, match="demo_0: crop 9,9,40 reaches to 49x49, the picture is 40"):
        opened(tmp_path, crop="9,9,40")


def test_a_camera_is_named_where_there_are_several(tmp_path: Path) -> None:
    write_demos(tmp_path / "a.hdf5", [clip()], cameras=("agentview", "robot0_eye_in_hand"))
    with pytest.raises(
        DataError,
        match=r"several cameras: choose one of agentview, robot0_eye_in_hand by --data\.c",
    ):
        opened(tmp_path)
    with pytest.raises(DataError, match="no camera front: choose one of agentview, robot0"):
        opened(tmp_path, camera="front")
    one, two = (opened(tmp_path, camera=c) for c in ("agentview", "robot0_eye_in_hand_image"))
    np.testing.assert_array_equal(one.read(0, range(6)).frames, clip().frames)
    np.testing.assert_array_equal(two.read(0, range(6)).frames, np.roll(clip().frames, 1, 1))
    assert one.fingerprint() != two.fingerprint()


def test_masks_are_the_splits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clips = [clip(seed=i) for i in range(4)]
    path = tmp_path / "a.hdf5"
    write_demos(path, clips, {"train": [0, 2, 3], "valid": [1, 3], "20_percent": [0]})
    source, data = opened(path), DataConfig(path=str(path))
    assert [r.split for r in source.recordings] == ["train", "validation", "train", "validation"]
    assert split_mode(source, data) == "source"
    assert [s.recording for s in segments(source, data, "validation")] == [1, 3]
    write_demos(path, clips, {"train": [0], "valid": [1]})
    with caplog.at_level(logging.WARNING, "farframe"):
        assert {r.split for r in opened(path).recordings} == {None}
    assert "2 of 4 clips are in no mask" in caplog.text


@pytest.mark.parametrize(
    ("env", "fps"),
    [
        ({"env_kwargs": {"control_freq": 12.5}}, 12.5),
        (None, 20.0),
        ({"env_kwargs": {}}, 20.0),
        ({"env_kwargs": {"control_freq": -1}}, 20.0),
    ],
)
def test_the_rate_is_the_environments(tmp_path: Path, env: Any, fps: float) -> None:
    write_demos(tmp_path / "a.hdf5", [clip()], env=env)
    assert opened(tmp_path).recordings[0].fps == fps
    assert opened(tmp_path, fps=5.0).read(0, range(2)).fps == 5.0


def without(name: str) -> Callable[[h5py.File], None]:
    return lambda file: file.__delitem__(name)


def instead(name: str, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = value

    return change


DEMO = "data/demo_1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without(f"{DEMO}/obs"), "demo_1: there is no group obs: .*dataset_states_to_obs.py"),
        (without(f"{DEMO}/obs/agentview_image"), "demo_1: there are no pictures in obs"),
        (
            instead(f"{DEMO}/obs/agentview_image", np.zeros((6, 32, 32, 3), np.float32)),
            "obs/agentview_image holds float32 numbers: pictures must be uint8, 0 to 255",
        ),
        (instead(f"{DEMO}/actions", np.zeros((5, 7))), "actions has 5 rows for 6 pictures"),
        (instead(f"{DEMO}/actions", np.zeros(6)), r"actions has shape \(6,\)"),
        (instead(f"{DEMO}/actions", np.full((6, 7), np.nan)), "actions holds .*not finite"),
        (instead(f"{DEMO}/actions", np.zeros((6, 4))), "actions of 4 numbers .*demo_0 has 7"),
        (without(f"{DEMO}/actions"), "actions of 0 numbers"),
        (instead(f"{DEMO}/obs/robot0_eef_pos", np.zeros((6, 9))), "poses of 15"),
        (
            instead(f"{DEMO}/obs/agentview_image", np.zeros((0, 32, 32, 3), np.uint8)),
            "holds no pictures",
        ),
    ],
)
def test_a_demonstration_that_does_not_fit_is_left_out_with_one_line(
    tmp_path: Path, change: Any, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.hdf5"
    write_demos(path, [clip(seed=i) for i in range(3)])
    with h5py.File(path, "r+") as file:
        change(file)
    with caplog.at_level(logging.WARNING, "farframe"):
        assert [r.id[-6:] for r in opened(path).recordings] == ["demo_0", "demo_2"]
    (record,) = caplog.records
    assert record.getMessage().startswith("skipping a.hdf5:demo_1: ")
    with pytest.raises(DataError, match=message) as caught:
        opened(path, strict=True)
    assert "\n" not in str(caught.value)


def test_a_file_that_does_not_fit_is_left_out_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_demos(tmp_path / "good.hdf5", [clip()])
    whole = (tmp_path / "good.hdf5").read_bytes()
    (tmp_path / "cut.hdf5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.h5").write_bytes(b"")
    (tmp_path / "text.h5").write_text("hello")
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["frames"] = np.zeros(3)
    with caplog.at_level(logging.WARNING, "farframe"):
        assert [r.file for r in opened(tmp_path).recordings] == ["good.hdf5"]
    told = sorted(r.getMessage() for r in caplog.records)
    assert [line.split(":")[0] for line in told] == [
        f"skipping {name}" for name in ("cut.hdf5", "empty.h5", "other.hdf5", "text.h5")
    ]
    assert "there is no group data: not robomimic's layout (it holds frames)" in told[2]
    assert "is no HDF5 file" in told[3]
    with pytest.raises(DataError, match=r"no readable clip in .*; tried other\.hdf5: there is no"):
        opened(tmp_path / "other.hdf5")
    with pytest.raises(DataError, match="no group data"):
        actions_in(DataConfig(path=str(tmp_path / "other.hdf5")))


def test_files_are_opened_when_they_are_read_and_not_pickled(tmp_path: Path) -> None:
    for name in "abc":
        write_demos(tmp_path / f"{name}.hdf5", [clip()])
    source = opened(tmp_path)
    first = source.read(0, range(3))
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy.read(0, range(3)).frames, first.frames)
    (tmp_path / "b.hdf5").unlink()
    with pytest.raises(DataError, match=r"b\.hdf5 does not exist"):
        source.read(1, range(1))
    write_demos(tmp_path / "c.hdf5", [clip(size=40)])
    with pytest.raises(DataError, match="has changed since it was indexed"):
        source.read(2, range(1))


def test_without_h5py_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_demos(tmp_path / "a.hdf5", [clip()], env=ENV)
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(DataError, match=r"HDF5 needs h5py: pip install 'farframe\[hdf5\]'"):
        opened(tmp_path)
