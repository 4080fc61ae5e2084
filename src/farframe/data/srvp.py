"""The test clips of SRVP on Human3.6M, so that numbers can be compared with published ones.

J.-Y. Franceschi, E. Delasalles, M. Chen, S. Lamprier, P. Gallinari: Stochastic Latent Residual
Video Prediction, ICML 2020. Their program draws 1,000 stretches of 53 frames, every eighth of the
stored ones, out of the videos of the test subjects with NumPy's generator of seed 42, and puts
a twentieth of the training videos aside. NumPy promises never to change what that generator draws:
the same videos give the same clips everywhere. With another set of videos (one can't be read, one
is missing) all clips after the first that it concerns are others, as in their program.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

import numpy as np

from farframe.config import DataConfig
from farframe.data.human36m_files import SUBJECTS
from farframe.data.source import ClipSource, DataError, Split

logger = logging.getLogger("farframe")

CLIPS, FRAMES, STRIDE, RATE, SEED = 1000, 53, 8, 50, 42
SPAN = (FRAMES - 1) * STRIDE + 1
"""Stored frames that a test clip covers."""
TRAINED_SHARE = 0.95


def srvp_cuts(source: ClipSource, data: DataConfig, split: Split) -> list[tuple[int, int, int]]:
    """The stretches (recording, start, stop) of a split; test clips may overlap.

    Raises:
        DataError: if the data is not Human3.6M, or is read at another rate.
    """
    if source.kind != "human36m":
        raise DataError(
            f"data.split is 'srvp', which is a split of Human3.6M, but {data.path} is of kind "
            f"{source.kind}: give --data.split auto"
        )
    if data.fps not in (0, RATE) or data.stride != STRIDE:
        raise DataError(
            f"data.split is 'srvp', which takes every {STRIDE}th of {RATE} frames a second: give "
            f"--data.fps 0 and --data.stride {STRIDE} (they are {data.fps:g} and {data.stride})"
        )
    recordings = source.recordings
    if split != "test":
        chosen = _fold(_ordered(source, "train"), split)
        return [(i, 0, recordings[i].length) for i in chosen]
    videos = [i for i in _ordered(source, "test") if recordings[i].length >= SPAN]
    if not videos:
        return []
    random = np.random.RandomState(SEED)
    cuts: list[tuple[int, int, int]] = []
    for _ in range(CLIPS):
        video = videos[random.randint(len(videos))]
        start = int(random.randint(recordings[video].length - SPAN + 1))
        cuts.append((video, start, start + SPAN))
    listed = "\n".join(f"{recordings[i].id} {start}" for i, start, _ in cuts)
    logger.info(
        "SRVP's %d test clips, from %d videos: list %s",
        CLIPS,
        len(videos),
        hashlib.sha256(listed.encode("utf-8", "surrogateescape")).hexdigest()[:12],
    )
    return cuts


def _ordered(source: ClipSource, part: Split) -> list[int]:
    """Recordings of a part's subjects in the order of the files that SRVP's program makes."""
    named = {
        f"{subject}-{file.rpartition('.')[0]}.npz": i
        for i, (subject, _, file) in enumerate(r.file.split("/") for r in source.recordings)
        if SUBJECTS[subject] == part
    }
    return [named[name] for name in sorted(named)]


def _fold(videos: Sequence[int], split: Split) -> list[int]:
    """Training videos that are trained on, or the twentieth that isn't, in order."""
    order = list(range(len(videos)))
    np.random.RandomState(SEED).shuffle(order)
    trained = int(TRAINED_SHARE * len(order))
    chosen = order[:trained] if split == "train" else order[trained:]
    return [videos[i] for i in sorted(chosen)]
