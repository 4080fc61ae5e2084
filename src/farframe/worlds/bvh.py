"""Motion capture in the BVH format (Biovision hierarchy): a tree of joints, then its angles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from farframe.data.source import DataError
from farframe.worlds.quaternions import IDENTITY, about, multiply, rotate

_AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
_KINDS = {f"{axis}{kind}": (kind, axis) for axis in _AXES for kind in ("position", "rotation")}
MAX_JOINTS = 1000  # far more than anybody's skeleton: a file with more is no BVH


@dataclass(frozen=True)
class Capture:
    """A recording as its file has it, in its own units and axes.

    A joint turns (``local``) in its parent about the place where it is joined to it (``shifts``,
    the file's offsets unless a channel moves the joint). Tips of the last segments are joints too,
    called by their parent's name and `` end``.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Float[np.ndarray, "joints 3"]
    rate: float
    local: Float[np.ndarray, "n joints 4"]
    shifts: Float[np.ndarray, "n joints 3"]

    def world(self) -> tuple[Float[np.ndarray, "n joints 4"], Float[np.ndarray, "n joints 3"]]:
        """Turns and places of joints in the world."""
        turns, places = np.empty_like(self.local), np.empty_like(self.shifts)
        for n, parent in enumerate(self.parents):
            if parent < 0:
                turns[:, n], places[:, n] = self.local[:, n], self.shifts[:, n]
            else:
                turns[:, n] = multiply(turns[:, parent], self.local[:, n])
                shift = rotate(turns[:, parent], self.shifts[:, n])
                places[:, n] = places[:, parent] + shift
        return turns, places


def read_bvh(path: Path) -> Capture:
    """Read a BVH file: any tree, any order of channels, with position channels anywhere.

    Raises:
        DataError: if it can't be read or isn't whole; the message names file, line and reason.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as e:
        raise DataError(f"{path}: {e.strerror or e}") from None
    words = _Words(path, lines)
    tree = _Tree(words)
    return _motion(words, tree)


class _Words:
    """The words of a file one after another, and where each stands."""

    def __init__(self, path: Path, lines: list[str]) -> None:
        self._path = path
        self._words = [(word, n) for n, line in enumerate(lines, 1) for word in line.split()]
        self._at = 0

    def error(self, what: str) -> DataError:
        if self._at <= len(self._words) and self._at:
            what = f"line {self._words[self._at - 1][1]}: {what}"
        return DataError(f"{self._path}: {what}; not a whole BVH file")

    def next(self, wanted: str) -> str:
        if self._at == len(self._words):
            raise self.error(f"the file ends where {wanted} should be")
        self._at += 1
        return self._words[self._at - 1][0]

    def expect(self, word: str) -> None:
        found = self.next(f"'{word}'")
        if found.lower() != word.lower():
            raise self.error(f"'{found[:40]}' where '{word}' should be")

    def number(self, wanted: str) -> float:
        found = self.next(wanted)
        try:
            value = float(found)
        except ValueError:
            value = float("nan")
        if not np.isfinite(value):
            raise self.error(f"'{found[:40]}' where {wanted} should be")
        return value

    def whole(self, wanted: str) -> int:
        value = self.number(wanted)
        if value != int(value) or value < 0:
            raise self.error(f"{value:g} where {wanted} should be")
        return int(value)

    def name(self) -> str:
        """All words of the line up to an opening brace: names may have blanks."""
        name = self.next("a joint's name")
        while self._at < len(self._words) and self._words[self._at][0] != "{":
            if self._words[self._at][1] != self._words[self._at - 1][1]:
                break
            name += " " + self.next("a joint's name")
        return name

    def rows(self, count: int, width: int) -> Float[np.ndarray, "n width"]:
        """All that is left of the file: so many rows. (Some exporters write one more: left out.)"""
        wanted = count * width
        rest = [word for word, _ in self._words[self._at :]]
        if len(rest) < wanted:
            self._at = len(self._words)
            raise self.error(f"the file ends after {len(rest)} of {wanted} numbers")
        try:
            values = np.array(rest[:wanted], np.float64)
        except ValueError:
            values = np.full(1, np.nan)
        if not np.isfinite(values).all():
            for _ in range(wanted):  # slowly, to say which
                self.number("a number")
        if (len(rest) - wanted) % width:
            self._at = len(self._words)
            raise self.error(f"{len(rest)} numbers are no whole frames of {width}")
        return values.reshape(count, width)


class _Tree:
    """The file's hierarchy: joints in the order of the file, and the channels of each."""

    def __init__(self, words: _Words) -> None:
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[tuple[float, float, float]] = []
        self.channels: list[list[tuple[str, str]]] = []
        words.expect("HIERARCHY")
        words.expect("ROOT")
        self._joint(words, words.name(), -1)
        open_joints = [0]
        while open_joints:
            word = words.next("'JOINT' or '}'")
            if word == "}":
                open_joints.pop()
            elif word.upper() == "JOINT":
                self._joint(words, words.name(), open_joints[-1])
                open_joints.append(len(self.names) - 1)
            elif word.upper() == "END":
                words.expect("Site")
                self._joint(words, f"{self.names[open_joints[-1]]} end", open_joints[-1])
                words.expect("}")
            else:
                raise words.error(f"'{word[:40]}' where 'JOINT', 'End Site' or '}}' should be")

    def _joint(self, words: _Words, name: str, parent: int) -> None:
        """A joint from its brace to its channels (a tip has none)."""
        if len(self.names) == MAX_JOINTS:
            raise words.error(f"more than {MAX_JOINTS} joints")
        words.expect("{")
        words.expect("OFFSET")
        x, y, z = (words.number("an offset") for _ in range(3))
        channels: list[tuple[str, str]] = []
        if not name.endswith(" end"):
            words.expect("CHANNELS")
            for _ in range(words.whole("a number of channels")):
                told = words.next("a channel")
                if told.lower() not in _KINDS:
                    raise words.error(f"unknown channel '{told[:40]}'")
                channels.append(_KINDS[told.lower()])
        self.names.append(name)
        self.parents.append(parent)
        self.offsets.append((x, y, z))
        self.channels.append(channels)


def _motion(words: _Words, tree: _Tree) -> Capture:
    for word in ("MOTION", "Frames:"):
        words.expect(word)
    frames = words.whole("a number of frames")
    for word in ("Frame", "Time:"):
        words.expect(word)
    seconds = words.number("a frame time")
    if not (frames >= 2 and 1e-4 <= seconds <= 1):
        raise words.error(
            f"{frames} frames of {seconds:g} s: two frames or more, 0.1 ms to 1 s each"
        )
    width = sum(map(len, tree.channels))
    if not width:
        raise words.error("no joint has a channel")
    table = words.rows(frames, width)
    offsets = np.array(tree.offsets)
    local = np.tile(IDENTITY, (frames, len(offsets), 1))
    shifts = np.tile(offsets, (frames, 1, 1))
    column = 0
    for joint, channels in enumerate(tree.channels):
        for kind, axis in channels:
            values = table[:, column]
            if kind == "position":
                shifts[:, joint, "xyz".index(axis)] = values
            else:
                turn = about(_AXES[axis], np.radians(values))
                local[:, joint] = multiply(local[:, joint], turn)
            column += 1
    return Capture(tuple(tree.names), tuple(tree.parents), offsets, 1 / seconds, local, shifts)
