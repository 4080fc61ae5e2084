"""Finding people in frames: how sure the detector is of a person, and where it sees one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from farframe.evaluation.yolo import SIDE, Candidates, Yolo
from farframe.interop.detector_cache import PERSON

CHUNK = 32  # frames at once: bounds memory
OVERLAP = 0.45
"""Of two boxes that overlap (IoU) by more, the less sure one is taken for the same person."""


@dataclass(frozen=True)
class Person:
    """A person in a frame: left, top, right and bottom in sides of the frame, and the score."""

    box: tuple[float, float, float, float]
    score: float


@dataclass(frozen=True)
class PersonDetector:
    """YOLOv3-tiny asked for people alone.

    ``look`` is the network (any function like it: tests have smaller ones).
    """

    look: Callable[[Float[Tensor, "n 3 s s"]], Candidates]
    digest: str
    """What tells its weights from all others."""

    @staticmethod
    def load(device: torch.device, side: int = SIDE) -> PersonDetector:
        """The published network, which sees frames ``side`` pixels wide and high.

        Raises:
            ValueError: if its weights are not in the cache, or are not the published ones, or if
                ``side`` is no multiple of 32.
        """
        yolo = Yolo.load(device, side)
        return PersonDetector(yolo, yolo.digest)

    def scores(self, frames: Float[Tensor, "b t 3 s s"]) -> Float[Tensor, "b t"]:
        """Score of the best person in each frame, frames in [0, 1].

        Where all frames of a clip are one frame (an expanded view), it is looked at once.
        """
        clips, count = frames.shape[:2]
        if count > 1 and frames.stride(1) == 0:
            return self.scores(frames[:, :1]).expand(clips, count)
        parts = frames.flatten(0, 1).split(CHUNK)
        best = [self.look(part).scores[:, :, PERSON].amax(1) for part in parts]
        return torch.cat(best).view(clips, count)

    def people(
        self, frames: Float[Tensor, "n 3 s s"], least: float = 0.25
    ) -> list[tuple[Person, ...]]:
        """People in each frame with a score of ``least`` or more, the surest first."""
        found: list[tuple[Person, ...]] = []
        for part in frames.split(CHUNK):
            seen = self.look(part)
            scores = seen.scores[:, :, PERSON]
            for boxes, sure in zip(seen.boxes, scores, strict=True):
                likely = sure >= least
                kept = suppressed(boxes[likely], sure[likely])
                pairs = zip(boxes[likely][kept].tolist(), sure[likely][kept].tolist(), strict=True)
                found.append(tuple(Person(tuple(box), score) for box, score in pairs))
        return found


def suppressed(
    boxes: Float[Tensor, "k 4"], scores: Float[Tensor, " k"], overlap: float = OVERLAP
) -> Int[Tensor, " kept"]:
    """Non-maximum suppression: numbers of the boxes that no surer one overlaps, surest first."""
    order = scores.argsort(descending=True, stable=True)
    kept: list[int] = []
    for candidate in order.tolist():
        others = boxes[torch.tensor(kept, dtype=torch.long, device=boxes.device)]
        if not len(others) or not (iou(boxes[candidate], others) > overlap).any():
            kept.append(candidate)
    return torch.tensor(kept, dtype=torch.long, device=boxes.device)


def iou(box: Float[Tensor, " 4"], others: Float[Tensor, "k 4"]) -> Float[Tensor, " k"]:
    """Overlap of a box with each of some others: shared area in the area that either covers."""
    shared = (
        (torch.minimum(box[2:], others[:, 2:]) - torch.maximum(box[:2], others[:, :2]))
        .clamp_min(0)
        .prod(1)
    )
    areas = [(b[..., 2:] - b[..., :2]).clamp_min(0).prod(-1) for b in (box, others)]
    either = areas[0] + areas[1] - shared
    return torch.where(either > 0, shared / either.clamp_min(1e-12), torch.zeros_like(shared))
