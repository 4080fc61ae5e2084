from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import human36m_files as h36m
import pytest

from farframe.config import DataConfig
from farframe.data.clips import ClipWindows
from farframe.data.human36m_files import SUBJECTS
from farframe.data.source import DataError, Recording, Split
from farframe.data.splits import segments
from farframe.data.srvp import SPAN
from farframe.evaluation.options import EvaluateOptions
from farframe.evaluation.setting import _windows
from farframe.types import Clip

FIRST = [
    ("S11/Videos/Action12.58860488.mp4", 860),
    ("S11/Videos/Action01.58860488.mp4", 106),
    ("S11/Videos/Action08.60457274.mp4", 1724),
]
LAST = ("S9/Videos/Action06 1.54138969.mp4", 778)
ASIDE = {"S1/Videos/Action02.54138969.mp4", "S1/Videos/Action02.55011271.mp4"}
DATA = DataConfig(path="/h36m", split="srvp", stride=8, sequence_length=53)


@dataclass(frozen=True)
class Lengths:
    """Human3.6M without pictures: names and lengths of videos."""

    recordings: tuple[Recording, ...]
    kind: str = "human36m"
    frame_size: int = 64
    action_dim: int = 0
    pose_dim: int = 0

    def read(self, index: int, frames: range) -> Clip:
        raise NotImplementedError

    def fingerprint(self) -> str:
        return "0"


def lengths(actions: int = 15, short: str = "") -> Lengths:
    """A video for each subject, action, take and camera, each of another length."""
    found: list[Recording] = []
    for s, subject in enumerate(SUBJECTS):
        for a in range(actions):
            for take in ("", " 1"):
                for c, camera in enumerate(h36m.CAMERAS):
                    name = f"{subject}/Videos/Action{a:02d}{take}.{camera}.mp4"
                    length = 1000 + 131 * a + 17 * c + 7 * s + len(take)
                    if name == short:
                        length = SPAN - 1
                    found.append(Recording(id=name, file=name, length=length, fps=50.0))
    return Lengths(tuple(found))


def test_there_are_a_thousand_test_clips_of_the_test_subjects() -> None:
    source = lengths()
    clips = segments(source, DATA, "test")
    assert len(clips) == 1000
    assert {source.recordings[c.recording].file.split("/")[0] for c in clips} == {"S9", "S11"}
    assert all(c.stop - c.start == 417 for c in clips)
    assert all(0 <= c.start <= c.stop <= source.recordings[c.recording].length for c in clips)
    windows = ClipWindows(source, clips, 53, 8, first=True)
    assert len(windows) == 1000
    assert [windows.locate(i)[1].start for i in range(9)] == [c.start for c in clips[:9]]


def test_the_clips_are_those_of_the_published_program() -> None:
    """Its two scripts (revision 07b1596), run by hand over these names and lengths."""
    source = lengths()
    clips = segments(source, DATA, "test")
    listed = [(source.recordings[c.recording].file, c.start) for c in clips]
    assert listed[:3] == FIRST
    assert listed[-1] == LAST


@pytest.mark.parametrize("horizon", [10, 45])
def test_evaluation_begins_each_clip_where_it_begins(horizon: int) -> None:
    source = lengths()
    options = EvaluateOptions(split="test", horizon=horizon)
    windows = _windows(source, DATA, options, 8)
    drawn = segments(source, DATA, "test")
    assert [windows.locate(i)[1].start for i in windows.spread(1000)] == [c.start for c in drawn]


def test_adding_files_to_training_leaves_the_test_clips(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "farframe")
    first = segments(lengths(), DATA, "test")
    source = lengths()
    kept = tuple(r for r in source.recordings if not r.file.startswith("S1/"))
    again = segments(replace(source, recordings=kept), DATA, "test")
    gone = len(source.recordings) - len(kept)
    assert [(c.recording - gone, c.start) for c in first] == [(c.recording, c.start) for c in again]
    said = [r.getMessage() for r in caplog.records]
    assert said[0] == said[1]
    assert "1000 test clips, from 240 videos: list" in said[0]


def test_a_twentieth_of_the_training_videos_is_put_aside() -> None:
    source = lengths()
    train = {s.recording for s in segments(source, DATA, "train")}
    aside = {s.recording for s in segments(source, DATA, "validation")}
    names = {source.recordings[i].file for i in aside}
    assert (len(train), len(aside)) == (570, 30)
    assert not train & aside
    assert names > ASIDE


def test_videos_too_short_for_a_clip_are_never_drawn() -> None:
    short = "S9/Videos/Action03.54138969.mp4"
    source = lengths(short=short)
    drawn = {source.recordings[c.recording].file for c in segments(source, DATA, "test")}
    assert short not in drawn
    assert len(drawn) > 200


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stride": 4}, r"--data\.fps 0 and --data\.stride 8 \(they are 0 and 4\)"),
        ({"fps": 6.25, "stride": 1}, r"they are 6\.25 and 1"),
    ],
)
def test_another_rate_is_another_protocol(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        segments(lengths(), replace(DATA, **changes), "test")


def test_other_data_has_no_such_split() -> None:
    source = replace(lengths(), kind="video")
    with pytest.raises(DataError, match=r"a split of Human3\.6M, but /h36m is of kind video"):
        segments(source, DATA, "train")


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_an_empty_split_is_one_line(split: Split) -> None:
    other = "S1" if split == "test" else "S9"
    kept = tuple(r for r in lengths(1).recordings if r.file.startswith(f"{other}/"))
    with pytest.raises(DataError, match=f"the {split} split of /h36m is empty: it needs videos"):
        segments(Lengths(kept), DATA, split)


def test_it_reads_real_files(tmp_path: Path) -> None:
    from farframe.data.source import open_source

    h36m.record(tmp_path, "S9/Eating.54138969", count=420, size=(64, 64), posed=False)
    source = open_source(DataConfig(path=str(tmp_path)), 32)
    clips = segments(source, DATA, "test")
    assert len(clips) == 1000
    assert {c.start for c in clips} == {0, 1, 2, 3}
