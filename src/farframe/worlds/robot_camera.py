"""Filming the bin: pictures without jaggies, and which thing each pixel shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from farframe.worlds.bullet import Bullet, View
from farframe.worlds.mesh import Numbers

SUPERSAMPLING = {32: 3, 64: 2, 96: 2, 128: 2}
"""Side of the frames in pixels -> rendered pixels along a side of one of theirs."""

BACKGROUND, ARM, FIRST_TOY = 0, 1, 2


def draw_view(rng: np.random.Generator) -> View:
    """A camera across from the robot, moved a little, and a lamp somewhere above."""

    def near(place: Numbers, by: float) -> tuple[float, float, float]:
        x, y, z = (np.array(place) + rng.uniform(-by, by, 3)).tolist()
        return x, y, z

    around, height = rng.uniform(-np.pi, np.pi), rng.uniform(0.9, 1.3)
    warm = rng.uniform(-0.05, 0.05)
    return View(
        eye=near((0.50, 0.34, 0.70), 0.025),
        target=near((-0.015, 0.015, 0.02), 0.012),
        up=near((0, 0, 1), 0.015),
        fov=float(rng.uniform(38.0, 40.5)),
        light=(
            float(np.cos(around) * np.cos(height)),
            float(np.sin(around) * np.cos(height)),
            float(np.sin(height)),
        ),
        light_colour=(float(1 + warm), 1.0, float(1 - warm)),
        light_distance=2.0,
        ambient=float(rng.uniform(0.45, 0.56)),
        diffuse=float(rng.uniform(0.45, 0.6)),
        specular=float(rng.uniform(0.05, 0.2)),
    )


@dataclass(frozen=True)
class Picture:
    """One frame, and for each thing (``BACKGROUND``, ``ARM``, toys) its share of each pixel."""

    frame: UInt8[np.ndarray, "c h w"]
    cover: Float32[np.ndarray, "things h w"]

    def segmentation(self) -> UInt8[np.ndarray, "h w"]:
        """The thing that covers most of each pixel; of equals the first."""
        return self.cover.argmax(0).astype(np.uint8)

    def mask(self, things: Bool[np.ndarray, " things"]) -> UInt8[np.ndarray, "h w"]:
        """Share of each pixel that the chosen things cover, 255 for all of it."""
        return np.rint(self.cover[things].sum(0) * 255).astype(np.uint8)


class Camera:
    """Films the arm ``arm`` and the toys ``toys`` (bodies of a `Bullet` world)."""

    def __init__(
        self, bullet: Bullet, view: View, frame_size: int, arm: int, toys: Sequence[int]
    ) -> None:
        self._bullet, self._view, self._size = bullet, view, frame_size
        self._things = np.full(max(arm, *toys) + 2, BACKGROUND, np.int64)
        self._things[[arm + 1, *(toy + 1 for toy in toys)]] = range(ARM, FIRST_TOY + len(toys))
        self._count = FIRST_TOY + len(toys)

    def shoot(self) -> Picture:
        """Film the present moment."""
        size, fine = self._size, SUPERSAMPLING[self._size]
        colours, bodies = self._bullet.picture(self._view, size * fine)
        blocks = colours.reshape(size, fine, size, fine, 3)
        sums = blocks.astype(np.uint16).sum((1, 3), dtype=np.uint16).transpose(2, 0, 1)
        frame = ((2 * sums + fine * fine) // (2 * fine * fine)).astype(np.uint8)
        things = self._things[np.clip(bodies + 1, 0, len(self._things) - 1)]
        # count, for every pixel of the frame, how many fine pixels show each thing
        pixel = np.arange(size).repeat(fine)
        place = pixel[:, None] * size + pixel[None, :]
        counts = np.bincount(
            (things * (size * size) + place).ravel(), minlength=self._count * size * size
        )
        cover = counts.reshape(self._count, size, size).astype(np.float32) / (fine * fine)
        return Picture(np.ascontiguousarray(frame), cover)
