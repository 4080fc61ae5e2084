"""How the finders that farframe brings were made: trained on a world's true frames and labels.

``python -m farframe.evaluation.finder_training DATA --out FILE`` on data that ``farframe data make
robot-push|humans`` wrote. Only its training split is learned from; what is logged is of validation.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import safetensors.torch
import torch
from torch.nn import functional as F
from tyro.conf import Positional
from tyro.conf import arg as Arg

from farframe.atomic import replacing
from farframe.cli_parse import parse
from farframe.config import DataConfig, check
from farframe.data.source import ClipSource, DataError, Split, open_source
from farframe.data.splits import segments
from farframe.evaluation.finder import SIDE, THINGS, Finder, FinderNet, thing_of
from farframe.evaluation.finder_pictures import Shots
from farframe.prediction_files import check_writable

BATCH, RATE = 16, 4e-3
_TOLD = 100  # steps between lines of the log

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FinderOptions:
    """Train the network that finds the arm of robot-push or the person of humans in pictures."""

    data: Annotated[Positional[str], Arg(metavar="DATA")]
    """TFRecords of one of the two worlds, with train and validation splits."""
    out: Annotated[Path, Arg(metavar="FILE")]
    """The safetensors file to write, in 16-bit numbers."""
    steps: int = 3000
    """Steps of 16 pictures."""
    seed: int = 0
    """Of the first weights and of the pictures."""

    def __post_init__(self) -> None:
        check(self.steps >= 1, "--steps", self.steps, "must be at least 1")
        check(self.seed >= 0, "--seed", self.seed, "must be at least 0")


def train_finder(options: FinderOptions) -> Finder:
    """Train, write the weights, and return them as they were written.

    Raises:
        DataError: if the data can't be read, or no finder knows what its clips show.
        ValueError: if ``out`` can't be written.
    """
    data = DataConfig(path=options.data)
    source = open_source(data, SIDE)
    thing = thing_of(source.read(0, range(1)).labels)
    if not thing:
        raise DataError(
            f"{options.data}: its clips have no labels of a world whose things can be found "
            f"({', '.join(THINGS)}): make some with farframe data make robot-push or humans"
        )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    check_writable(options.out.parent)
    shots, held_out = (_shots(source, data, split, thing) for split in ("train", "validation"))
    net = _trained(shots, held_out, options)
    tensors = {name: value.half().contiguous() for name, value in net.state_dict().items()}
    with replacing(options.out) as partial:
        safetensors.torch.save_file(tensors, partial)
    return Finder.of(thing, options.out.read_bytes(), torch.device("cpu"))


def _shots(source: ClipSource, data: DataConfig, split: Split, thing: str) -> Shots:
    """All frames of a split."""
    parts = segments(source, data, split)
    clips = [source.read(part.recording, range(part.start, part.stop)) for part in parts]
    masks = [THINGS[thing].truth(clip.labels) for clip in clips]
    return Shots.of(np.stack([clip.frames for clip in clips]), np.stack(masks))


def _trained(shots: Shots, held_out: Shots, options: FinderOptions) -> FinderNet:
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    net = FinderNet()
    net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, options.steps, pct_start=0.1)
    for step in range(1, options.steps + 1):
        pictures, scenes, there = shots.draw(BATCH, rng)
        logits = net(pictures, scenes)
        found = logits.sigmoid()
        overlap = (2 * (found * there).sum() + 1) / (found.sum() + there.sum() + 1)
        loss = F.binary_cross_entropy_with_logits(logits, there) + 1 - overlap
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
        if step % _TOLD == 0 or step == options.steps:
            shown = loss.item(), _overlap(net, held_out)
            logger.info("step %d: loss %.3f, IoU on validation %.4f", step, *shown)
    return net


@torch.no_grad()
def _overlap(net: FinderNet, shots: Shots) -> float:
    """Mean IoU of true frames, every eighth one."""
    overlaps: list[float] = []
    clips = zip(shots.frames[:, ::8], shots.masks[:, ::8], shots.scenes, strict=True)
    for frames, mask, scene in clips:
        shown, empty = (torch.from_numpy(x).float() / 255 for x in (frames, scene))
        found = (net(shown, empty.expand_as(shown)) > 0).numpy()
        overlaps += ((found & mask).sum((1, 2)) / (found | mask).sum((1, 2)).clip(1)).tolist()
    return float(np.mean(overlaps))


def main(args: list[str] | None = None) -> int:
    """The command."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    prog = "python -m farframe.evaluation.finder_training"
    try:
        finder = train_finder(parse(FinderOptions, sys.argv[1:] if args is None else args, prog))
    except (ValueError, OSError) as error:
        logger.error("error: %s", error)
        return 2
    logger.info("the %s's finder has digest %s", finder.thing, finder.digest)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
