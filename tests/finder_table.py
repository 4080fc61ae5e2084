"""How well the finders see: the table of docs/evaluation.md, measured anew.

``python tests/finder_table.py PUSH PEOPLE`` with two folders that ``farframe data make robot-push``
and ``... humans`` wrote with their default options. Only test splits are looked at. Empty scenes
that people fade into are rendered (PyBullet); what lies behind the arm is filled in from around it.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from farframe.data.tfrecord import TFRecordSource
from farframe.evaluation.finder import THINGS, Finder
from farframe.evaluation.finder_pictures import blurred, empty_scene
from farframe.evaluation.found import THERE
from farframe.types import Clip
from farframe.worlds import humans
from farframe.worlds.stage import Stage

EVERY = 4  # frames


class Empty(Stage):
    """Puts the person far below the floor, and films that once."""

    def shoot(self, places: np.ndarray, turns: np.ndarray, view: object, size: int) -> object:
        if view not in vars(self).setdefault("_seen", {}):
            below = places - np.array([0.0, 500.0, 0.0])
            self._seen[view] = super().shoot(below, turns, view, size)
        return self._seen[view]


def rooms(count: int) -> np.ndarray:
    """The first frames of the test clips of humans, without the person."""
    stage, humans.Stage = humans.Stage, Empty
    try:
        world = humans.Humans()
        scenes = range(-(-count // world.clips_per_scene))
        clips = [clip for scene in scenes for clip in world.scene("test", scene)]
    finally:
        humans.Stage = stage
    assert all(clip.labels["mask"].max() == 0 for clip in clips)
    return np.stack([clip.frames[0] for clip in clips[:count]])


def jpeg(frames: Tensor, quality: int) -> Tensor:
    out: list[np.ndarray] = []
    for frame in (frames * 255).round().byte().permute(0, 2, 3, 1).numpy():
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=quality)
        out.append(np.asarray(Image.open(file)))
    return torch.from_numpy(np.stack(out)).permute(0, 3, 1, 2).float() / 255


def coarse(frames: Tensor) -> Tensor:
    return F.interpolate(F.avg_pool2d(frames, 2), scale_factor=2, mode="bilinear")


def blur(frames: Tensor, sigma: float) -> Tensor:
    return blurred(frames, torch.full((len(frames),), sigma))


def noise(frames: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return (frames + 0.05 * torch.randn(frames.shape, generator=generator)).clamp(0, 1)


SPOILT: dict[str, Callable[[Tensor], Tensor]] = {
    "true frames": lambda x: x,
    "blurred, sigma 1 pixel": lambda x: blur(x, 1.0),
    "blurred, sigma 2 pixels": lambda x: blur(x, 2.0),
    "half the size and back": coarse,
    "JPEG of quality 20": lambda x: jpeg(x, 20),
    "noise, sigma 0.05": noise,
}


def rows(
    clips: list[Clip], masks: list[np.ndarray], behind: np.ndarray
) -> Iterator[tuple[str, Tensor]]:
    """What is shown to the finder, one picture for each of the clips' frames."""
    frames = [torch.from_numpy(clip.frames[::EVERY]).float() / 255 for clip in clips]
    scenes = [torch.from_numpy(b).float() / 255 for b in behind]
    for name, change in SPOILT.items():
        yield name, change(torch.cat(frames))
    pairs = list(zip(frames, scenes, strict=True))
    for share in (0.8, 0.65, 0.35, 0.2):
        name = f"{share:.0%} of the frame, {1 - share:.0%} the empty scene"
        yield name, torch.cat([share * f + (1 - share) * s for f, s in pairs])
    for share in (0.8, 0.65):
        name = f"{share:.0%} of the frame, {1 - share:.0%} another of its clip"
        yield name, torch.cat([share * f + (1 - share) * f.roll(len(f) // 2, 0) for f in frames])
    yield "the empty scene", torch.cat([s.expand_as(f) for f, s in pairs])
    y, x = torch.meshgrid(torch.arange(64) - 32, torch.arange(64) - 32, indexing="ij")
    inside = (y / 14) ** 2 + (x / 7) ** 2 < 1
    spots: list[Tensor] = []
    for (f, s), mask in zip(pairs, masks, strict=True):
        there = torch.from_numpy(mask[::EVERY])[:, None].float()
        colour = (f * there).sum((2, 3), keepdim=True) / there.sum((2, 3), keepdim=True)
        spots.append(torch.where(inside, colour, s))
    yield "the empty scene with an ellipse of the thing's mean colour", torch.cat(spots)


def lines(thing: str, clips: list[Clip]) -> Iterator[str]:
    finder = Finder.load(thing, torch.device("cpu"))
    masks = [THINGS[thing].truth(clip.labels) for clip in clips]
    known = np.stack([empty_scene(c.frames, m) for c, m in zip(clips, masks, strict=True)])
    behind = rooms(len(clips)) if thing == "person" else known
    truth = np.concatenate([mask[::EVERY] for mask in masks])
    counts = [len(mask[::EVERY]) for mask in masks]
    scenes = torch.from_numpy(np.repeat(known, counts, 0)).float() / 255
    area = truth.sum((1, 2))
    for name, shown in rows(clips, masks, behind):
        found = finder(shown[:, None], scenes)[:, 0].numpy()
        mine = found.sum((1, 2))
        iou = (found & truth).sum((1, 2)) / (found | truth).sum((1, 2))
        there = (mine >= THERE * truth[0].size).mean()
        right = ((2 * mine >= area) & (mine <= 2 * area)).mean()
        yield f"| {name} | {iou.mean():.3f} | {right:.1%} | {there:.1%} |"


def clips_of(folder: Path, split: str) -> list[Clip]:
    found: list[Clip] = []
    for file in sorted(folder.glob(f"*-{split}-*.tfrecord")):
        source = TFRecordSource.open(file, 64, store_index=False)
        found += [source.read(n, range(r.length)) for n, r in enumerate(source.recordings)]
    return found


def main(push: str, people: str) -> None:
    torch.set_num_threads(1)
    for thing, folder, split in (
        ("arm", push, "test"),
        ("arm", push, "testnovel"),
        ("person", people, "test"),
    ):
        clips = clips_of(Path(folder), split)
        print(f"\n{thing}, {split}: {len(clips)} clips, every {EVERY}th frame\n")
        print("| shown | IoU | size within a factor of 2 | found at all |\n|---|---|---|---|")
        for line in lines(thing, clips):
            print(line, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
