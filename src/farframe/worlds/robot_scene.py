"""One filled bin with a robot over it: filmed again and again, cleared up in between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8

from farframe.worlds.bullet import Bullet
from farframe.worlds.robot_arm import Arm
from farframe.worlds.robot_camera import ARM, FIRST_TOY, Camera, Picture, draw_view
from farframe.worlds.robot_motion import Motion
from farframe.worlds.robot_room import HALF_X, HALF_Y, WALL, build_room
from farframe.worlds.robot_textures import atlas, cell
from farframe.worlds.robot_toys import draw_toys

RATE = 120  # physics steps a second
_LIVERIES = (
    ((0.88, 0.88, 0.87), (0.93, 0.45, 0.12)),
    ((0.85, 0.86, 0.88), (0.30, 0.32, 0.36)),
    ((0.70, 0.72, 0.75), (0.85, 0.86, 0.87)),
    ((0.90, 0.88, 0.84), (0.16, 0.33, 0.60)),
)
MOVED = 0.005  # m: a toy further than this from where a clip found it counts as moved
TURNED = 0.1  # rad, likewise


class ClipFailedError(Exception):
    """A clip that went wrong physically, to be made again."""


@dataclass(frozen=True)
class Take:
    """What was filmed and measured in one clip."""

    frames: UInt8[np.ndarray, "t c h w"]
    actions: Float32[np.ndarray, "t 5"]
    poses: Float32[np.ndarray, "t 12"]
    objects: Float32[np.ndarray, "t n 7"]
    mask: UInt8[np.ndarray, "t h w"]
    segmentation: UInt8[np.ndarray, "t h w"]


class Scene:
    """A bin of toys and a robot, all drawn from ``rng``."""

    def __init__(
        self,
        bullet: Bullet,
        rng: np.random.Generator,
        toys: int,
        frame_size: int,
        *,
        novel: bool,
    ) -> None:
        self._bullet = bullet
        build_room(bullet, rng)
        body, accent = _LIVERIES[rng.integers(len(_LIVERIES))]
        shade = rng.uniform(0.9, 1.02)
        self._arm = Arm(bullet, [shade * part for part in body], accent)
        self.toys = draw_toys(rng, toys, novel=novel)
        paints = [paint for toy in self.toys for paint in toy.paints]
        texture = bullet.texture(atlas(paints))
        self._bodies: list[int] = []
        first = 0
        for n, toy in enumerate(self.toys):
            mesh = toy.mesh(lambda paint, first=first: cell(first + paint))
            first += len(toy.paints)
            self._bodies.append(
                bullet.body(
                    toy.solids,
                    mesh,
                    texture,
                    mass=toy.mass,
                    friction=toy.friction,
                    rolling=toy.rolling,
                    position=(0, 0, 1 + n),
                )
            )
        self._camera = Camera(bullet, draw_view(rng), frame_size, self._arm.id, self._bodies)
        self.refill(rng)

    def refill(self, rng: np.random.Generator) -> None:
        """Drop all toys into the bin anew."""
        self._drop(rng, range(len(self.toys)))

    def take(self, rng: np.random.Generator, length: int, fps: float) -> Take:
        """Push for ``length`` frames, and film.

        Raises:
            ClipFailedError: if the physics or the arm went astray.
        """
        self._tidy(rng)
        motion = Motion(rng, self._toys()[:, :3], fps)
        above = motion.place + np.array([0, 0, 0.16, 0, 0])
        self._arm.jump(above)
        self._arm.move(above, RATE // 10)
        self._arm.move(motion.place, RATE * 2 // 5)
        self._arm.move(motion.place, RATE // 10)
        pictures: list[Picture] = []
        actions: list[Float[np.ndarray, " 5"]] = []
        poses: list[Float[np.ndarray, " 12"]] = []
        objects: list[Float[np.ndarray, "n 7"]] = []
        for frame in range(length):
            pictures.append(self._camera.shoot())
            poses.append(np.concatenate((self._arm.joints(), self._arm.place())))
            objects.append(self._toys())
            _check(poses[-1][7:], objects[-1])
            actions.append(motion.next(poses[-1][7:], objects[-1][:, :3]))
            if frame + 1 < length:
                self._arm.move(actions[-1], round(RATE / fps))
        return _developed(pictures, np.array(actions), np.array(poses), np.array(objects))

    def _tidy(self, rng: np.random.Generator) -> None:
        """Put back what has left the bin, and now and then what lies where no push reaches it."""
        toys = self._toys()
        edge = (np.abs(toys[:, :2]) > (HALF_X - _EDGE, HALF_Y - _EDGE)).any(1)
        chosen = edge & (rng.random(len(toys)) < 0.3)
        self._drop(rng, [n for n, at in enumerate(toys) if chosen[n] or not inside(at)])

    def _toys(self) -> Float[np.ndarray, "n 7"]:
        return np.array([self._bullet.pose(body) for body in self._bodies])

    def _drop(self, rng: np.random.Generator, which: range | list[int]) -> None:
        """Let some toys fall into the bin, next to each other, and wait until they lie."""
        if not which:
            return
        self._arm.jump(_ASIDE)
        lying = self._toys()[[n for n in range(len(self.toys)) if n not in which], :2]
        for layer, n in enumerate(which):
            free = rng.permutation(_SLOTS)
            clear = np.linalg.norm(free[:, None] - lying[None], axis=2).min(1, initial=1.0)
            spot = free[np.argmax(np.minimum(clear, 0.14))]
            lying = np.concatenate((lying, spot[None]))
            height = self.toys[n].radius + 0.02 + 0.15 * (layer // len(_SLOTS))
            spot = spot + rng.uniform(-0.01, 0.01, 2)
            self._bullet.place(self._bodies[n], [*spot, height], _turn(rng))
        for _ in range(12):
            before = self._toys()
            self._arm.move(_ASIDE, RATE // 5)
            if np.abs(self._toys() - before)[:, :3].max() < 0.002:
                break


_ASIDE = np.array([-0.12, 0.0, 0.30, 0.0, 0.0])
_SLOTS = np.array([(x, y) for x in (-0.155, 0, 0.155) for y in (-0.21, -0.07, 0.07, 0.21)])


_EDGE = 0.05  # m from a wall


def inside(toy: Float[np.ndarray, " 7"]) -> bool:
    """Whether a toy is in the bin."""
    return bool(abs(toy[0]) < HALF_X and abs(toy[1]) < HALF_Y and 0 < toy[2] < 4 * WALL)


def _turn(rng: np.random.Generator) -> Float[np.ndarray, " 4"]:
    """A random rotation: two of three times about the vertical alone."""
    if rng.random() < 0.67:
        half = rng.uniform(0, np.pi)
        return np.array([0.0, 0.0, np.sin(half), np.cos(half)])
    numbers = rng.normal(size=4)
    return numbers / np.linalg.norm(numbers)


def _check(place: Float[np.ndarray, " 5"], toys: Float[np.ndarray, "n 7"]) -> None:
    """Refuse a state that can't be."""
    if not (np.isfinite(place).all() and np.isfinite(toys).all()):
        raise ClipFailedError("a number is not finite")
    if abs(place[0]) > HALF_X or abs(place[1]) > HALF_Y or not 0 < place[2] < 0.3:
        raise ClipFailedError("the gripper is outside of the bin")
    if np.abs(toys[:, :3]).max() > 1.5:
        raise ClipFailedError("an object was thrown away")
    within = (np.abs(toys[:, 0]) < HALF_X) & (np.abs(toys[:, 1]) < HALF_Y)
    if (toys[within, 2] < 0.004).any() or (toys[:, 2] < -0.05).any():
        raise ClipFailedError("an object sank through the floor")


def _developed(
    pictures: list[Picture],
    actions: Float[np.ndarray, "t 5"],
    poses: Float[np.ndarray, "t 12"],
    objects: Float[np.ndarray, "t n 7"],
) -> Take:
    away = np.linalg.norm(objects[..., :3] - objects[:1, :, :3], axis=2)
    turned = 2 * np.arccos(np.clip(np.abs((objects[..., 3:] * objects[:1, :, 3:]).sum(2)), 0, 1))
    moved = np.zeros((len(pictures), FIRST_TOY + objects.shape[1]), bool)
    moved[:, ARM] = True
    moved[:, FIRST_TOY:] = (away > MOVED) | (turned > TURNED)
    return Take(
        frames=np.stack([picture.frame for picture in pictures]),
        actions=actions.astype(np.float32),
        poses=poses.astype(np.float32),
        objects=objects.astype(np.float32),
        mask=np.stack([p.mask(m) for p, m in zip(pictures, moved, strict=True)]),
        segmentation=np.stack([picture.segmentation() for picture in pictures]),
    )
