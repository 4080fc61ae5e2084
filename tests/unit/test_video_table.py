"""Tables beside videos: how they are found, read and matched to frames."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from video_files import decode, make_video

from farframe.config import DataConfig
from farframe.data.actions import read_actions
from farframe.data.source import DataError, actions_in, open_source
from farframe.data.video_clip import read_video
from farframe.data.video_folder import VideoFolder
from farframe.data.video_table import read_table

SIZE, COUNT = 32, 20
ACTIONS = np.arange(2 * COUNT).reshape(COUNT, 2) / 8
STATES = -np.arange(COUNT)[:, None] / 4


def opened(path: Path, cache: Path | None = None, **options: Any) -> VideoFolder:
    data = DataConfig(path=str(path), **options)
    source = open_source(data, SIZE, cache)
    assert isinstance(source, VideoFolder)
    assert source.action_dim == actions_in(data)
    return source


def text(head: str, *columns: np.ndarray) -> str:
    rows = np.column_stack(columns).tolist()
    return "\n".join([head, *(",".join(f"{x:.9g}" for x in row) for row in rows)])


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """20 frames at 25 frames a second, whose pictures tell their number."""
    make_video(tmp_path / "videos" / "clip.mkv", count=COUNT)
    return tmp_path / "videos" / "clip.mkv"


def write(path: Path, kind: str) -> None:
    frames = np.arange(COUNT)
    if kind == "csv":
        path.write_text(text("frame,action_0,action_1,state_0", frames, ACTIONS, STATES))
    elif kind == "parquet":
        table = {"observation.state": STATES[:, 0], "action": ACTIONS.tolist(), "frame": frames}
        pq.write_table(pa.table(table), path)
    elif kind == "npz":
        np.savez(path, actions=ACTIONS, poses=STATES, frame=frames)


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
@pytest.mark.parametrize("cached", [False, True])
def test_a_table_gives_actions_and_poses(
    video: Path, tmp_path: Path, kind: str, cached: bool
) -> None:
    write(video.with_suffix(f".{kind}"), kind)
    for path in (video, video.parent):
        source = opened(path, tmp_path / "cache" if cached else None)
        assert (source.action_dim, source.pose_dim) == (2, 1)
        clip = source.read(0, range(17, 1, -3))
        np.testing.assert_array_equal(clip.actions, ACTIONS[17:1:-3].astype(np.float32))
        np.testing.assert_array_equal(clip.poses, STATES[17:1:-3].astype(np.float32))
        assert decode(clip.frames) == list(range(17, 1, -3))


def test_npy_and_plain_csv_are_actions(video: Path) -> None:
    np.save(video.with_suffix(".npy"), ACTIONS)
    assert (opened(video).action_dim, opened(video).pose_dim) == (2, 0)
    video.with_suffix(".npy").unlink()
    np.savetxt(video.with_suffix(".csv"), ACTIONS, delimiter=",")
    np.testing.assert_array_equal(opened(video).read(0, range(COUNT)).actions, ACTIONS)


@pytest.mark.parametrize("fps", [10.0, 50.0])
def test_resampled_frames_have_the_numbers_of_the_frame_they_show(video: Path, fps: float) -> None:
    write(video.with_suffix(".csv"), "csv")
    source = opened(video.parent, fps=fps)
    clip = source.read(0, range(source.recordings[0].length))
    shown = decode(clip.frames)
    assert len(set(shown)) < max(COUNT, len(shown))
    np.testing.assert_array_equal(clip.actions, ACTIONS[shown].astype(np.float32))


def test_rows_are_found_by_frame(video: Path) -> None:
    frames = np.arange(-3, COUNT + 5)  # more rows than frames, begun before
    values = frames / 8
    video.with_suffix(".csv").write_text(text("action_0,frame_index", values, frames))
    clip = opened(video).read(0, range(COUNT))
    np.testing.assert_array_equal(clip.actions[:, 0], np.arange(COUNT) / 8)
    keep = frames != 7
    video.with_suffix(".csv").write_text(text("action,frame", values[keep], frames[keep]))
    with pytest.raises(DataError, match=r"clip\.csv: it has no row for frame 7 of the video's 0"):
        opened(video)


def test_rows_are_found_by_time(video: Path) -> None:
    """The latest at or before: at 0.04 s a frame the row of 0.1 s begins with frame 3."""
    times = np.arange(8) / 10
    video.with_suffix(".csv").write_text(text("Time,action_0", times, times))
    clip = opened(video).read(0, range(COUNT))
    expected = np.floor(np.arange(COUNT) * 0.4 + 1e-6).astype(int) / 10
    np.testing.assert_allclose(clip.actions[:, 0], expected.clip(0, 0.7), atol=1e-6)
    late = text("time,action_0", times + 0.0004, times)  # rounded by another clock
    video.with_suffix(".csv").write_text(late)
    np.testing.assert_array_equal(opened(video).read(0, range(COUNT)).actions, clip.actions)
    for shift, message in (
        (1.7e9, r"its first row is at 1\.7e\+09 s, times count from the video's first frame"),
        (-0.45, r"its last row is at 0\.25 s, but the video goes on to 0\.76 s"),
    ):
        np.savez(video.with_suffix(".npz"), actions=times, time=times + shift)
        video.with_suffix(".csv").unlink(missing_ok=True)
        with pytest.raises(DataError, match=message):
            opened(video)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,action_0\n1,2", r"column 'x' is neither frame, time, an action nor a pose: let its"),
        ("frame\n0", "no column that begins with action or state"),
        ("frame,time,action\n0,0,0", "frame and time both say where rows belong"),
        ("frame,action\n0,1\n0,2", "frame must rise from row to row, row 1 is not above"),
        ("frame,action\n0.5,1", "frame must hold whole numbers"),
        ("action,action\n1,2", "need a name each, all different"),
        ("action,state,\n1,2\n", "it has 1 rows and the video 20 frames"),
        ("action,state\n1,2,3\n", "its 3 columns need a name each"),
        ("action\nnan", "action holds NaN or infinity in row 0"),
        ("action\n1e300", "action holds NaN or infinity in row 0"),
        ("action\n1\nx", "line 3 is no row of numbers"),
        ("action", "holds no numbers"),
        ("\n".join(["action", *["1"] * 19]), "it has 19 rows and the video 20 frames: give it"),
    ],
)
def test_tables_that_are_wrong(video: Path, content: str, message: str) -> None:
    video.with_suffix(".csv").write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        open_source(DataConfig(path=str(video)), SIZE)
    assert "clip.csv" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert opened(video, controls="zeros").action_dim == 0


def test_other_files_that_are_wrong(video: Path) -> None:
    for suffix, content in ((".npz", b"PK\3\4 no"), (".npy", b"\x93NUMPY"), (".parquet", b"PAR1")):
        path = video.with_suffix(suffix)
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"clip\\{suffix}"):
            open_source(DataConfig(path=str(video)), SIZE)
        path.unlink()
    np.savez(video.with_suffix(".npz"), actions=np.zeros((COUNT, 2, 2)))
    with pytest.raises(DataError, match=r"float64 of shape \(20, 2, 2\), not \(rows, numbers\)"):
        read_table(video.with_suffix(".npz"))
    np.savez(video.with_suffix(".npz"), actions=np.zeros(COUNT), pose_=np.zeros(COUNT - 1))
    with pytest.raises(DataError, match="its columns have different numbers of rows"):
        read_table(video.with_suffix(".npz"))
    np.save(video.with_suffix(".npy"), ACTIONS)
    with pytest.raises(DataError, match=r"clip\.npy and clip\.npz are both tables of clip\.mkv"):
        open_source(DataConfig(path=str(video)), SIZE)


def test_all_videos_have_tables_or_none(video: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = video.parent
    make_video(folder / "b.mkv", count=12)
    write(video.with_suffix(".csv"), "csv")
    with pytest.raises(DataError, match=r"b\.mkv has no table beside it .*but clip\.mkv has clip"):
        open_source(DataConfig(path=str(folder)), SIZE)
    (folder / "b.csv").write_text("\n".join(["action_0,state_0", *["1,2"] * 12]))
    with pytest.raises(DataError, match=r"clip\.csv has the columns .*\(2 \+ 1 numbers\)"):
        open_source(DataConfig(path=str(folder)), SIZE)
    (folder / "b.csv").write_text("\n".join(["action_0,action_1,state_0", *["1,2,3"] * 11]))
    assert [r.id for r in opened(folder).recordings] == ["clip.mkv"]
    assert "skipping b.mkv: b.csv: it has 11 rows" in caplog.records[-1].getMessage()
    with pytest.raises(DataError, match=r"b\.mkv: b\.csv: it has 11 rows.*drop --data\.strict"):
        open_source(DataConfig(path=str(folder), strict=True), SIZE)
    caplog.set_level(logging.ERROR)
    (folder / "b.csv").write_text("\n".join(["action_0,action_1,state_0", *["1,2,3"] * 12]))
    before = opened(folder)
    assert len(before.recordings) == 2
    (folder / "b.csv").write_text("\n".join(["action_0,action_1,state_0", *["1,2,4"] * 12]))
    assert opened(folder).fingerprint() != before.fingerprint()
    for file in folder.glob("*.csv"):
        file.unlink()
    with pytest.raises(DataError, match=r"has no table of actions beside it .*data\.controls read"):
        open_source(DataConfig(path=str(folder), controls="read"), SIZE)


def test_a_single_video_is_read_with_its_table(video: Path) -> None:
    write(video.with_suffix(".csv"), "csv")
    clip = read_video(video, frame_size=SIZE, start=3, count=5, controls=True)
    np.testing.assert_array_equal(clip.actions, ACTIONS[3:8].astype(np.float32))
    np.testing.assert_array_equal(clip.poses, STATES[3:8].astype(np.float32))
    assert read_video(video, frame_size=SIZE, start=3, count=5).actions.shape == (5, 0)
    whole = opened(video, fps=10.0)
    part = read_video(video, frame_size=SIZE, fps=10.0, start=1, count=6, controls=True)
    np.testing.assert_array_equal(part.actions, whole.read(0, range(1, 7)).actions)


def test_actions_alone_are_read_from_a_table(tmp_path: Path) -> None:
    """A file of --actions may be such a table: its other columns are no actions."""
    path = tmp_path / "a.csv"
    path.write_text(text("frame,action_0,action_1,state_0", np.arange(COUNT), ACTIONS, STATES))
    np.testing.assert_array_equal(read_actions(path), ACTIONS.astype(np.float32))
