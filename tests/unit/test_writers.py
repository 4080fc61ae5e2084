"""Clips written as LeRobotDatasets and as videos with tables, and read again."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from farframe.config import DataConfig
from farframe.data import lerobot_writer, video_writer
from farframe.data.shard_notes import FOLDER
from farframe.data.shards import Shard
from farframe.data.source import ClipSource, DataError, open_source
from farframe.data.splits import Segment, segments
from farframe.data.video_writer import file_name
from farframe.types import Clip
from farframe.video_encoder import HIGH, LOSSLESS, Encoding

SIZE = 32
LENGTHS = (11, 9, 12, 10)
SPLITS = ("train", "train", "validation", "test")
WRITERS = (lerobot_writer, video_writer)


def photo(length: int, seed: int) -> np.ndarray:
    """Frames "t c h w" like a photograph's: smooth, with edges, colours and grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    waves = [
        rng.normal(size=3)[:, None, None] * np.sin(k * x + rng.random() * 9 + y) for k in range(9)
    ]
    scene = 128 + 40 * sum(waves) / 2 + rng.normal(size=(3, SIZE, SIZE)) * 2
    frames = np.stack([np.roll(scene, t, 2) for t in range(length)])
    frames[:, :, 8:20, 6:14] = np.array([200, 60, 40])[:, None, None]
    return frames.clip(0, 255).astype(np.uint8)


def clips(actions: int = 3, poses: int = 2, fps: float = 10.0) -> list[Clip]:
    rng = np.random.default_rng(0)
    return [
        Clip(
            frames=photo(n, i),
            actions=rng.normal(size=(n, actions)).astype(np.float32),
            poses=rng.normal(size=(n, poses)).astype(np.float32),
            fps=fps,
            id=f"deep/{i}.mp4",
        )
        for i, n in enumerate(LENGTHS)
    ]


def shards() -> list[Shard]:
    """Clips 0 and 1, 2, 3."""
    frames = np.cumsum([0, *LENGTHS]).tolist()
    parts = ((0, 1), (2,), (3,))
    return [
        Shard(
            split=SPLITS[part[0]],
            number=number,
            of=len(parts),
            part=0,
            parts=1,
            segments=tuple(Segment(i, 0, LENGTHS[i]) for i in part),
            first_clip=part[0],
            first_frame=frames[part[0]],
        )
        for number, part in enumerate(parts)
    ]


def write_all(writer: Any, out: Path, given: list[Clip], encoding: Encoding) -> None:
    for shard in reversed(shards()):  # any process, in any order
        chosen = iter([given[segment.recording] for segment in shard.segments])
        writer.write_shard(out, shard, chosen, encoding)
        assert writer.finished(out, shard)
    writer.finish(out)
    assert not (out / FOLDER).exists()
    assert not list(out.rglob(".*"))


def read_all(out: Path) -> tuple[ClipSource, list[Clip]]:
    source = open_source(DataConfig(path=str(out)), SIZE)
    return source, [source.read(i, range(r.length)) for i, r in enumerate(source.recordings)]


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = ((one.astype(float) - other) ** 2).mean((1, 2, 3)).max()
    return 10 * np.log10(255**2 / max(error, 1e-9))


@pytest.mark.parametrize("writer", WRITERS, ids=lambda w: w.__name__)
@pytest.mark.parametrize(
    ("actions", "poses", "fps"), [(3, 2, 10.0), (1, 0, 30000 / 1001), (0, 0, 6.25)]
)
def test_what_is_written_is_read(
    writer: Any, actions: int, poses: int, fps: float, tmp_path: Path
) -> None:
    for encoding in (HIGH, LOSSLESS):
        out = tmp_path / encoding.colours
        given = clips(actions, poses, fps)
        write_all(writer, out, given, encoding)
        source, found = read_all(out)
        assert (source.action_dim, source.pose_dim) == (actions, poses)
        if writer is video_writer:
            order = [3, 0, 1, 2]  # test, train, validation
            names = [f"{SPLITS[i]}/deep/{i}.mp4" for i in order]
            assert [r.id for r in source.recordings] == names
        else:
            order = [0, 1, 2, 3]
            assert [r.split for r in source.recordings] == list(SPLITS)
        for i, clip in zip(order, found, strict=True):
            np.testing.assert_array_equal(clip.actions, given[i].actions)
            np.testing.assert_array_equal(clip.poses, given[i].poses)
            assert clip.fps == pytest.approx(fps)
            if encoding is LOSSLESS:
                np.testing.assert_array_equal(clip.frames, given[i].frames)
            else:
                assert psnr(clip.frames, given[i].frames) > 38


def test_split_folders_are_followed_by_pattern(tmp_path: Path) -> None:
    write_all(video_writer, tmp_path, clips(), HIGH)
    source = open_source(DataConfig(path=str(tmp_path)), SIZE)
    for split, expected in (("train", {0, 1}), ("validation", {2}), ("test", {3})):
        found = segments(source, DataConfig(path=str(tmp_path), split="pattern"), split)
        names = {source.recordings[s.recording].id for s in found}
        assert names == {f"{split}/deep/{i}.mp4" for i in expected}


@pytest.mark.parametrize("writer", WRITERS, ids=lambda w: w.__name__)
def test_finished_shards_are_not_written_again(writer: Any, tmp_path: Path) -> None:
    first = shards()[0]
    given = clips()
    writer.write_shard(tmp_path, first, iter(given[:2]))
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    writer.write_shard(tmp_path, first, iter([]))
    assert stamps == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(DataError, match="shard 1 of 3 is missing"):
        writer.finish(tmp_path)
    assert not writer.finished(tmp_path, replace(first, of=4))
    next(tmp_path.rglob("*.mp4")).unlink()
    assert not writer.finished(tmp_path, first)


@pytest.mark.parametrize("writer", WRITERS, ids=lambda w: w.__name__)
def test_a_shard_that_fails_leaves_no_half_file(writer: Any, tmp_path: Path) -> None:
    def failing() -> Iterator[Clip]:
        yield clips()[0]
        raise OSError("the disk is on fire")

    with pytest.raises(OSError, match="on fire"):
        writer.write_shard(tmp_path, shards()[0], failing())
    assert not writer.finished(tmp_path, shards()[0])
    assert not list(tmp_path.rglob(".*"))


def test_a_lerobot_data_set_has_one_of_each(tmp_path: Path) -> None:
    one = clips()[0]
    for other in (
        replace(one, fps=20.0),
        replace(one, actions=one.actions[:, :2]),
        replace(one, frames=one.frames[..., :16, :16]),
    ):
        with pytest.raises(ValueError, match=r"clip deep/0\.mp4 has .* a LeRobotDataset has one"):
            lerobot_writer.write_shard(tmp_path, shards()[0], iter([one, other]))
    none = replace(one, frames=one.frames[:0], actions=one.actions[:0], poses=one.poses[:0])
    for short in ([], [none]):
        with pytest.raises(ValueError, match=r"no clips to write|has no frames"):
            lerobot_writer.write_shard(tmp_path, shards()[0], iter(short))
    for shard in shards():
        chosen = [clips(fps=10.0 + shard.number)[i] for i in (s.recording for s in shard.segments)]
        lerobot_writer.write_shard(tmp_path, shard, iter(chosen))
    with pytest.raises(DataError, match="shard 1 is"):
        lerobot_writer.finish(tmp_path)


def test_splits_of_shards_stand_together(tmp_path: Path) -> None:
    for shard in shards():
        split = "train" if shard.number != 1 else "test"
        chosen = iter([clips()[i] for i in (s.recording for s in shard.segments)])
        lerobot_writer.write_shard(tmp_path, replace(shard, split=split), chosen)
    with pytest.raises(DataError, match="the shards of split train don't stand together"):
        lerobot_writer.finish(tmp_path)


def test_statistics_are_those_of_the_numbers(tmp_path: Path) -> None:
    given = clips()
    write_all(lerobot_writer, tmp_path, given, HIGH)
    stats = json.loads((tmp_path / "meta" / "stats.json").read_text())
    actions = np.concatenate([c.actions for c in given]).astype(np.float64)
    frames = np.concatenate([c.frames for c in given]) / 255
    for key, values, axes in (
        ("action", actions, 0),
        ("observation.images.camera", frames, (0, 2, 3)),
    ):
        for name in ("min", "max", "mean", "std"):
            expected = getattr(values, name)(axes)
            np.testing.assert_allclose(np.ravel(stats[key][name]), expected, atol=1e-6)
        assert stats[key]["count"] == [sum(LENGTHS)]
        assert (np.array(stats[key]["q10"]) < np.array(stats[key]["q90"])).all()
    episodes = pq.read_table(tmp_path / "meta" / "episodes" / "chunk-000" / "file-000.parquet")
    median = episodes.column("stats/observation.images.camera/q50").to_pylist()[2]
    expected = np.quantile(given[2].frames / 255, 0.5, (0, 2, 3))
    np.testing.assert_allclose(np.ravel(median), expected, atol=1.01 / 255)


@pytest.mark.parametrize("name", ["a.mp4", "a b/c.avi", "r.tfrecord:3", "../up", ".x", "a//b", "%"])
def test_ids_become_names_that_stay_inside(name: str) -> None:
    path = file_name(name)
    assert not path.startswith("/")
    for part in path.split("/"):
        assert part
        assert not part.startswith(".")
        assert not set(part) & set('\\:*?"<>|')


def test_different_ids_have_different_names() -> None:
    ids = ["a", "a.avi", "a/b", "a%2Fb", "a:b", "a_b", ".a", "%2Ea", "x" * 300, "x" * 301, "é", "e"]
    assert len({file_name(id) for id in ids}) == len(ids)
    assert max(len(part) for id in ids for part in file_name(id).split("/")) < 240


@pytest.mark.skipif(importlib.util.find_spec("lerobot") is None, reason="lerobot isn't installed")
def test_lerobot_itself_reads_what_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    given = clips()
    write_all(lerobot_writer, tmp_path / "out", given, HIGH)
    data = LeRobotDataset("farframe/test", root=tmp_path / "out", video_backend="pyav")
    assert (data.num_episodes, len(data), data.fps) == (len(LENGTHS), sum(LENGTHS), 10)
    items = iter(range(len(data)))
    for episode, clip in enumerate(given):
        for t in range(len(clip)):
            item = data[next(items)]
            assert (int(item["episode_index"]), int(item["frame_index"])) == (episode, t)
            np.testing.assert_array_equal(item["action"].numpy(), clip.actions[t])
            np.testing.assert_array_equal(item["observation.state"].numpy(), clip.poses[t])
            picture = item["observation.images.camera"].numpy() * 255
            assert psnr(picture[None], clip.frames[t][None]) > 38
