"""True frames made as imperfect as predictions are, and what a finder is to say of them.

A thing that is drawn half is there where it is drawn; one that is mostly seen through is not, nor
is any other spot that the scene doesn't have. So frames are blended with others of their clip and
with the clip's scene without the thing, torn, spotted, and then spoilt: moved, recoloured, blurred,
made noisy, stored as in a JPEG.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional as F

SOLID, FAINT = 0.55, 0.45
"""A blend in which a thing has at least this share shows it, one with at most that does not."""
_SHARES = {"ghost": 0.25, "faded": 0.15, "faint": 0.15, "torn": 0.1}  # others stay whole
_SPOTTED = 0.3
_BLOCK = 8  # pixels along a side of a JPEG's block


@dataclass(frozen=True)
class Shots:
    """Clips of one world, where the thing is in them, and each clip's scene without it."""

    frames: UInt8[np.ndarray, "b t c h w"]
    masks: Bool[np.ndarray, "b t h w"]
    scenes: UInt8[np.ndarray, "b c h w"]

    @staticmethod
    def of(frames: UInt8[np.ndarray, "b t c h w"], masks: Bool[np.ndarray, "b t h w"]) -> Shots:
        """Make the empty scenes, too."""
        scenes = [empty_scene(f, m) for f, m in zip(frames, masks, strict=True)]
        return Shots(frames, masks, np.stack(scenes))

    def draw(
        self, count: int, rng: np.random.Generator
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n c h w"], Float[Tensor, "n h w"]]:
        """Pictures as imperfect as predictions, their scenes, and 1 where the thing is to be found.

        Pictures and scenes are in [0, 1].
        """
        clip = rng.integers(len(self.frames), size=count)
        one, other = rng.integers(self.frames.shape[1], size=(2, count))
        shown, beside = (_images(self.frames[clip, t]) for t in (one, other))
        there = torch.from_numpy(self.masks[clip, one].astype(np.float32))
        ways = (*_SHARES, "whole")
        way = rng.choice(ways, count, p=[*_SHARES.values(), 1 - sum(_SHARES.values())])
        share = torch.ones(count, 1, *there.shape[1:])
        for n in range(count):
            if way[n] in ("ghost", "faded"):
                share[n] = float(rng.uniform(SOLID, 1))
            elif way[n] == "faint":
                share[n] = float(rng.uniform(0, FAINT))
            elif way[n] == "torn":
                share[n] = _half(there.shape[-1], rng)
        ghost = torch.from_numpy(way == "ghost")[:, None, None, None]
        scenes = _images(self.scenes[clip])
        blend = share * shown + (1 - share) * torch.where(ghost, beside, scenes)
        there = there * (share[:, 0] > 0.5)
        for n in np.flatnonzero(rng.random(count) < _SPOTTED):
            elsewhere = _images(self.scenes[rng.integers(len(self.scenes), size=1)])[0]
            _spot(blend[n], there[n], elsewhere, rng)
        return spoilt(blend, scenes, there, rng)


def empty_scene(
    frames: UInt8[np.ndarray, "t c h w"], masks: Bool[np.ndarray, "t h w"]
) -> UInt8[np.ndarray, "c h w"]:
    """The mean of what each pixel shows beside the thing, at least two pixels away from it.

    What the thing never leaves free is filled smoothly from around it.
    """
    wide = F.max_pool2d(torch.from_numpy(masks.astype(np.float32)), 5, 1, 2)
    free = 1 - wide[:, None]
    total, weight = (_images(frames) * free).sum(0), free.sum(0)
    levels = [(total, weight)]
    while levels[-1][0].shape[-1] > 1:
        levels.append((F.avg_pool2d(levels[-1][0], 2), F.avg_pool2d(levels[-1][1], 2)))
    filled = levels[-1][0] / levels[-1][1].clamp_min(1e-6)
    for total, weight in levels[-2::-1]:
        around = F.interpolate(filled[None], scale_factor=2.0, mode="bilinear")[0]
        known = weight.clamp(0, 1)
        filled = known * total / weight.clamp_min(1e-6) + (1 - known) * around
    return (filled * 255).round().clamp(0, 255).byte().numpy()


def _spot(
    picture: Float[Tensor, "c h w"],
    there: Float[Tensor, "h w"],
    elsewhere: Float[Tensor, "c h w"],
    rng: np.random.Generator,
) -> None:
    """Put an ellipse somewhere that is not the thing, though it may have its colour."""
    size = picture.shape[-1]
    y, x = (torch.arange(size).float() - rng.uniform(0, size) for _ in range(2))
    turn, long, wide = rng.uniform(0, math.pi), rng.uniform(3, size / 4), rng.uniform(2, size / 8)
    along = math.cos(turn) * x[None] + math.sin(turn) * y[:, None]
    across = math.cos(turn) * y[:, None] - math.sin(turn) * x[None]
    inside = (along / long) ** 2 + (across / wide) ** 2 < 1
    flat = torch.from_numpy(rng.uniform(0, 1, (3, 1, 1)).astype(np.float32))
    own = (picture * there).sum((1, 2), keepdim=True) / there.sum().clamp_min(1)
    fill = (elsewhere, flat, own)[rng.integers(3 if there.sum() > 0 else 2)]
    picture[:] = torch.where(inside, fill, picture)
    there[inside] = 0


def spoilt(
    pictures: Float[Tensor, "n c h w"],
    scenes: Float[Tensor, "n c h w"],
    masks: Float[Tensor, "n h w"],
    rng: np.random.Generator,
) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n c h w"], Float[Tensor, "n h w"]]:
    """Each picture moved, recoloured, blurred, made noisy and stored badly, by chance amounts.

    Scenes and masks are moved with it, and no more.
    """
    count = len(pictures)

    def chance(low: float, high: float, *shape: int, often: float = 1.0) -> Float[Tensor, "n ..."]:
        """Numbers from low to high, 0 for the pictures that are spared."""
        drawn = rng.uniform(low, high, (count, *shape))
        drawn *= rng.random((count, *[1] * len(shape))) < often
        return torch.from_numpy(drawn.astype(np.float32))

    both = torch.cat((pictures, scenes), 1)
    both, masks = _moved(both, masks, 1 + chance(-0.15, 0.15), chance(-0.15, 0.15, 2))
    pictures, scenes = both.split(3, 1)
    means = pictures.mean((2, 3), keepdim=True)
    pictures = means + (pictures - means) * (1 + chance(-0.3, 0.3, 1, 1, 1))
    grey = pictures.mean(1, keepdim=True)
    pictures = grey + (pictures - grey) * (1 + chance(-0.4, 0.3, 1, 1, 1))
    pictures = pictures * (1 + chance(-0.15, 0.15, 3, 1, 1)) + chance(-0.08, 0.08, 1, 1, 1)
    pictures = blurred(pictures, chance(0.3, 1.6, often=0.5))
    noise = torch.from_numpy(rng.standard_normal(pictures.shape, np.float32))
    pictures = pictures + noise * chance(0.0, 0.06, 1, 1, 1, often=0.5)
    return stored(pictures, chance(0.02, 0.2, often=0.3)).clamp(0, 1), scenes, masks


def blurred(
    pictures: Float[Tensor, "n c h w"], sigma: Float[Tensor, " n"]
) -> Float[Tensor, "n c h w"]:
    """Through Gaussian windows of these widths in pixels, one a picture (0: as it was)."""
    reach = max(1, math.ceil(2.5 * float(sigma.max())))
    away = torch.arange(-reach, reach + 1).float()
    taps = torch.exp(-0.5 * (away / sigma.clamp_min(1e-3)[:, None]) ** 2)
    taps = taps / taps.sum(1, keepdim=True)
    n, c, h, w = pictures.shape
    x = F.pad(pictures, (reach,) * 4, mode="replicate").reshape(1, n * c, h + 2 * reach, -1)
    kernels = taps.repeat_interleave(c, 0)
    x = F.conv2d(x, kernels[:, None, :, None], groups=n * c)
    return F.conv2d(x, kernels[:, None, None, :], groups=n * c).view(n, c, h, w)


def stored(
    pictures: Float[Tensor, "n c h w"], step: Float[Tensor, " n"]
) -> Float[Tensor, "n c h w"]:
    """With each 8x8 block's cosines rounded, the finer the coarser, as a JPEG's are (0: as is)."""
    k = torch.arange(_BLOCK).float()
    cosines = torch.cos(math.pi / _BLOCK * (k[None] + 0.5) * k[:, None]) * (2 / _BLOCK) ** 0.5
    cosines[0] /= 2**0.5
    steps = (1 + k[:, None] + k[None]) / 4 * step.clamp_min(1e-4)[:, None, None, None, None, None]
    n, c, h, w = pictures.shape
    blocks = pictures.view(n, c, h // _BLOCK, _BLOCK, w // _BLOCK, _BLOCK).transpose(3, 4)
    coded = cosines @ blocks @ cosines.T
    coded = (coded / steps).round() * steps
    return (cosines.T @ coded @ cosines).transpose(3, 4).reshape(n, c, h, w)


def _moved(
    pictures: Float[Tensor, "n c h w"],
    masks: Float[Tensor, "n h w"],
    scale: Float[Tensor, " n"],
    shift: Float[Tensor, "n 2"],
) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n h w"]]:
    """Larger or smaller, and elsewhere: ``shift`` in half sides."""
    places = torch.eye(2)[None] * scale[:, None, None]
    places = torch.cat((places, shift[:, :, None]), 2)
    both = torch.cat((pictures, masks[:, None]), 1)
    grid = F.affine_grid(places, list(both.shape), align_corners=False)
    both = F.grid_sample(both, grid, padding_mode="border", align_corners=False)
    return both[:, :-1], (both[:, -1] > 0.5).float()


def _half(size: int, rng: np.random.Generator) -> Float[Tensor, "1 h w"]:
    """1 on one side of a line through the picture's middle part, 0 on the other."""
    angle, way = rng.uniform(0, 2 * math.pi), rng.uniform(-0.3, 0.3) * size
    place = torch.arange(size).float() - (size - 1) / 2
    side = math.cos(angle) * place[None, :] + math.sin(angle) * place[:, None]
    return (side > way).float()[None]


def _images(frames: UInt8[np.ndarray, "n c h w"]) -> Float[Tensor, "n c h w"]:
    return torch.from_numpy(frames).float() / 255
