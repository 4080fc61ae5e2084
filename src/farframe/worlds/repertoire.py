"""Which motions and which appearances belong to which split: they share neither."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from farframe.data.source import DataError
from farframe.worlds import motion_clips
from farframe.worlds.motion import Motion
from farframe.worlds.retarget import SHORTEST, read_motion

TEST_CLIPS = ("dance_b", "getup_faceup", "kick", "run")
TRAIN_CLIPS = tuple(name for name in motion_clips.NAMES if name not in TEST_CLIPS)
OFTEN = {"walk": 4, "run": 2, "kick": 2, "dance_a": 2, "dance_b": 2}
"""How many times as often as the acrobatics what people do every day is shown."""
TRAIN_SHARE, GAP = 0.8, 0.5  # of a recording that both splits use; seconds left out between


def motions(split: str, bvh: str) -> tuple[Motion, ...]:
    """The motions of a split: PyBullet's clips, and those of a BVH file or folder if one is named.

    What is there several times is to be shown so many times as often. Getting up is there backwards
    too: it looks like lying down.

    Raises:
        ValueError: if PyBullet's data is missing.
        DataError: if the BVH files can't be used.
    """
    test = split == "test"
    names = TEST_CLIPS if test else TRAIN_CLIPS
    clips = [motion_clips.motion_clip(name) for name in names for _ in range(OFTEN.get(name, 1))]
    lying_down = [clip.reversed() for clip in clips if clip.name.startswith("getup")]
    return (*clips, *lying_down, *(_own(bvh)[test] if bvh else ()))


def bvh_files(bvh: str) -> list[Path]:
    """The BVH files that a path stands for, in a fixed order.

    Raises:
        DataError: if there is none.
    """
    path = Path(bvh).expanduser()
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"motions: {bvh} is no file and no folder; give one BVH file or a folder")
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() == ".bvh" and p.is_file())
    if not found:
        raise DataError(f"motions: no .bvh file in {bvh}")
    return found


@lru_cache(maxsize=4)
def _own(bvh: str) -> tuple[tuple[Motion, ...], tuple[Motion, ...]]:
    """Motions of BVH files for training and for testing.

    A fifth of the files is for testing, chosen by a hash of their names, so that files which are
    added later change nothing for the others. If that leaves either side without a file, the
    first 80 % of every recording are for training and the rest, after half a second, for testing.
    """
    whole = [read_motion(path) for path in bvh_files(bvh)]
    train = tuple(m for m in whole if not _for_test(m.name))
    test = tuple(m for m in whole if _for_test(m.name))
    if train and test:
        return train, test
    early = [m.part(0.0, TRAIN_SHARE) for m in whole]
    late = [m.part(min(1.0, TRAIN_SHARE + GAP / m.seconds), 1.0) for m in whole]
    return _long_enough(early, bvh), _long_enough(late, bvh)


def _long_enough(found: list[Motion], bvh: str) -> tuple[Motion, ...]:
    kept = tuple(m for m in found if m.seconds >= SHORTEST)
    if not kept:
        longest = max(m.seconds for m in found)
        raise DataError(
            f"motions: the recordings of {bvh} are divided into {TRAIN_SHARE:.0%} for training and "
            f"the rest for testing, which leaves {longest:.1f} s; give longer ones or more files"
        )
    return kept


def _for_test(name: str) -> bool:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 5 == 0


def pairs(split: str, first: int, second: int) -> list[tuple[int, int]]:
    """Which of ``first`` times ``second`` combinations a split shows: an eighth each for testing
    and validation, the others for training. Every split shows each single thing.
    """
    share = {"test": (0,), "validation": (1,), "train": (2, 3, 4, 5, 6, 7)}[split]
    return [(a, b) for a in range(first) for b in range(second) if (a + 3 * b) % 8 in share]
