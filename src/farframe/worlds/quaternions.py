"""Rotations as unit quaternions (w, x, y, z) in numpy, any number of them at once."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

Quaternions = Float[np.ndarray, "... 4"]
Vectors = Float[np.ndarray, "... 3"]
IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


def about(axis: tuple[float, float, float], angle: float | Float[np.ndarray, ...]) -> Quaternions:
    """Turns by ``angle`` (radians) about a unit ``axis``."""
    half = np.asarray(angle, np.float64)[..., None] / 2
    return np.concatenate([np.cos(half), np.sin(half) * np.array(axis)], -1)


def normalised(q: Quaternions) -> Quaternions:
    """Quaternions of length 1."""
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def multiply(a: Quaternions, b: Quaternions) -> Quaternions:
    """Turn by ``b``, then by ``a``; leading axes broadcast."""
    aw, ax, ay, az = np.moveaxis(a, -1, 0)
    bw, bx, by, bz = np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        -1,
    )


def inverse(q: Quaternions) -> Quaternions:
    """The turn back."""
    return q * np.array([1.0, -1.0, -1.0, -1.0])


def rotate(q: Quaternions, v: Vectors) -> Vectors:
    """Vectors turned by quaternions; leading axes broadcast."""
    across = 2 * np.cross(q[..., 1:], v)
    return v + q[..., :1] * across + np.cross(q[..., 1:], across)


def slerp(a: Quaternions, b: Quaternions, weight: Float[np.ndarray, ...]) -> Quaternions:
    """From ``a`` (weight 0) to ``b`` (weight 1) along the shorter way, at constant speed."""
    cosine = np.sum(a * b, -1)
    b = np.where(cosine[..., None] < 0, -b, b)
    angle = np.arccos(np.clip(np.abs(cosine), 0, 1))
    near = angle < 1e-4  # a straight line then; no division by nearly nothing
    sine = np.where(near, 1.0, np.sin(angle))
    left = np.where(near, 1 - weight, np.sin((1 - weight) * angle) / sine)
    right = np.where(near, weight, np.sin(weight * angle) / sine)
    return normalised(left[..., None] * a + right[..., None] * b)


def yaw(q: Quaternions) -> Float[np.ndarray, ...]:
    """The part of each turn that is about the vertical (y), in radians."""
    return np.asarray(2 * np.arctan2(q[..., 2], q[..., 0]))


def mirrored(q: Quaternions) -> Quaternions:
    """The same turns seen in a mirror that swaps left and right (z)."""
    return q * np.array([1.0, -1.0, -1.0, 1.0])


def from_axes(x: Vectors, y: Vectors) -> Quaternions:
    """Turns that take the x axis along ``x`` and the y axis as nearly along ``y`` as it can be."""
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    z = np.cross(x, y)
    z = z / np.linalg.norm(z, axis=-1, keepdims=True)
    return from_matrices(np.stack([x, np.cross(z, x), z], -1))


def from_matrices(m: Float[np.ndarray, "... 3 3"]) -> Quaternions:
    """Rotation matrices as quaternions (by the eigenvector that is robust for every turn)."""
    k = np.empty((*m.shape[:-2], 4, 4))
    k[..., 0, 0] = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    for i, (a, b) in enumerate(((1, 2), (2, 0), (0, 1)), start=1):
        k[..., 0, i] = k[..., i, 0] = m[..., b, a] - m[..., a, b]
        k[..., i, i] = 2 * m[..., i - 1, i - 1] - k[..., 0, 0]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        k[..., a + 1, b + 1] = k[..., b + 1, a + 1] = m[..., a, b] + m[..., b, a]
    return np.linalg.eigh(k)[1][..., -1]


def swing(start: Vectors, end: Vectors) -> Quaternions:
    """The shortest turns that take directions ``start`` to directions ``end``."""
    start = start / np.linalg.norm(start, axis=-1, keepdims=True)
    end = end / np.linalg.norm(end, axis=-1, keepdims=True)
    w = 1 + np.sum(start * end, -1, keepdims=True)
    axis = np.cross(start, end)
    opposite = w[..., 0] < 1e-6  # any axis across will do
    across = np.cross(start, np.where(np.abs(start[..., :1]) < 0.9, [1.0, 0, 0], [0.0, 1, 0]))
    q = np.concatenate(
        [np.where(opposite[..., None], 0, w), np.where(opposite[..., None], across, axis)], -1
    )
    return normalised(q)
