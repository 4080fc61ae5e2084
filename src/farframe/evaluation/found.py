"""What a finder sees in predicted frames, held against where the truth has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from farframe.evaluation.finder import THINGS, Finder
from farframe.evaluation.finder_pictures import empty_scene
from farframe.types import Clip

THERE = 0.005
"""Share of a frame that a thing must cover to be there."""
JUDGED = ("copy_last", "oracle")
"""Baselines in whose frames it is looked for, too."""


@dataclass(frozen=True)
class Sought:
    """A finder, and where the thing is in the true frames to be predicted (nowhere: no label)."""

    finder: Finder
    truth: Bool[Tensor, "b t h w"]
    scenes: Float[Tensor, "b c h w"]
    """The true scenes without the thing."""

    @staticmethod
    def of(
        finder: Finder, clips: Sequence[Clip], context: int, frames: Float[Tensor, "b t c h w"]
    ) -> Sought:
        """Where the clips' labels have it in ``frames``, which come after ``context`` others."""
        b, t, _, h, w = frames.shape
        truth, scenes = np.zeros((b, t, h, w), bool), np.zeros((b, 3, h, w), np.uint8)
        thing = THINGS[finder.thing]
        for row, scene, clip in zip(truth, scenes, clips, strict=True):
            if thing.labels <= set(clip.labels):
                mask = thing.truth(clip.labels)
                row[:] = mask[context : context + t]
                scene[:] = empty_scene(clip.frames, mask)
        there, empty = (torch.from_numpy(x).to(frames.device) for x in (truth, scenes))
        return Sought(finder, there, empty.float() / 255)

    def measured(self, frames: Float[Tensor, "b t c h w"]) -> dict[str, Float[Tensor, "b t"]]:
        """The thing's quantities of each frame; NaN where the truth doesn't have it."""
        found, truth = self.finder(frames, self.scenes), self.truth
        area, true_area = (x.sum((2, 3)).float() for x in (found, truth))
        least = THERE * truth.shape[2] * truth.shape[3]
        iou = (found & truth).sum((2, 3)) / (found | truth).sum((2, 3)).clamp_min(1)
        values = {f"{self.finder.thing}_iou": iou}
        if self.finder.thing == "person":
            values["person_area"] = ((2 * area >= true_area) & (area <= 2 * true_area)).float()
            values["person_found"] = (area >= least).float()
        return {n: v.masked_fill(true_area < least, torch.nan) for n, v in values.items()}
