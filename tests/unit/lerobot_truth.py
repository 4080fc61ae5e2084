"""What was put into the data sets of tests/data/lerobot-*, by formula: numbers and pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

DATA = Path(__file__).parents[1] / "data"
LENGTHS = (12, 9, 11)
FPS = 10
WIDTH, HEIGHT = 64, 48
CAMERAS = ("front", "wrist")


def actions(episode: int) -> np.ndarray:
    """(frames, 3), float32."""
    return np.stack([action(episode, t) for t in range(LENGTHS[episode])])


def states(episode: int) -> np.ndarray:
    """(frames, 4), float32."""
    return np.stack([state(episode, t) for t in range(LENGTHS[episode])])


def action(episode: int, t: int) -> np.ndarray:
    return np.array([episode + t / 16, -t, 0.25 * t * t], np.float32)


def state(episode: int, t: int) -> np.ndarray:
    return np.array([t, episode, 1 / (1 + t), -0.5], np.float32)


def picture(episode: int, t: int, camera: str) -> np.ndarray:
    """(48, 64, 3), uint8: a bright disc moves over a smooth background of the camera's colour."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    wrist = CAMERAS.index(camera)
    base = np.stack([60 + x, 50 + 20 * wrist + y, 70 + 0.5 * (x + y)], -1)
    centre = 14 + 3 * t, 14 + 6 * episode + (4 * wrist + 1) * t % 20
    disc = 1 / (1 + np.exp(np.hypot(x - centre[0], y - centre[1]) - 8))[..., None]
    colour = np.array([[235, 200, 60], [80, 220, 240]][wrist], np.float64)
    return np.rint(base * (1 - disc) + colour * disc).astype(np.uint8)


def pictures(episode: int, camera: str) -> np.ndarray:
    """(frames, 48, 64, 3), uint8."""
    return np.stack([picture(episode, t, camera) for t in range(LENGTHS[episode])])
