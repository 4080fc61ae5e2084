"""A look at data before anybody trains on it: what it is, how much, how fast, and what is wrong."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
from jaxtyping import Float, UInt8

from farframe.config import DataConfig, check
from farframe.data.complaints import listening
from farframe.data.kinds import KINDS
from farframe.data.problems import (
    Problem,
    constant_numbers,
    gathered,
    imprint,
    in_frames,
    in_numbers,
    twice,
)
from farframe.data.progress import progress
from farframe.data.remote import located
from farframe.data.sampling import STRETCH, spread_recordings, spread_stretches
from farframe.data.source import ClipSource, DataError, Split, open_source
from farframe.data.splits import Segment, segments, split_mode
from farframe.types import Clip

COMPARED = 1000
"""Recordings compared with each other where not all are."""
SHEET_ROWS = 12


@dataclass(frozen=True, kw_only=True)
class InspectOptions:
    """How closely to look."""

    clips: int = 64
    """Stretches of frames to read, spread evenly over everything (0: every frame)."""
    frame_size: int = 64
    """Height and width that frames are read with."""

    def __post_init__(self) -> None:
        check(self.clips >= 0, "--clips", self.clips, "must be >= 0")
        check(self.frame_size >= 1, "--frame-size", self.frame_size, "must be >= 1")


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """The numbers of all actions, or poses, that were read: one entry for each number."""

    low: tuple[float, ...]
    mean: tuple[float, ...]
    high: tuple[float, ...]
    std: tuple[float, ...]
    constant: tuple[int, ...]
    """Which never change."""

    @property
    def zero(self) -> bool:
        """Whether there is nothing but zeros, or nothing."""
        return not any((*self.low, *self.high))

    @staticmethod
    def of(values: Float[np.ndarray, "n k"]) -> Numbers:
        """Of finite values; with none of them, of nothing."""
        kept = values[np.isfinite(values).all(1)].astype(np.float64)
        if not len(kept):
            return Numbers(low=(), mean=(), high=(), std=(), constant=())
        rows = (kept.min(0), kept.mean(0), kept.max(0), kept.std(0))
        low, mean, high, std = (tuple(row.tolist()) for row in rows)
        return Numbers(
            low=low, mean=mean, high=high, std=std, constant=tuple(constant_numbers(kept))
        )


@dataclass(frozen=True, kw_only=True)
class Part:
    """One split: how much of the data it has, or why it has none (``empty``)."""

    recordings: int = 0
    frames: int = 0
    clips: int = 0
    empty: str = ""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """All that a look has found."""

    path: str
    kind: str
    why: str
    """What it was known by."""
    recordings: int
    frames: int
    seconds: float
    rates: tuple[float, ...]
    lengths: tuple[int, int, int]
    """Frames of the shortest, the median and the longest recording."""
    stored_sizes: tuple[tuple[int, int], ...]
    """Widths and heights of the pictures as they are stored; empty where that isn't known."""
    frame_size: int
    brightness: tuple[int, float, int]
    """Lowest, mean and highest value of all pixels read."""
    actions: Numbers
    poses: Numbers
    labels: dict[str, tuple[int, ...]]
    """Names and shapes (of one frame) of ground truth."""
    split: str
    """The rule that was used."""
    splits: dict[str, Part]
    sequence_length: int
    stride: int
    read_stretches: int
    read_frames: int
    compared: int
    """Recordings that were compared with each other."""
    clip_seconds: float
    """Median time to read as many frames as a clip has."""
    frames_per_second: float
    problems: tuple[Problem, ...]


@dataclass
class _Seen:
    """What reading the sample has brought together."""

    found: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    actions: list[np.ndarray] = field(default_factory=list[np.ndarray])
    poses: list[np.ndarray] = field(default_factory=list[np.ndarray])
    labels: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    seconds: list[float] = field(default_factory=list[float])
    rows: list[tuple[str, UInt8[np.ndarray, "t c h w"]]] = field(default_factory=list[Any])
    frames: int = 0
    total: float = 0.0
    low: int = 255
    high: int = 0


def inspect(
    data: DataConfig, options: InspectOptions
) -> tuple[Inspection, list[tuple[str, UInt8[np.ndarray, "t c h w"]]]]:
    """Look at ``data`` and give what was found, and some named clips for a contact sheet.

    Nothing is written. Warnings are taken for problems, not shown.

    Raises:
        ValueError: for wrong options.
        DataError: if the data can't be opened at all.
    """
    with listening() as heard:
        source = open_source(data, options.frame_size, None)
        parts = {split: _part(source, data, split) for split in get_args(Split)}
        heard = list(dict.fromkeys(heard))
        membership = _membership(source, parts)
        stretches = spread_stretches(source.recordings, options.clips, max(STRETCH, _span(data)))
        seen = _read(source, stretches, membership)
        compared = spread_recordings(
            len(source.recordings), max(COMPARED, options.clips) if options.clips else 0
        )
        imprints = dict(_imprints(source, compared, seen))
    found = [("unreadable", text) for text in heard] + seen.found
    found += twice(imprints, membership)
    actions, poses = (_stacked(rows) for rows in (seen.actions, seen.poses))
    meant = data.controls == "zeros"
    found += [*in_numbers(actions, "actions", meant), *in_numbers(poses, "poses", meant)]
    found += _short(source, data)
    recordings = source.recordings
    lengths = sorted(r.length for r in recordings)
    per_frame = statistics.median(seen.seconds) if seen.seconds else float("nan")
    report = Inspection(
        path=data.path,
        kind=source.kind,
        why=_why(data, source.kind),
        recordings=len(recordings),
        frames=sum(lengths),
        seconds=sum(r.length / r.fps for r in recordings),
        rates=tuple(sorted({round(r.fps, 6) for r in recordings})),
        lengths=(lengths[0], lengths[len(lengths) // 2], lengths[-1]),
        stored_sizes=tuple(sorted(getattr(source, "stored_sizes", set)())),
        frame_size=source.frame_size,
        brightness=(min(seen.low, seen.high), seen.total / max(1, seen.frames), seen.high),
        actions=Numbers.of(actions),
        poses=Numbers.of(poses),
        labels=seen.labels,
        split=split_mode(source, data),
        splits={split: part for split, (part, _) in parts.items()},
        sequence_length=data.sequence_length,
        stride=data.stride,
        read_stretches=len(stretches),
        read_frames=seen.frames,
        compared=len(compared),
        clip_seconds=per_frame * data.sequence_length,
        frames_per_second=1 / per_frame if per_frame else float("inf"),
        problems=gathered(found),
    )
    return report, seen.rows


def _span(data: DataConfig) -> int:
    """Frames of a recording that a clip covers."""
    return (data.sequence_length - 1) * data.stride + 1


def _why(data: DataConfig, kind: str) -> str:
    if data.kind != "auto":
        return "as you say"
    if data.path == kind:
        return "a generated world"
    path = located(data.path)
    file = path.is_file()
    return "the file's name or first bytes" if file else f"it holds {KINDS[kind].looks}"


def _part(source: ClipSource, data: DataConfig, split: Split) -> tuple[Part, list[Segment]]:
    try:
        cut = segments(source, data, split)
    except DataError as error:
        return Part(empty=str(error)), []
    lengths = [segment.stop - segment.start for segment in cut]
    return Part(
        recordings=len({segment.recording for segment in cut}),
        frames=sum(lengths),
        clips=sum(max(0, length - _span(data) + 1) for length in lengths),
    ), cut


def _membership(
    source: ClipSource, parts: dict[Split, tuple[Part, list[Segment]]]
) -> dict[str, frozenset[str]]:
    """The splits that each recording is in, by its id."""
    found: dict[int, set[str]] = {}
    for split, (_, cut) in parts.items():
        for segment in cut:
            found.setdefault(segment.recording, set()).add(split)
    return {source.recordings[i].id: frozenset(splits) for i, splits in found.items()}


def _read(
    source: ClipSource, stretches: Sequence[Segment], membership: dict[str, frozenset[str]]
) -> _Seen:
    """Read the sample, looking at every stretch."""
    seen = _Seen()
    shown = set(spread_recordings(len(stretches), SHEET_ROWS))
    with progress("reading", len(stretches), "stretches") as advance:
        for number, (recording, start, stop) in enumerate(
            (s.recording, s.start, s.stop) for s in stretches
        ):
            known = source.recordings[recording]
            began = time.perf_counter()
            try:
                clip = source.read(recording, range(start, stop))
            except DataError as error:
                seen.found.append(("unreadable", f"{known.id}: {error}"))
                continue
            finally:
                advance(1)
            seen.seconds.append((time.perf_counter() - began) / max(1, len(clip)))
            _note(seen, clip, known.id, start)
            if number in shown:
                parts = "/".join(sorted(membership.get(known.id, ())))
                name = f"{known.id}  {parts}" + (f"  from frame {start}" if start else "")
                seen.rows.append((name, clip.frames))
    return seen


def _note(seen: _Seen, clip: Clip, name: str, start: int) -> None:
    seen.found += in_frames(clip.frames, name, start, clip.fps)
    seen.actions.append(clip.actions)
    seen.poses.append(clip.poses)
    seen.labels |= {label: values.shape[1:] for label, values in clip.labels.items()}
    seen.frames += len(clip)
    seen.total += float(clip.frames.mean()) * len(clip)
    seen.low = min(seen.low, int(clip.frames.min()))
    seen.high = max(seen.high, int(clip.frames.max()))


def _imprints(source: ClipSource, chosen: Sequence[int], seen: _Seen) -> Iterator[tuple[str, str]]:
    """Names of recordings, and imprints of their first, middle and last frames."""
    with progress("comparing", len(chosen), "recordings") as advance:
        for index in chosen:
            recording = source.recordings[index]
            half = max(1, (recording.length - 1) // 2)
            try:
                clip = source.read(index, range(0, min(2 * half + 1, recording.length), half))
                yield recording.id, imprint(clip.frames)
            except DataError as error:
                place = ("unreadable", f"{recording.id}: {error}")
                seen.found += [] if place in seen.found else [place]
            advance(1)


def _short(source: ClipSource, data: DataConfig) -> Iterator[tuple[str, str]]:
    for recording in source.recordings:
        if recording.length < _span(data):
            yield (
                "short",
                f"{recording.id} ({recording.length} frames, a clip needs {_span(data)})",
            )


def _stacked(rows: list[np.ndarray]) -> Float[np.ndarray, "n k"]:
    return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)
