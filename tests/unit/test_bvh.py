from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bvh_people import person

from farframe.data.source import DataError
from farframe.worlds.bvh import read_bvh
from farframe.worlds.quaternions import about, multiply, rotate
from farframe.worlds.retarget import read_motion
from farframe.worlds.skeleton import SEGMENTS, Frame, pose

ARM = """HIERARCHY
ROOT Upper Arm
{
  OFFSET 1 0 0
  CHANNELS 6 Zposition Xposition Yposition Zrotation Xrotation Yrotation
  JOINT Elbow
  {
    OFFSET 0 10 0
    CHANNELS 2 Xrotation Zrotation
    JOINT Slide
    {
      OFFSET 0 5 0
      CHANNELS 1 Yposition
      End Site
      {
        OFFSET 0 0 2
      }
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.025
0 0 0 0 0 0 0 0 5
3 1 2 90 90 0 90 90 7
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "clip.bvh"
    path.write_text(text)
    return path


def test_tree_channels_and_rate(tmp_path: Path) -> None:
    capture = read_bvh(written(tmp_path, ARM))
    assert capture.names == ("Upper Arm", "Elbow", "Slide", "Slide end")
    assert capture.parents == (-1, 0, 1, 2)
    assert capture.rate == pytest.approx(40)


def test_known_positions(tmp_path: Path) -> None:
    _, places = read_bvh(written(tmp_path, ARM)).world()
    np.testing.assert_allclose(
        places[0], [[0, 0, 0], [0, 10, 0], [0, 15, 0], [0, 15, 2]], atol=1e-9
    )
    # by hand: Rz(90) Rx(90) takes y to z, z to x; at the elbow then Rx(90) Rz(90): y to -x, z to -y
    expected = [[1, 2, 3], [1, 2, 13], [1, 2 - 7, 13], [1, 2 - 7, 13 - 2]]
    np.testing.assert_allclose(places[1], expected, atol=1e-9)


def test_one_frame_too_many_is_left_out(tmp_path: Path) -> None:
    capture = read_bvh(written(tmp_path, ARM + "9 9 9 9 9 9 9 9 9\n"))
    assert len(capture.local) == 2


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("HIERARCHY", "HIERARCHIE", "line 1: 'HIERARCHIE' where 'HIERARCHY' should be"),
        ("OFFSET 0 10 0", "OFFSET 0 ten 0", "line 8: 'ten' where an offset should be"),
        ("OFFSET 0 10 0", "OFFSET 0 nan 0", "line 8: 'nan' where an offset should be"),
        ("Xrotation Zrotation", "Xrotation Wrotation", "line 9: unknown channel 'Wrotation'"),
        ("CHANNELS 2 X", "CHANNELS -2 X", "line 9: -2 where a number of channels should be"),
        ("Frames: 2", "Frames: 3", "the file ends after 18 of 27 numbers"),
        ("Frames: 2", "Frames: 1", "1 frames of 0.025 s: two frames or more"),
        ("Time: 0.025", "Time: 0", "0 s: two frames or more, 0.1 ms to 1 s each"),
        ("90 7\n", "90 x\n", "line 25: 'x' where a number should be"),
        ("90 7\n", "90 7 8\n", "19 numbers are no whole frames of 9"),
        (ARM[ARM.index("MOTION") :], "", "the file ends where 'MOTION' should be"),
        (ARM[ARM.index("    JOINT Slide") :], "", "the file ends where 'JOINT' or '}' should be"),
        ("End Site", "End Sight", "line 14: 'Sight' where 'Site' should be"),
    ],
)  # fmt: skip
def test_broken_files_are_told_in_one_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in ARM
    with pytest.raises(DataError) as caught:
        read_bvh(written(tmp_path, ARM.replace(old, new, 1)))
    message = str(caught.value)
    assert says in message
    assert message.startswith(str(tmp_path / "clip.bvh"))
    assert "\n" not in message


@pytest.mark.parametrize("cut", range(0, len(ARM) - 20, 23))
def test_cut_files_raise_nothing_else(tmp_path: Path, cut: int) -> None:
    with pytest.raises(DataError):
        read_bvh(written(tmp_path, ARM[:cut]))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "clip.bvh"
    path.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(DataError, match="HIERARCHY"):
        read_bvh(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_bvh(tmp_path / "none.bvh")


# -- as a motion of our skeleton -------------------------------------------------------------


def test_limbs_point_where_the_recording_points_them(tmp_path: Path) -> None:
    path = written(tmp_path, person())
    motion = read_motion(path)
    posed = pose(Frame(), motion.local, motion.root)
    capture = read_bvh(path)
    _, places = capture.world()
    half = capture.rate / motion.rate  # frame n of the motion is frame n * half of the recording
    for bone, joint in (("left arm", "LeftArm"), ("left forearm", "LeftForeArm"),
                        ("right thigh", "RightUpLeg"), ("left shin", "LeftLeg")):  # fmt: skip
        segment, n = SEGMENTS.index(bone), capture.names.index(joint)
        ours = posed.places[::3, segment + 1] - posed.places[::3, segment]
        theirs = (places[:, n + 1] - places[:, n])[:: round(3 * half)]
        theirs = np.stack([theirs[:, 2], theirs[:, 1], -theirs[:, 0]], 1)  # looks along +z there
        ours, theirs = ours[: len(theirs)], theirs[: len(ours)]
        cosines = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1)
        np.testing.assert_allclose(cosines / np.linalg.norm(theirs, axis=1), 1, atol=1e-6)


def test_walks_ahead_on_the_floor(tmp_path: Path) -> None:
    motion = read_motion(written(tmp_path, person()))
    assert motion.seconds == pytest.approx(3.0, abs=0.05)
    ahead = motion.root[-1] - motion.root[0]
    leg = 83 * Frame().leg / (Frame().thigh + Frame().shin)
    np.testing.assert_allclose(ahead, [120 / leg, 0, 0], atol=0.01)
    assert motion.clearance.min() == 0
    trunk = rotate(motion.local[:, 0], np.array([1.0, 0, 0]))
    assert (trunk[:, 0] > 0.98).all()  # looks where it goes


def test_z_may_be_up(tmp_path: Path) -> None:
    (tmp_path / "z").mkdir()
    y_up = read_motion(written(tmp_path, person()))
    z_up = read_motion(written(tmp_path / "z", person(z_up=True)))
    same = pose(Frame(), y_up.local, y_up.root)
    other = pose(Frame(), z_up.local, z_up.root)
    # the level axes of the two worlds need not agree: turn by a multiple of 90 degrees
    turned = [
        multiply(about((0.0, 1.0, 0.0), np.array(k * np.pi / 2)), np.array([1.0, 0, 0, 0]))
        for k in range(4)
    ]
    gaps = [np.abs(rotate(t, other.places) - same.places).max() for t in turned]
    assert min(gaps) < 1e-6


def test_other_names_for_the_same_joints(tmp_path: Path) -> None:
    text = person()
    for old, new in (("LeftUpLeg", "mixamorig:lThigh"), ("LeftLeg", "mixamorig:lShin"),
                     ("RightForeArm", "RightElbow"), ("RightLeg", "rtibia")):  # fmt: skip
        text = text.replace(f"JOINT {old}\n", f"JOINT {new}\n")
    ours = read_motion(written(tmp_path, person()))
    np.testing.assert_allclose(read_motion(written(tmp_path, text)).local, ours.local)


def test_a_calibration_pose_is_left_out(tmp_path: Path) -> None:
    lines = person().splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("Frame Time")) + 1
    lines[first] = " ".join(["0", "91", "0", *["0"] * (len(lines[first].split()) - 3)])
    lines[first] = lines[first].replace("0", "80", 20)  # far from all that follows
    told = read_motion(written(tmp_path, "\n".join(lines)))
    whole = read_motion(written(tmp_path, person()))
    assert told.seconds == pytest.approx(whole.seconds - 0.05, abs=1 / 30)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ARM, "no joint is called anything like 'head' (Upper Arm, Elbow, Slide)"),
        (person().replace("LeftLeg", "Left Stick"), "'left knee'"),
        (person(0.5), "0.5 s long; 1 s or more are needed"),
    ],
)
def test_unusable_people_are_told_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataError) as caught:
        read_motion(written(tmp_path, text))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
