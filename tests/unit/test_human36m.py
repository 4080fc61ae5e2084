from __future__ import annotations

import importlib.util
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import human36m_files as h36m
import numpy as np
import pytest
from PIL import Image

from farframe.config import DataConfig
from farframe.data.human36m import Human36M
from farframe.data.human36m_files import performance, pose_name, split_of
from farframe.data.source import DataError, data_kind, open_source
from farframe.data.splits import segments, split_mode
from farframe.data.video_folder import VideoFolder

ONE = "S1/Videos/Directions 1.54138969.mp4"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five videos of three people, one without joints, and what else lies about there."""
    root = tmp_path_factory.mktemp("h36m")
    for name in ("S1/Directions 1.54138969", "S1/Directions.55011271", "S9/WalkDog 1.60457274"):
        h36m.record(root, name)
    h36m.record(root, "S11/Sitting 2.58860488", posed=False)
    shutil.copy(root / ONE, root / "S1" / "Videos" / "_ALL 1.54138969.mp4")
    (root / "S1" / "Videos" / "notes.txt").write_text("not a video")
    (root / "S1" / "TOF").mkdir()
    (root / "readme.txt").write_text("as unpacked")
    return root


def source_of(root: Path, **options: object) -> Human36M:
    return Human36M.open(replace(DataConfig(path=str(root)), **options), 32, None)


def test_it_is_known_by_its_folders(root: Path, tmp_path: Path) -> None:
    assert data_kind(DataConfig(path=str(root))) == "human36m"
    assert data_kind(DataConfig(path=str(root / "S1" / "Videos"))) == "video"
    (tmp_path / "S1").mkdir()
    shutil.copy(root / ONE, tmp_path / "S1" / "a.mp4")
    assert data_kind(DataConfig(path=str(tmp_path))) == "video"


def test_recordings_are_the_videos_but_not_those_of_everything(root: Path) -> None:
    recordings = source_of(root).recordings
    assert [(r.id, r.split, r.fps, r.length) for r in recordings] == [
        (ONE, "train", 50.0, 20),
        ("S1/Videos/Directions.55011271.mp4", "train", 50.0, 20),
        ("S11/Videos/Sitting 2.58860488.mp4", "test", 50.0, 20),
        ("S9/Videos/WalkDog 1.60457274.mp4", "test", 50.0, 20),
    ]


def test_names_tell_what_belongs_together() -> None:
    assert pose_name(ONE) == "S1/MyPoseFeatures/D2_Positions/Directions 1.54138969.cdf"
    assert performance(ONE) == "S1/Directions 1"
    assert performance("S5/Videos/Walking.60457274.mp4") == "S5/Walking"


def test_cameras_of_one_performance_share_a_split_and_validation_is_a_tenth() -> None:
    takes = [
        f"S{s}/Videos/Action{a} {t}." for s in (1, 5, 6, 7, 8) for a in range(40) for t in "12"
    ]
    splits = [{split_of(f"{take}{camera}.mp4") for camera in h36m.CAMERAS} for take in takes]
    assert all(len(s) == 1 for s in splits)
    held_out = sum(s == {"validation"} for s in splits)
    assert 0.05 * len(takes) < held_out < 0.16 * len(takes)
    assert split_of("S11/Videos/Eating.60457274.mp4") == "test"


def test_the_split_of_the_subjects_is_the_default(root: Path) -> None:
    source, data = source_of(root), DataConfig(path=str(root))
    assert split_mode(source, data) == "source"
    assert [s.recording for s in segments(source, data, "test")] == [2, 3]
    assert [s.recording for s in segments(source, data, "train")] == [0, 1]


def test_frames_are_those_of_the_videos_at_any_rate(root: Path) -> None:
    videos = VideoFolder.open(DataConfig(path=str(root), fps=12.5), 32, None)
    source = source_of(root, fps=12.5)
    recording = source.recordings[0]
    assert (recording.fps, recording.length) == (12.5, 5)  # frames 0, 4, 8, 12, 16
    there = [r.id for r in videos.recordings].index(ONE)
    np.testing.assert_array_equal(
        source.read(0, range(0, 5, 2)).frames, videos.read(there, range(0, 5, 2)).frames
    )


def test_joints_are_those_of_the_stored_frame_in_fractions_of_the_square(root: Path) -> None:
    points = h36m.people(20, 100, 100, *(2 * [sum(map(ord, ONE[:3] + ONE[10:-4]))]))[1]
    clip = source_of(root, fps=12.5, crop="10,20,50").read(0, range(1, 4))
    expected = (points[[4, 8, 12]].reshape(3, 32, 2) - (10, 20)) / 50
    assert clip.labels["joints"].dtype == np.float32
    np.testing.assert_allclose(clip.labels["joints"], expected.reshape(3, 64), atol=1e-5)


def test_a_video_without_joints_has_no_label(root: Path) -> None:
    assert not source_of(root).read(2, range(3)).labels


def test_frames_after_the_last_joints_have_none(tmp_path: Path) -> None:
    points = h36m.record(tmp_path, "S1/Eating.54138969")
    h36m.write_joints(
        tmp_path / pose_name("S1/Videos/Eating.54138969.mp4"),
        points[:15],
    )
    joints = source_of(tmp_path).read(0, range(10, 20)).labels["joints"]
    assert np.isfinite(joints[:5]).all()
    assert np.isnan(joints[5:]).all()


def test_the_person_fills_the_square(tmp_path: Path) -> None:
    points = h36m.record(tmp_path, "S1/Eating.54138969", size=(200, 120)).reshape(-1, 32, 2)
    h36m.record(tmp_path, "S5/Eating.54138969", posed=False)
    source = source_of(tmp_path, crop="person")
    assert [r.id for r in source.recordings] == ["S1/Videos/Eating.54138969.mp4"]
    extent = (points.max((0, 1)) - points.min((0, 1))).max()
    inside = source.read(0, range(20)).labels["joints"].reshape(-1, 32, 2)
    assert inside.min() > 0
    assert inside.max() < 1
    assert (inside.max((0, 1)) - inside.min((0, 1))).max() == pytest.approx(
        extent / min(120, np.ceil(1.2 * extent)), rel=1e-4
    )
    assert source.fingerprint() != source_of(tmp_path).fingerprint()


def test_videos_without_joints_are_left_out_of_that_crop_with_a_warning(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = source_of(root, crop="person")
    assert len(source.recordings) == 3
    assert "1 of 4 videos have no joints to crop to" in caplog.text


def test_no_joints_to_crop_to_is_one_line(tmp_path: Path) -> None:
    h36m.record(tmp_path, "S1/Eating.54138969", posed=False)
    with pytest.raises(DataError, match=r"data\.crop is 'person', but there are no joints.*D2"):
        source_of(tmp_path, crop="person")


def test_person_is_no_crop_of_other_videos(root: Path) -> None:
    with pytest.raises(ValueError, match=r"Human3\.6M has person"):
        open_source(DataConfig(path=str(root / "S1" / "Videos"), crop="person"), 32)


def test_the_crop_of_srvp_is_cut_out_then_resized_once(tmp_path: Path) -> None:
    h36m.record(tmp_path, "S1/Eating.54138969", count=2, size=(1000, 1002), posed=False)
    frames = source_of(tmp_path, crop="srvp").read(0, range(2)).frames
    whole = VideoFolder.open(DataConfig(path=str(tmp_path / "S1"), crop="0,0,1000"), 1000, None)
    picture = Image.fromarray(whole.read(0, range(1)).frames[0].transpose(1, 2, 0))
    expected = np.asarray(
        picture.crop((100, 100, 900, 900)).resize((32, 32), Image.Resampling.LANCZOS)
    )
    np.testing.assert_array_equal(frames[0].transpose(1, 2, 0), expected)
    assert frames.shape == (2, 3, 32, 32)


def test_pictures_too_small_for_the_crop_say_so(root: Path) -> None:
    with pytest.raises(DataError, match="crop 100,100,800 reaches to 900x900"):
        source_of(root, crop="srvp")


def test_without_cdflib_joints_stay_unread_and_one_line_says_so(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "cdflib" else found(name, *a)
    )
    caplog.set_level(logging.INFO, "farframe")
    source = source_of(root)
    assert not source.read(0, range(3)).labels
    assert caplog.text.count("farframe[human36m]") == 1
    with pytest.raises(DataError, match=r"pip install 'farframe\[human36m\]'"):
        source_of(root, crop="person")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "can't be read"), (b"no CDF at all" * 9, "can't be read"), (None, r"\(1, 20, 96\)")],
)
def test_broken_joints_are_one_line(tmp_path: Path, content: bytes | None, said: str) -> None:
    points = h36m.record(tmp_path, "S1/Eating.54138969")
    path = tmp_path / pose_name("S1/Videos/Eating.54138969.mp4")
    if content is None:
        h36m.write_joints(path, np.repeat(points, 2, 1)[:, :96])
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        source_of(tmp_path).read(0, range(3))
    assert "\n" not in str(caught.value)


def test_cut_off_joints_are_one_line_or_all_there(tmp_path: Path) -> None:
    h36m.record(tmp_path, "S1/Eating.54138969")
    joints = source_of(tmp_path).read(0, range(20)).labels["joints"]
    path = tmp_path / pose_name("S1/Videos/Eating.54138969.mp4")
    whole = path.read_bytes()
    for length in range(1, len(whole), max(1, len(whole) // 20)):
        path.write_bytes(whole[:length])
        source = source_of(tmp_path)
        if length > len(whole) - 50:  # nothing but what follows the joints is missing
            np.testing.assert_array_equal(source.read(0, range(20)).labels["joints"], joints)
        else:
            with pytest.raises(DataError, match="can't be read"):
                source.read(0, range(3))


def test_a_broken_video_is_left_out(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "copy")
    broken = tmp_path / "copy" / "S11" / "Videos" / "Directions.54138969.mp4"
    broken.write_bytes(b"\0" * 1000)
    assert len(source_of(tmp_path / "copy").recordings) == 4


def test_other_people_are_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    h36m.record(tmp_path, "S1/Eating.54138969", posed=False)
    h36m.record(tmp_path, "S2/Eating.54138969", posed=False)
    assert len(source_of(tmp_path).recordings) == 1
    assert "S2 of" in caplog.text


def test_folders_without_videos_say_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "S1" / "Videos").mkdir(parents=True)
    with pytest.raises(DataError, match=r"holds no videos of Human3\.6M.*S1/Videos/Directions"):
        source_of(tmp_path)
    with pytest.raises(DataError, match=r"holds no videos of Human3\.6M"):
        source_of(tmp_path / "S1")
