"""Where the camera of a scene stands, what it sees of a point, and the light."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from farframe.worlds.bullet import View
from farframe.worlds.skeleton import Frame

MARGIN = 0.93  # of half the frame: nothing comes nearer to its edge
TALLEST = 0.8  # of the frame


def random_view(points: Float[np.ndarray, "n 3"], frame: Frame, rng: np.random.Generator) -> View:
    """A camera in front of the room that sees all ``points``, as near as that allows.

    Nor does it come so near that a standing person would be higher than ``TALLEST``.
    """
    azimuth, slope = rng.uniform(-0.5, 0.5), rng.uniform(0.02, 0.3)
    towards = np.array(
        [np.sin(azimuth) * np.cos(slope), np.sin(slope), np.cos(azimuth) * np.cos(slope)]
    )
    fov = float(rng.uniform(36, 48))
    reach = np.tan(np.radians(fov) / 2)
    right, up = _across(towards)
    target, least = (points.min(0) + points.max(0)) / 2, frame.height / TALLEST / 2 / reach
    for _ in range(8):  # the middle of what is seen is not the middle of where it is
        away = points - target
        depth = max(least, _nearest(away, towards, reach * MARGIN)) - away @ towards
        x, y = away @ right / depth, away @ up / depth
        middle = (x.max() + x.min()) / 2 * right + (y.max() + y.min()) / 2 * up
        target = target + middle * depth.min()
    distance = max(least, _nearest(points - target, towards, reach * MARGIN))
    eye = target + distance * towards
    light = np.array([rng.uniform(-1, 1), rng.uniform(1.3, 2.4), rng.uniform(0.6, 1.4)])
    warm = rng.uniform(-0.06, 0.06)
    return View(
        eye=_three(eye),
        target=_three(target),
        up=(0.0, 1.0, 0.0),
        fov=fov,
        light=_three(light),
        light_colour=(1 + min(warm, 0.0), 1 - abs(warm) / 2, 1 - max(warm, 0.0)),
        light_distance=5.0,
        ambient=float(rng.uniform(0.45, 0.6)),
        diffuse=float(rng.uniform(0.65, 0.85)),
        specular=0.05,
        far=12.0,
    )


def seen(view: View, points: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "... 2"]:
    """Where in the frame points are: x from its left, y from its top, in sides of the frame."""
    eye = np.array(view.eye)
    towards = eye - np.array(view.target)
    towards = towards / np.linalg.norm(towards)
    right, up = _across(towards)
    away = points - eye
    depth = -(away @ towards) * 2 * np.tan(np.radians(view.fov) / 2)
    return np.stack([0.5 + away @ right / depth, 0.5 - away @ up / depth], -1)


def _nearest(
    away: Float[np.ndarray, "n 3"], towards: Float[np.ndarray, " 3"], reach: float
) -> float:
    """How far off a camera must be to see points within ``reach`` (a tangent) of its middle."""
    right, up = _across(towards)
    aside = np.maximum(np.abs(away @ right), np.abs(away @ up))
    return float(np.max(aside / reach + away @ towards))


def _across(
    towards: Float[np.ndarray, " 3"],
) -> tuple[Float[np.ndarray, " 3"], Float[np.ndarray, " 3"]]:
    """The frame's x and y axes in the world, for a camera that looks against ``towards``."""
    right = np.cross([0.0, 1.0, 0.0], towards)
    right = right / np.linalg.norm(right)
    return right, np.cross(towards, right)


def _three(v: Float[np.ndarray, " 3"]) -> tuple[float, float, float]:
    return float(v[0]), float(v[1]), float(v[2])
