"""A person in a room before a camera, and frames of it: what PyBullet has to do with people."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from farframe.worlds.bullet import Bullet, View
from farframe.worlds.furniture import Item
from farframe.worlds.mesh import Mesh

DRAWN = 128  # pixels drawn along each side at least, and twice as many as a frame has


class Stage:
    """A furnished room and a person's parts in a physics server that never steps.

    Args:
        bullet: an empty server.
        room: what stands still.
        person: the parts' meshes.
        clothes: the picture that the meshes are textured with.
    """

    def __init__(
        self,
        bullet: Bullet,
        room: list[Item],
        person: list[Mesh],
        clothes: UInt8[np.ndarray, "h w c"],
    ) -> None:
        self._bullet = bullet
        for mesh, picture in room:
            bullet.body([], mesh, bullet.texture(_upright(picture)))
        texture = bullet.texture(_upright(clothes))
        self._parts = [bullet.body([], mesh, texture) for mesh in person]

    def shoot(
        self,
        places: Float[np.ndarray, "parts 3"],
        turns: Float[np.ndarray, "parts 4"],
        view: View,
        size: int,
    ) -> tuple[UInt8[np.ndarray, "c h w"], UInt8[np.ndarray, "h w"]]:
        """One frame with the person's parts put there, and how much of each pixel they cover."""
        xyzw = np.roll(turns, -1, 1).tolist()
        for part, place, turn in zip(self._parts, places.tolist(), xyzw, strict=True):
            self._bullet.place(part, place, turn)
        s = max(2, DRAWN // size)
        colours, bodies = self._bullet.picture(view, size * s)
        covered = (bodies >= self._parts[0]) & (bodies <= self._parts[-1])
        blocks = colours.reshape(size, s, size, s, 3).astype(np.uint16).sum((1, 3))
        frame = ((blocks + s * s // 2) // (s * s)).astype(np.uint8)
        share = covered.reshape(size, s, size, s).sum((1, 3))
        return frame.transpose(2, 0, 1), ((share * 255 + s * s // 2) // (s * s)).astype(np.uint8)


def _upright(picture: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w c"]:
    """To PyBullet, v = 0 is a picture's last row."""
    return np.ascontiguousarray(picture[::-1])
