"""The paper's Figure 4 as a command: for how long a detector still sees a person in predictions.

In each frame of the truth, of the prediction and of baselines the best detection of a person is
scored. A model whose people dissolve loses score with time; copying the last frame keeps it.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from farframe.data.progress import progress
from farframe.evaluation import card as cards
from farframe.evaluation.detector import OVERLAP, PersonDetector
from farframe.evaluation.evaluate import Evaluation, check_finite, resting
from farframe.evaluation.measure import predict_clips, seed_noise
from farframe.evaluation.quantities import SUBJECTS, key
from farframe.evaluation.setting import Setting
from farframe.evaluation.subjects import BASELINES, Scene
from farframe.evaluation.tally import REPLICATES, Tally
from farframe.studies.persons_options import PersonOptions
from farframe.types import Clip

COMPARED: Mapping[str, str] = {"truth": "truth"} | {
    name: SUBJECTS[name] for name in ("model", "oracle", "copy_last", "linear")
}
"""In whose frames people are looked for, and how they are called."""

SCORE, SEEN = "score", "seen"


def frames_of(
    at: Setting, clips: Sequence[Clip], number: int, sample: int = 0
) -> dict[str, Tensor]:
    """All frames after the context, "b t c h w", of everyone compared; ``number`` is the first
    clip's.
    """
    horizon = at.options.horizon
    scene = Scene.of(at.model, clips, at.context, horizon)
    seed_noise(at.options.seed, number, sample)
    predicted = predict_clips(at.model, clips, at.context, horizon).frames
    found = {"truth": scene.truth, "model": predicted}
    for name in COMPARED:
        if name in BASELINES:
            found[name] = BASELINES[name](scene).frames
    return {name: found[name] for name in COMPARED}


def measured(at: Setting, options: PersonOptions, detector: PersonDetector) -> Evaluation:
    """Look for people in all clips, a batch at a time.

    The tally has ``<subject>/score`` and ``<subject>/seen``, entry k for ``options.times[k]``;
    ``scores`` is each clip's mean over the model's.

    Raises:
        ValueError: if a prediction is not finite.
        DataError: if data can't be read.
    """
    tally, means, ids = Tally(options.seed, REPLICATES), array("d"), hashlib.sha256()
    size, step = options.batch_size, options.every
    with resting(at.model), progress("looking for people", len(at.indices), "clips") as advance:
        for start in range(0, len(at.indices), size):
            clips = [at.windows[i] for i in at.indices[start : start + size]]
            curves: dict[str, np.ndarray] = {}
            for name, frames in frames_of(at, clips, start).items():
                found = detector.scores(frames[:, step - 1 :: step]).double().cpu().numpy()
                check_finite(f"the score of a person ({name})", found, [clip.id for clip in clips])
                curves[key(name, SCORE)] = found
                curves[key(name, SEEN)] = (found >= options.threshold).astype(np.float64)
            tally.add(curves)
            means.extend(curves[key("model", SCORE)].mean(1).tolist())
            ids.update("".join(f"{clip.id}\n" for clip in clips).encode())
            advance(len(clips))
    return Evaluation(
        context=at.context,
        horizon=options.horizon,
        tally=tally,
        scores=np.array(means),
        ids=ids.hexdigest(),
    )


def card(
    at: Setting, options: PersonOptions, detector: PersonDetector, found: Evaluation
) -> dict[str, Any]:
    """The protocol card of an evaluation, with what this study measures, and by which network."""
    what = {
        SCORE: "of the best box that YOLOv3-tiny takes for a person: whether there is a thing, "
        "times whether it is a person",
        SEEN: f"share of clips in which that score is {options.threshold:g} or more",
    }
    network = {
        "network": "YOLOv3-tiny, COCO, as darknet computes it",
        "weights": detector.digest,
        "resize": f"bilinear to {options.side}x{options.side}, float, [0, 1]",
        "overlap": OVERLAP,
    }
    whole = cards.card(at, found) | {"name": "persons", "every": options.every}
    return whole | {"measures": what, "features": {"person": network}}
