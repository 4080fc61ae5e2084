"""What every source of clips promises, asked of every one of them."""

from __future__ import annotations

import multiprocessing
import pickle
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from dialect_files import write_push, write_softmotion
from human36m_files import record
from PIL import Image
from robomimic_files import write_demos

from farframe.config import DataConfig
from farframe.data.clips import ClipWindows
from farframe.data.source import ClipSource, actions_in, data_kind, open_source
from farframe.data.splits import segments
from farframe.data.tfrecord_writer import write_tfrecords
from farframe.types import Clip
from farframe.video import pictures, write_video
from farframe.worlds.shapes import ShapesSource

DATA = Path(__file__).parents[1] / "data"
SIZE = 32
LENGTHS = (14, 9, 11)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A kind of source: how to make its data, and what must change the fingerprint."""

    kind: str
    make: Callable[[Path], DataConfig]
    cached: bool = False
    options: tuple[dict[str, Any], ...] = ()

    def open(self, root: Path, data: DataConfig, frame_size: int = SIZE) -> ClipSource:
        return open_source(data, frame_size, root / "cache" if self.cached else None)


def world_clip(index: int, length: int, size: int = 48) -> Clip:
    """A clip with something to see, actions and poses."""
    clip = ShapesSource(clips=9, length=99, frame_size=size, seed=3).read(index, range(length))
    rng = np.random.default_rng(index)
    return replace(
        clip,
        actions=rng.normal(size=(length, 5)).astype(np.float32),
        poses=rng.normal(size=(length, 12)).astype(np.float32),
    )


def video(path: Path, index: int, length: int, size: int = 48) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, pictures(world_clip(index, length, size).frames), 10.0)


def tfrecord_file(root: Path) -> DataConfig:
    clips = [world_clip(i, n) for i, n in enumerate(LENGTHS)]
    write_tfrecords(root / "one-train.tfrecord", clips)
    return DataConfig(path=str(root / "one-train.tfrecord"))


def tfrecord_folder(root: Path) -> DataConfig:
    folder = root / "records"
    folder.mkdir()
    write_tfrecords(folder / "a-train.tfrecord", [world_clip(0, 14), world_clip(1, 9)])
    write_tfrecords(folder / "b-train.tfrecord", [world_clip(2, 11)], "jpeg")
    return DataConfig(path=str(folder))


def push(root: Path) -> DataConfig:
    write_push(root / "push_train.tfrecord-00000-of-00001", [world_clip(0, 14), world_clip(1, 9)])
    return DataConfig(path=str(root / "push_train.tfrecord-00000-of-00001"))


def softmotion(root: Path) -> DataConfig:
    write_softmotion(root / "train" / "traj_0_to_1.tfrecords", [world_clip(0, 12)])
    write_softmotion(root / "test" / "traj_0_to_1.tfrecords", [world_clip(1, 11)])
    return DataConfig(path=str(root))


def video_file(root: Path) -> DataConfig:
    video(root / "one.mp4", 0, 20)
    return DataConfig(path=str(root / "one.mp4"))


def video_folder(root: Path) -> DataConfig:
    folder = root / "videos"
    for i, (name, length) in enumerate(zip(("b.mp4", "a.mp4", "deep/c.mp4"), LENGTHS, strict=True)):
        video(folder / name, i, length, 48 + 16 * i)
    return DataConfig(path=str(folder))


def human36m(root: Path) -> DataConfig:
    for name in ("S1/Directions 1.54138969", "S5/Walking.55011271", "S9/Eating 2.60457274"):
        record(root / "h36m", name, count=14)
    return DataConfig(path=str(root / "h36m"))


def save_pictures(folder: Path, clip: Clip, tables: bool = True) -> None:
    folder.mkdir(parents=True)
    for i, picture in enumerate(pictures(clip.frames)):
        Image.fromarray(picture).save(folder / f"{i}.png")
    if tables:
        np.save(folder / "actions.npy", clip.actions)
        np.savetxt(folder / "poses.csv", clip.poses, "%.9g", delimiter=",")


def frames_one(root: Path) -> DataConfig:
    save_pictures(root / "one", world_clip(0, 14), tables=False)
    return DataConfig(path=str(root / "one"))


def frames_folders(root: Path) -> DataConfig:
    for i, (name, length) in enumerate(zip(("b", "a", "deep/c"), LENGTHS, strict=True)):
        save_pictures(root / "pictures" / name, world_clip(i, length, 48 + 16 * i))
    return DataConfig(path=str(root / "pictures"))


def demos(root: Path) -> DataConfig:
    clips = [replace(clip, poses=clip.poses[:, :9]) for clip in map(world_clip, range(3), LENGTHS)]
    write_demos(root / "demos" / "b.hdf5", clips[:2], cameras=("agentview", "wrist"))
    write_demos(root / "demos" / "deep" / "a.h5", clips[2:], cameras=("agentview", "wrist"))
    return DataConfig(path=str(root / "demos"), camera="agentview")


def shapes(root: Path) -> DataConfig:
    return DataConfig(path="shapes", clips=40, clip_length=12)


def lerobot(name: str) -> Callable[[Path], DataConfig]:
    return lambda root: DataConfig(path=str(DATA / name), camera="front")


VIDEO_OPTIONS = ({"fps": 5.0}, {"crop": "0,0,24"})
HUMAN_OPTIONS = (*VIDEO_OPTIONS, {"crop": "person"})
LEROBOT = (*VIDEO_OPTIONS, {"camera": "wrist"}, {"controls": "zeros"})
CASES = {
    "tfrecord-file": Case(kind="tfrecord", make=tfrecord_file),
    "tfrecord-folder": Case(kind="tfrecord", make=tfrecord_folder),
    "tfrecord-push": Case(kind="tfrecord", make=push, options=({"crop": "stretch"}, {"fps": 5.0})),
    "tfrecord-softmotion": Case(
        kind="tfrecord", make=softmotion, options=({"camera": "image_main"}, {"controls": "zeros"})
    ),
    "video-file-streamed": Case(kind="video", make=video_file, options=VIDEO_OPTIONS),
    "video-file-cached": Case(kind="video", make=video_file, cached=True, options=VIDEO_OPTIONS),
    "video-folder-streamed": Case(kind="video", make=video_folder, options=VIDEO_OPTIONS),
    "video-folder-cached": Case(
        kind="video", make=video_folder, cached=True, options=VIDEO_OPTIONS
    ),
    "human36m-streamed": Case(kind="human36m", make=human36m, options=HUMAN_OPTIONS),
    "human36m-cached": Case(kind="human36m", make=human36m, cached=True, options=HUMAN_OPTIONS),
    "lerobot-v3-streamed": Case(kind="lerobot", make=lerobot("lerobot-v3"), options=LEROBOT),
    "lerobot-v21-cached": Case(
        kind="lerobot", make=lerobot("lerobot-v21"), cached=True, options=LEROBOT
    ),
    "lerobot-images": Case(
        kind="lerobot", make=lerobot("lerobot-v3-images"), options=VIDEO_OPTIONS
    ),
    "frames-one-streamed": Case(kind="frames", make=frames_one, options=VIDEO_OPTIONS),
    "frames-folders-streamed": Case(kind="frames", make=frames_folders, options=VIDEO_OPTIONS),
    "frames-folders-cached": Case(
        kind="frames", make=frames_folders, cached=True, options=VIDEO_OPTIONS
    ),
    "hdf5": Case(
        kind="hdf5", make=demos, options=({"crop": "0,0,24"}, {"fps": 5.0}, {"camera": "wrist"})
    ),
    "shapes": Case(
        kind="shapes",
        make=shapes,
        options=({"world_seed": 1}, {"clips": 41}, {"clip_length": 13}),
    ),
}


@dataclass(frozen=True)
class Opened:
    case: Case
    root: Path
    data: DataConfig
    source: ClipSource

    def again(self, **changes: Any) -> ClipSource:
        return self.case.open(self.root, replace(self.data, **changes))

    def read(self, index: int = 0) -> Clip:
        """A whole recording."""
        return self.source.read(index, range(self.source.recordings[index].length))


@pytest.fixture(scope="module", params=CASES, ids=str)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    case = CASES[request.param]
    root = tmp_path_factory.mktemp(request.param)
    data = case.make(root)
    return Opened(case, root, data, case.open(root, data))


@pytest.fixture(scope="module")
def worker() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("forkserver")) as pool:
        yield pool


def assert_same(one: Clip, other: Clip) -> None:
    for name in ("frames", "actions", "poses"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.fps, one.id) == (other.fps, other.id)
    assert one.labels.keys() == other.labels.keys()
    for name, values in one.labels.items():
        np.testing.assert_array_equal(values, other.labels[name])


def test_every_kind_is_here() -> None:
    kinds = set(get_args(get_type_hints(DataConfig)["kind"])) - {"auto"}
    assert {case.kind for case in CASES.values()} == kinds


def test_it_is_a_clip_source_of_the_kind_its_path_says(opened: Opened) -> None:
    source = opened.source
    assert isinstance(source, ClipSource)
    assert source.kind == data_kind(opened.data) == opened.case.kind
    assert source.frame_size == SIZE
    assert source.action_dim == actions_in(opened.data)
    assert opened.again(kind=opened.case.kind).fingerprint() == source.fingerprint()


def test_recordings_are_distinct_and_say_what_they_are(opened: Opened) -> None:
    recordings = list(opened.source.recordings)
    assert recordings
    assert len({r.id for r in recordings}) == len(recordings) == len(opened.source.recordings)
    for recording in recordings:
        assert recording.length > 0
        assert recording.fps > 0
        folder = opened.root if Path(opened.data.path).is_file() else Path(opened.data.path)
        assert not recording.file or (folder / recording.file).exists()


def test_every_recording_has_the_frames_it_says(opened: Opened) -> None:
    for index in range(min(3, len(opened.source.recordings))):
        recording = opened.source.recordings[index]
        clip = opened.read(index)
        count = recording.length
        assert clip.frames.shape == (count, 3, SIZE, SIZE)
        assert clip.frames.dtype == np.uint8
        assert clip.actions.shape == (count, opened.source.action_dim)
        assert clip.poses.shape == (count, opened.source.pose_dim)
        assert clip.actions.dtype == clip.poses.dtype == np.float32
        assert np.isfinite(clip.actions).all()
        assert np.isfinite(clip.poses).all()
        assert (clip.id, clip.fps) == (recording.id, recording.fps)
        for values in clip.labels.values():
            assert len(values) == count


def test_there_is_something_to_see_and_it_moves(opened: Opened) -> None:
    frames = opened.read().frames.astype(np.float64)
    assert frames.min() < 60
    assert frames.max() > 150  # all of 0..255 is used, not 0..1
    assert np.abs(np.diff(frames, axis=0)).mean((1, 2, 3)).min() > 0.5


@pytest.mark.parametrize(
    "frames",
    [range(0, 9), range(3, 4), range(2, 8, 3), range(8, 9), range(1, 8, 7), range(7, 1, -2)],
    ids=str,
)
def test_any_frames_can_be_read(opened: Opened, frames: range) -> None:
    whole, part = opened.read(), opened.source.read(0, frames)
    chosen = np.asarray(frames)
    assert len(part) == len(frames)
    for name in ("frames", "actions", "poses"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[chosen])
    for name, values in part.labels.items():
        np.testing.assert_array_equal(values, whole.labels[name][chosen])


def test_no_frames_are_no_frames(opened: Opened) -> None:
    clip = opened.source.read(0, range(3, 3))
    assert clip.frames.shape == (0, 3, SIZE, SIZE)
    assert clip.actions.shape == (0, opened.source.action_dim)


def test_frames_outside_are_an_index_error(opened: Opened) -> None:
    length = opened.source.recordings[0].length
    for first, stop, step in (
        (length, length + 1, 1),
        (length - 2, length + 1, 1),
        (0, length + 1, length),
        (-1, 2, 1),
        (2, -2, -1),
        (length, 0, -1),
    ):
        with pytest.raises(IndexError):
            opened.source.read(0, range(first, stop, step))
    with pytest.raises(IndexError):
        opened.source.read(len(opened.source.recordings), range(1))


def test_reading_again_gives_the_same(opened: Opened) -> None:
    first = opened.read()
    kept = pickle.loads(pickle.dumps(first))
    first.frames[:] = 0  # what the reader does with a clip is its own affair
    assert_same(opened.read(), kept)
    assert_same(
        opened.again().read(0, range(len(kept))),
        kept,
    )


def test_a_pickled_copy_reads_the_same(opened: Opened) -> None:
    opened.read()  # files are open, maps are mapped
    copy: ClipSource = pickle.loads(pickle.dumps(opened.source))
    assert list(copy.recordings) == list(opened.source.recordings)
    assert copy.fingerprint() == opened.source.fingerprint()
    for index in range(min(3, len(copy.recordings))):
        assert_same(copy.read(index, range(9)), opened.source.read(index, range(9)))


def test_a_worker_process_reads_the_same(opened: Opened, worker: ProcessPoolExecutor) -> None:
    clip = worker.submit(opened.source.read, 0, range(1, 9, 2)).result(timeout=120)
    assert_same(clip, opened.source.read(0, range(1, 9, 2)))


def test_the_fingerprint_is_that_of_the_data_and_the_way_it_is_read(opened: Opened) -> None:
    mine = opened.source.fingerprint()
    int(mine, 16)
    assert len(mine) >= 16
    assert opened.again().fingerprint() == mine
    others = [opened.again(**changes).fingerprint() for changes in opened.case.options]
    others.append(opened.case.open(opened.root, opened.data, 64).fingerprint())
    assert len({mine, *others}) == 1 + len(others)


def test_what_a_source_has_no_use_for_leaves_it_alone(opened: Opened) -> None:
    unused = {"sequence_length": 7, "stride": 3, "batch_size": 2, "workers": 3, "split": "hash"}
    assert opened.again(**unused).fingerprint() == opened.source.fingerprint()


def test_another_place_is_the_same_data(opened: Opened, tmp_path: Path) -> None:
    if opened.data.path == "shapes":
        elsewhere = opened.data
    else:
        here, there = Path(opened.data.path), tmp_path / "elsewhere"
        there.mkdir()
        if here.is_dir():  # copies with new dates
            shutil.copytree(here, there / "moved", copy_function=shutil.copyfile)
            elsewhere = replace(opened.data, path=str(there / "moved"))
        else:
            shutil.copyfile(here, there / here.name)
            elsewhere = replace(opened.data, path=str(there / here.name))
    moved = opened.case.open(tmp_path, elsewhere)
    assert list(moved.recordings) == list(opened.source.recordings)
    assert moved.fingerprint() == opened.source.fingerprint()
    assert_same(moved.read(0, range(9)), opened.source.read(0, range(9)))


@pytest.mark.parametrize(
    "name", ["tfrecord-folder", "video-folder-streamed", "frames-folders-cached", "hdf5", "shapes"]
)
def test_more_data_changes_no_names(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    data = case.make(tmp_path)
    before = case.open(tmp_path, data)
    if name == "shapes":
        data = replace(data, clips=data.clips + 5)
    elif case.kind == "video":
        video(tmp_path / "videos" / "0-first.mp4", 5, 9)
    elif case.kind == "hdf5":
        clip = world_clip(5, 9)
        write_demos(tmp_path / "demos" / "0.hdf5", [replace(clip, poses=clip.poses[:, :9])])
    elif case.kind == "frames":
        save_pictures(tmp_path / "pictures" / "0-first", world_clip(5, 9))
    else:
        write_tfrecords(tmp_path / "records" / "0-train.tfrecord", [world_clip(5, 9)])
    after = case.open(tmp_path, data)
    assert {r.id: r for r in before.recordings}.items() <= {
        r.id: r for r in after.recordings
    }.items()
    assert len(after.recordings) > len(before.recordings)
    assert after.fingerprint() != before.fingerprint()
    place = [r.id for r in after.recordings].index(before.recordings[0].id)
    assert_same(after.read(place, range(9)), before.read(0, range(9)))


def test_windows_of_a_split_can_be_cut_from_it(opened: Opened) -> None:
    parts = segments(opened.source, replace(opened.data, split="time"), "train")
    windows = ClipWindows(opened.source, parts, 3, 2)
    for index in windows.spread(4):
        clip = windows[index]
        assert len(clip) == 3
        recording, frames = windows.locate(index)
        whole = opened.read(recording)
        np.testing.assert_array_equal(clip.frames, whole.frames[np.asarray(frames)])
