"""LeRobotDatasets made by lerobot itself (tests/data/make_lerobot.py), and broken ones."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lerobot_truth as truth
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from farframe.config import DataConfig
from farframe.data.lerobot import LeRobotSource
from farframe.data.lerobot_info import read_info
from farframe.data.source import DataError, actions_in, open_source
from farframe.data.splits import segments

SIZE = 48
FULL = "0,0,48"  # of 64 x 48: nothing is resized
VIDEOS = ("lerobot-v3", "lerobot-v21")


def opened(path: Path, cache_dir: Path | None = None, **options: Any) -> LeRobotSource:
    data = DataConfig(path=str(path), **({"camera": "front", "crop": FULL} | options))
    source = open_source(data, SIZE, cache_dir)
    assert isinstance(source, LeRobotSource)
    assert source.action_dim == actions_in(data)
    return source


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: Path(shutil.copytree(truth.DATA / name, tmp_path / name))


def edit_info(root: Path, **changes: Any) -> None:
    file = root / "meta" / "info.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


@pytest.mark.parametrize("name", [*VIDEOS, "lerobot-v3-images"])
@pytest.mark.parametrize("camera", truth.CAMERAS)
@pytest.mark.parametrize("cached", [False, True])
def test_what_lerobot_wrote_is_read(name: str, camera: str, cached: bool, tmp_path: Path) -> None:
    if name.endswith("images") and camera != "front":
        camera = "observation.images.front"  # the full name will do, too
    source = opened(truth.DATA / name, tmp_path if cached else None, camera=camera)
    assert [r.length for r in source.recordings] == list(truth.LENGTHS)
    assert {r.fps for r in source.recordings} == {truth.FPS}
    assert {r.split for r in source.recordings} == {None}
    for episode, length in enumerate(truth.LENGTHS):
        clip = source.read(episode, range(length))
        assert clip.id == f"episode_{episode:06d}"
        np.testing.assert_array_equal(clip.actions, truth.actions(episode))
        np.testing.assert_array_equal(clip.poses, truth.states(episode))
        true = truth.pictures(episode, camera.rpartition(".")[2])[:, :, :SIZE].astype(float)
        error = ((clip.frames.transpose(0, 2, 3, 1)[:, None] - true[None]) ** 2).mean((2, 3, 4))
        assert (error.argmin(1) == np.arange(length)).all()  # the frame, and not a neighbour
        worst = error.diagonal().max()
        assert worst == 0 if "images" in name else worst < 15  # AV1 at lerobot's crf 30: 36 dB


@pytest.mark.parametrize("name", [*VIDEOS, "lerobot-v3-images"])
@pytest.mark.parametrize("fps", [5.0, 20.0, 4.0])
def test_resampling_takes_actions_and_states_along(name: str, fps: float) -> None:
    whole, source = opened(truth.DATA / name), opened(truth.DATA / name, fps=fps)
    for episode, length in enumerate(truth.LENGTHS):
        count = int((length - 1 + 0.25) / truth.FPS * fps) + 1
        assert source.recordings[episode].length == count
        assert source.recordings[episode].fps == fps
        exact = np.arange(count) * truth.FPS / fps
        rows = np.ceil(exact - 0.5).astype(int)  # of two the earlier
        clip, all_ = source.read(episode, range(count)), whole.read(episode, range(length))
        np.testing.assert_array_equal(clip.actions, all_.actions[rows])
        np.testing.assert_array_equal(clip.poses, all_.poses[rows])
        np.testing.assert_array_equal(clip.frames, all_.frames[rows])


def test_several_cameras_need_a_name() -> None:
    for wanted, message in (
        ("", "has 2 cameras: choose one with --data.camera, of front, wrist"),
        ("fornt", "has no camera 'fornt': did you mean front?"),
    ):
        with pytest.raises(DataError, match=message):
            opened(truth.DATA / "lerobot-v3", camera=wanted)
    assert opened(truth.DATA / "lerobot-v3-images", camera="").recordings


def test_splits_of_the_data_are_believed(
    copy: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    root = copy("lerobot-v3")
    edit_info(root, splits={"train": "0:3", "val": "1:2"})
    source = opened(root)
    assert [r.split for r in source.recordings] == ["train", "validation", "train"]
    data = DataConfig(path=str(root), camera="front")
    assert [s.recording for s in segments(source, data, "validation")] == [1]
    edit_info(root, splits={"train": "0:1", "test_novel": "2:3", "odd": "1:2"})
    assert [(r.id, r.split) for r in opened(root).recordings] == [
        ("episode_000000", "train"),
        ("episode_000002", "test"),
    ]
    assert "1 episode(s) are in no train" in warnings_of(caplog)[0]
    edit_info(root, splits={"test": "5:9"})
    with pytest.raises(DataError, match=r"all 3 episode\(s\) are in no train"):
        opened(root)
    edit_info(root, splits={"train": "all"})
    with pytest.raises(DataError, match="split train is 'all': must be a range of episodes"):
        opened(root)


def test_a_data_set_without_actions_has_none(copy: Callable[[str], Path]) -> None:
    root = copy("lerobot-v3")
    assert opened(root, controls="read").action_dim == 3
    none = opened(root, controls="zeros")
    assert (none.action_dim, none.pose_dim) == (0, 0)
    features = json.loads((root / "meta" / "info.json").read_text())["features"]
    state = features.pop("observation.state")
    edit_info(root, features=features)
    source = opened(root)
    assert (source.action_dim, source.pose_dim) == (3, 0)
    with pytest.raises(DataError, match=r"has no observation\.state, which --data.controls read"):
        opened(root, controls="read")
    edit_info(root, features=features | {"action": {"dtype": "string", "shape": [1]}})
    with pytest.raises(DataError, match="action is of dtype 'string', numbers are needed"):
        opened(root)
    assert opened(root, controls="zeros").action_dim == 0
    edit_info(root, features={"action": features["action"], "state": state})
    with pytest.raises(DataError, match=r"has no camera: meta/info\.json names no feature"):
        opened(root, camera="")
    edit_info(root, features=features | {"observation.state": state | {"shape": [5]}})
    with pytest.raises(DataError, match=r"observation\.state has 4 numbers a row, info\.json"):
        opened(root)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codebase_version": "v1.6"}, "is of version v1.6; read are v2.0, v2.1 and v3: convert"),
        ({"codebase_version": "v4.0"}, "codebase_version is 'v4.0'; read are v2.0, v2.1 and v3"),
        ({"codebase_version": None}, "codebase_version is None"),
        ({"fps": 0}, "fps is 0: must be a positive number"),
        ({"fps": "ten"}, "fps is 'ten'"),
        ({"chunks_size": 0}, "chunks_size is 0"),
        ({"features": []}, "has no table of features"),
        ({"data_path": "../{chunk_index:03d}.parquet"}, "leads out of the data set"),
        ({"data_path": "/etc/{chunk_index}"}, "leads out of the data set"),
        ({"video_path": "{video_key}/{episode}.mp4"}, "video_path asks for episode, known are"),
        ({"data_path": "data/{chunk_index:9d}x"}, "no readable episode: 3 episodes.*it is missing"),
    ],
)
def test_info_that_makes_no_sense(
    copy: Callable[[str], Path], changes: dict[str, Any], message: str
) -> None:
    root = copy("lerobot-v3")
    edit_info(root, **changes)
    with pytest.raises(DataError, match=message) as caught:
        opened(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [b"{", b"[]", b"\xff\xfe", b"[" * 99999])
def test_info_that_is_no_info(copy: Callable[[str], Path], text: bytes) -> None:
    root = copy("lerobot-v3")
    (root / "meta" / "info.json").write_bytes(text)
    with pytest.raises(DataError, match=r"meta/info\.json"):
        read_info(root)
    (root / "meta" / "info.json").unlink()
    with pytest.raises(DataError, match="can't be read"):
        read_info(root)


def test_what_info_leaves_out_is_as_usual(copy: Callable[[str], Path]) -> None:
    for name in VIDEOS:
        root = copy(name)
        file = root / "meta" / "info.json"
        info = json.loads(file.read_text())
        for key in ("splits", "chunks_size", "data_path", "video_path", "total_episodes"):
            info.pop(key)
        file.write_text(json.dumps(info))
        assert opened(root).fingerprint() == opened(truth.DATA / name).fingerprint()


@pytest.mark.parametrize(
    ("name", "file", "left", "why"),
    [
        ("lerobot-v21", "data/chunk-000/episode_000001.parquet", [0, 2], "it is missing"),
        (
            "lerobot-v21",
            "videos/chunk-000/observation.images.front/episode_000002.mp4",
            [0, 1],
            "it can't be read",
        ),
        (
            "lerobot-v3",
            "videos/observation.images.front/chunk-000/file-001.mp4",
            [0, 1],
            "it can't be read",
        ),
        ("lerobot-v3-images", "data/chunk-000/file-001.parquet", [0, 1], "it is missing"),
    ],
)
def test_episodes_whose_files_are_gone_are_left_out(
    name: str,
    file: str,
    left: list[int],
    why: str,
    copy: Callable[[str], Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    root = copy(name)
    (root / file).unlink()
    source = opened(root)
    assert [r.id for r in source.recordings] == [f"episode_{e:06d}" for e in left]
    (text,) = warnings_of(caplog)
    assert file in text
    assert why in text
    np.testing.assert_array_equal(source.read(1, range(9)).actions, truth.actions(left[1])[:9])
    with pytest.raises(DataError, match=r"mend it, or drop --data\.strict"):
        opened(root, strict=True)
    shutil.rmtree(root / file.split("/")[0])
    with pytest.raises(DataError, match="holds no readable episode"):
        opened(root)


def test_broken_files_are_told(
    copy: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    root = copy("lerobot-v21")
    (root / "data/chunk-000/episode_000000.parquet").write_bytes(b"PAR1 not at all PAR1")
    video = root / "videos/chunk-000/observation.images.front/episode_000001.mp4"
    video.write_bytes(video.read_bytes()[:1500])
    assert [r.id for r in opened(root).recordings] == ["episode_000002"]
    assert len(warnings_of(caplog)) == 2
    (root / "meta/episodes.jsonl").write_text('{"episode_index": 0}\n')
    with pytest.raises(DataError, match="line 1 has no whole numbers episode_index and length"):
        opened(root)
    (root / "meta/episodes.jsonl").unlink()
    with pytest.raises(DataError, match=r"episodes\.jsonl can't be read"):
        opened(root)
    root = copy("lerobot-v3")
    shutil.rmtree(root / "meta" / "episodes")
    with pytest.raises(DataError, match="holds no list of episodes"):
        opened(root)


def rewrite(path: Path, change: Callable[[dict[str, list[Any]]], None]) -> None:
    columns = pq.read_table(path).to_pydict()
    change(columns)
    pq.write_table(pa.table(columns), path)


def test_rows_that_do_not_fit_are_told(
    copy: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    root = copy("lerobot-v21")
    files = [root / f"data/chunk-000/episode_{e:06d}.parquet" for e in range(3)]

    def nan(columns: dict[str, list[Any]]) -> None:
        columns["action"][3] = [0.0, float("nan"), 0.0]

    def short(columns: dict[str, list[Any]]) -> None:
        for name in columns:
            columns[name] = columns[name][:-1]

    rewrite(files[0], nan)
    rewrite(files[1], short)
    assert [r.id for r in opened(root).recordings] == ["episode_000002"]
    assert "its action of frame 3 holds NaN" in warnings_of(caplog)[0]
    assert "it has 8 rows of the 9" in warnings_of(caplog)[1]

    def late(columns: dict[str, list[Any]]) -> None:
        columns["timestamp"] = [t + 0.5 for t in columns["timestamp"]]

    def shuffled(columns: dict[str, list[Any]]) -> None:
        for name in columns:
            columns[name] = columns[name][::-1]

    rewrite(files[2], shuffled)  # frame_index says the order, not the place in the file
    clip = opened(root).read(0, range(11))
    np.testing.assert_array_equal(clip.actions, truth.actions(2))
    rewrite(files[2], late)
    rewrite(files[0], late)
    with pytest.raises(DataError, match="holds no readable episode"):
        opened(root)
    (root / "meta/episodes.jsonl").write_text('{"episode_index": 2, "length": 11}')
    with pytest.raises(DataError, match=r"has no picture 1\.5 s into the episode"):
        opened(root)


@pytest.mark.parametrize("cached", [False, True])
def test_pictures_may_lie_in_any_order_and_group(
    copy: Callable[[str], Path], cached: bool, tmp_path: Path
) -> None:
    root = copy("lerobot-v3-images")
    path = root / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    pq.write_table(
        table.take(list(range(0, 21, 2)) + list(range(1, 21, 2))), path, row_group_size=4
    )
    source = opened(root, tmp_path / "cache" if cached else None)
    for episode in (0, 1):
        clip = source.read(episode, range(8, 0, -1))
        true = truth.pictures(episode, "front")[8:0:-1, :, :SIZE]
        np.testing.assert_array_equal(clip.frames.transpose(0, 2, 3, 1), true)
        np.testing.assert_array_equal(clip.actions, truth.actions(episode)[8:0:-1])


def test_columns_may_be_anything_that_holds_numbers(copy: Callable[[str], Path]) -> None:
    root = copy("lerobot-v3")
    path = root / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    action = np.array(table.column("action").to_pylist())
    for column in (
        pa.array(action.tolist(), pa.list_(pa.float64())),
        pa.array(action.tolist(), pa.large_list(pa.float32())),
        pa.array(action.reshape(-1, 3, 1).tolist(), pa.list_(pa.list_(pa.float32(), 1), 3)),
    ):
        changed = table.set_column(table.schema.get_field_index("action"), "action", column)
        pq.write_table(changed, path)
        np.testing.assert_array_equal(opened(root).read(1, range(9)).actions, truth.actions(1))
    for column, message in (
        (pa.array([[1.0] * (1 + i % 2) for i in range(32)]), "lists of different lengths"),
        (pa.array([["a"]] * 32), "holds string, not numbers"),
        (pa.array([None, *[[1.0]] * 31]), "rows without a value"),
    ):
        changed = table.set_column(table.schema.get_field_index("action"), "action", column)
        pq.write_table(changed, path)
        with pytest.raises(DataError, match=message):
            opened(root)


def test_without_pyarrow_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match=r"pip install 'farframe\[lerobot\]'"):
        opened(truth.DATA / "lerobot-v3")


def test_a_box_outside_of_the_picture_is_told() -> None:
    with pytest.raises(DataError, match="crop 0,0,60 reaches to 60x60, the picture is 64x48"):
        opened(truth.DATA / "lerobot-v3", crop="0,0,60")
    source = opened(truth.DATA / "lerobot-v3-images", crop="0,0,60")
    with pytest.raises(DataError, match="crop 0,0,60 reaches to 60x60, the picture is 64x48"):
        source.read(0, range(2))
