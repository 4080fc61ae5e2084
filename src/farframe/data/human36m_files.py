"""How Human3.6M lies on a disk as its owners distribute it, and which part is for what.

The archives of each subject, unpacked into one folder::

    S1/Videos/Directions 1.54138969.mp4                        50 frames/s, 1000x1002 or 1000x1000
    S1/MyPoseFeatures/D2_Positions/Directions 1.54138969.cdf   its joints in pixels

The number before the suffix is the camera, one of four; what lies before it, action and take.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path

from farframe.data.files import is_regular, is_video
from farframe.data.source import DataError, Split

logger = logging.getLogger("farframe")

SUBJECTS: Mapping[str, Split] = {
    "S1": "train",
    "S5": "train",
    "S6": "train",
    "S7": "train",
    "S8": "train",
    "S9": "test",
    "S11": "test",
}
"""The seven people whose poses are public, and the split that everybody uses."""

_SUBJECT = re.compile(r"S\d+")
_VIDEOS, _POSES = "Videos", ("MyPoseFeatures", "D2_Positions")


def is_human36m(path: Path) -> bool:
    """Whether a folder has subjects with their videos; looks no deeper than that."""
    return bool(_subjects(path))


def find_videos(path: Path) -> dict[str, Path]:
    """The videos of the seven subjects by names such as ``S1/Videos/Directions 1.54138969.mp4``.

    Files whose names begin with ``_`` (``_ALL 1.54138969.mp4``: a subject's recordings once more,
    end to end) are left out, as everybody does; so are other people, with a warning.

    Raises:
        DataError: if there are none, or a folder can't be listed.
    """
    subjects = _subjects(path)
    if strangers := [name for name in subjects if name not in SUBJECTS]:
        logger.warning(
            "%s of %s left out: only %s have a split", ", ".join(strangers), path, _known()
        )
    found: dict[str, Path] = {}
    for subject in subjects:
        if subject in strangers:
            continue
        try:
            names = sorted(os.listdir(path / subject / _VIDEOS))
        except OSError as error:
            raise DataError(f"{error.filename} can't be listed: {error.strerror}") from error
        for name in names:
            file = path / subject / _VIDEOS / name
            if is_video(file) and name[0] not in "._" and is_regular(file):
                found[f"{subject}/{_VIDEOS}/{name}"] = file
    if not found:
        raise DataError(
            f"{path} holds no videos of Human3.6M: unpack its archives of videos there, so that "
            f"files such as S1/{_VIDEOS}/Directions 1.54138969.mp4 are in it, for {_known()}"
        )
    return found


def pose_name(video: str) -> str:
    """The file with the joints that belong to a video, both below the data's folder."""
    subject, _, file = video.split("/")
    return "/".join((subject, *_POSES, f"{file.rpartition('.')[0]}.cdf"))


def performance(video: str) -> str:
    """What is seen in a video, the same for all cameras: ``S1/Directions 1``."""
    subject, _, file = video.split("/")
    return f"{subject}/{file.rpartition('.')[0].rpartition('.')[0] or file}"


def split_of(video: str) -> Split:
    """Where a video belongs.

    Test is by subject. Of training a tenth is for validation, by a hash of subject, action and
    take: all four cameras together, or validation would show what was trained on from the side.
    """
    from farframe.data.splits import HELD_OUT_TENTH, tenth

    split = SUBJECTS[video.partition("/")[0]]
    if split == "train" and tenth(performance(video)) == HELD_OUT_TENTH:
        return "validation"
    return split


def _subjects(path: Path) -> list[str]:
    try:
        names = sorted(n for n in os.listdir(path) if _SUBJECT.fullmatch(n))
    except OSError:  # a file, or nothing that can be listed: no such folder
        return []
    return [name for name in names if (path / name / _VIDEOS).is_dir()]


def _known() -> str:
    return ", ".join(SUBJECTS)
