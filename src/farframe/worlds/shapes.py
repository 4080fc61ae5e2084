"""The paper's bouncing-shape world, generated from a seed.

One shape of a kind and a colour moves at constant speed over a plain background, bounces off the
walls, and grows and shrinks. Everything is a closed function of time, so that any frame of any
clip is drawn on its own. The paper did not publish its generator; these are its stated features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from farframe.data.source import Recording, check_frames
from farframe.types import Clip

KINDS = ("circle", "square", "triangle")
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (230, 50, 50),
    "green": (50, 200, 70),
    "blue": (70, 90, 240),
    "yellow": (235, 210, 40),
    "magenta": (220, 70, 210),
    "cyan": (50, 210, 220),
}
BACKGROUND = (24, 24, 24)
SPEED = 1 / 16  # of the frame's side, per frame
RADIUS_MIN, RADIUS_MAX = 0.13, 0.175  # of a circle of the shape's area, in sides of the frame
MARGIN = 0.235  # the centre turns back this far from the wall: the largest shape just fits
SIZE_PERIOD = 32  # frames in which the shape grows and shrinks once
_SQUARE, _TRIANGLE = np.sqrt(np.pi) / 2, np.sqrt(np.pi / (3 * np.sqrt(3)))  # inradii, equal area


@dataclass(frozen=True)
class Motion:
    """What a clip is drawn from: a shape and its path."""

    kind: int
    colour: int
    start: Float[np.ndarray, " 2"]
    velocity: Float[np.ndarray, " 2"]
    phase: float

    def at(
        self, t: Float[np.ndarray, " t"]
    ) -> tuple[Float[np.ndarray, "t 2"], Float[np.ndarray, " t"]]:
        """Centre (x, y) and radius at times ``t``, in sides of the frame."""
        span = 1 - 2 * MARGIN
        path = (self.start + self.velocity * t[:, None]) % (2 * span)
        position = MARGIN + np.where(path > span, 2 * span - path, path)
        wave = np.sin(2 * np.pi * t / SIZE_PERIOD + self.phase)
        return position, (RADIUS_MIN + RADIUS_MAX) / 2 + wave * (RADIUS_MAX - RADIUS_MIN) / 2


def draw_motion(seed: int, index: int) -> Motion:
    """The motion of clip ``index`` of the world of ``seed``."""
    rng = np.random.default_rng((seed, index))
    angle = rng.uniform(0, 2 * np.pi)
    return Motion(
        kind=int(rng.integers(len(KINDS))),
        colour=int(rng.integers(len(COLOURS))),
        start=rng.uniform(0, 2 * (1 - 2 * MARGIN), 2),
        velocity=SPEED * np.array([np.cos(angle), np.sin(angle)]),
        phase=float(rng.uniform(0, 2 * np.pi)),
    )


def coverage(
    kind: int,
    position: Float[np.ndarray, "t 2"],
    radius: Float[np.ndarray, " t"],
    size: int,
) -> Float[np.ndarray, "t h w"]:
    """Share of each pixel that the shape covers, from its signed distance (anti-aliased)."""
    pixels = ((np.arange(size) + 0.5) / size).astype(np.float32)
    x = pixels[None, None, :] - position[:, 0, None, None].astype(np.float32)
    y = pixels[None, :, None] - position[:, 1, None, None].astype(np.float32)
    r = radius.astype(np.float32)[:, None, None]
    if KINDS[kind] == "circle":
        distance = np.sqrt(x * x + y * y) - r
    elif KINDS[kind] == "square":
        distance = np.maximum(np.abs(x), np.abs(y)) - np.float32(_SQUARE) * r
    else:  # upright, one side below, two slanted; centred by its height
        inradius = np.float32(_TRIANGLE) * r
        y = y - inradius / 2
        slanted = np.abs(x) * np.float32(np.sqrt(3) / 2) - y * np.float32(0.5)
        distance = np.maximum(y, slanted) - inradius
    return np.clip(0.5 - distance * size, 0, 1)


def mass_offset(kind: int) -> float:
    """How far below its position a shape's centre of mass lies, in radii."""
    return float(_TRIANGLE) / 2 if KINDS[kind] == "triangle" else 0.0


def paint(
    cover: Float[np.ndarray, "t h w"], colour: tuple[int, int, int]
) -> UInt8[np.ndarray, "t c h w"]:
    """A covered background in one colour."""
    back = np.array(BACKGROUND, np.float32)[:, None, None]
    front = np.array(colour, np.float32)[:, None, None]
    return np.rint(back + (front - back) * cover[:, None]).astype(np.uint8)


class _Recordings(Sequence[Recording]):
    """Recordings made on demand: a world may hold a hundred million clips."""

    def __init__(self, clips: int, length: int, seed: int) -> None:
        self.clips, self.length, self.seed = clips, length, seed

    def __len__(self) -> int:
        return self.clips

    def __getitem__(self, index: int) -> Recording:  # type: ignore[override]
        if not 0 <= index < self.clips:
            raise IndexError(index)
        name = f"shapes-{self.seed}-{index:08d}"
        return Recording(id=name, file="", length=self.length, fps=10.0)


class ShapesSource:
    """A ``ClipSource`` of generated clips, with ground truth as labels.

    Labels: ``kind`` (t,) index into ``KINDS``, ``colour`` (t,) index into ``COLOURS``,
    ``position`` (t, 2) x and y in sides of the frame, ``size`` (t,) radius of a circle of equal
    area in sides of the frame, ``mask`` (t, h, w) uint8, 255 where the shape covers the pixel.
    """

    kind = "shapes"
    action_dim = 0
    pose_dim = 0

    def __init__(self, *, clips: int, length: int, frame_size: int, seed: int) -> None:
        self.frame_size = frame_size
        self.seed = seed
        self._recordings = _Recordings(clips, length, seed)

    @property
    def recordings(self) -> Sequence[Recording]:
        """One recording a clip, all of one length."""
        return self._recordings

    def read(self, index: int, frames: range) -> Clip:
        """Draw ``frames`` of clip ``index``.

        Raises:
            IndexError: if the clip or a frame does not exist.
        """
        recording = self._recordings[index]
        check_frames(recording, frames)
        motion = draw_motion(self.seed, index)
        position, radius = motion.at(np.asarray(frames, np.float64))
        cover = coverage(motion.kind, position, radius, self.frame_size)
        n, empty = len(frames), np.zeros((len(frames), 0), np.float32)
        return Clip(
            frames=paint(cover, tuple(COLOURS.values())[motion.colour]),
            actions=empty,
            poses=empty,
            fps=recording.fps,
            id=recording.id,
            labels={
                "kind": np.full(n, motion.kind),
                "colour": np.full(n, motion.colour),
                "position": position,
                "size": radius,
                "mask": np.rint(cover * 255).astype(np.uint8),
            },
        )

    def judge(
        self,
        frames: UInt8[np.ndarray, "n c h w"],
        labels: Mapping[str, Shaped[np.ndarray, "n ..."]],
    ) -> dict[str, float]:
        """Is the right shape in the right colour there? Shares of ``frames``; see ``judge.py``."""
        from farframe.worlds.judge import judge  # it draws templates with this module

        return judge(frames, labels)

    def fingerprint(self) -> str:
        """Digest of all that decides the pixels."""
        parts = (1, self.seed, len(self._recordings), self._recordings.length, self.frame_size)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
