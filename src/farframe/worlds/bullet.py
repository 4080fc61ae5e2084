"""PyBullet behind a few typed methods: the only module that knows it, for it has no types.

Every `Bullet` is a physics server of its own inside this process, without window or display.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from farframe.worlds.mesh import Mesh, Numbers


def bullet_version() -> str:
    """The installed PyBullet's version.

    Raises:
        ValueError: if there is none.
    """
    if find_spec("pybullet") is None:
        raise ValueError(_MISSING)
    return version("pybullet")


_MISSING = (
    "PyBullet is missing, and this world is simulated with it: pip install 'farframe[worlds]' "
    "(on Linux its wheels are for Python 3.10 and 3.11)"
)


def _modules() -> tuple[Any, Path]:
    """PyBullet, and the folder of its robots."""
    try:
        with _quiet():
            import pybullet
            import pybullet_data
    except ImportError:
        raise ValueError(_MISSING) from None
    return pybullet, Path(pybullet_data.getDataPath())


@contextmanager
def _quiet() -> Generator[None]:
    """Without the banner that PyBullet writes past Python to file descriptor 2 when imported."""
    if "pybullet" in sys.modules:
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@dataclass(frozen=True)
class Solid:
    """A collision primitive: ``box`` (half sizes), ``ball`` (radius) or ``rod`` (radius, length).

    A rod lies along its own z. ``position`` and ``rotation`` (quaternion x, y, z, w) place it in
    its body.
    """

    kind: str
    size: tuple[float, ...]
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class View:
    """A pinhole camera and the light that falls on what it sees. World coordinates, metres."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    up: tuple[float, float, float]
    fov: float
    light: tuple[float, float, float]
    light_colour: tuple[float, float, float]
    light_distance: float
    ambient: float
    diffuse: float
    specular: float
    far: float = 4.0  # what is farther away is not drawn


class Bullet:
    """One simulated world. Leave its ``with`` block to free it.

    Raises:
        ValueError: if PyBullet is missing.
    """

    def __init__(self, rate: int) -> None:
        """``rate``: physics steps per second."""
        self._p, self.data = _modules()
        self._client: int = self._p.connect(self._p.DIRECT)
        # PyBullet never frees meshes that it is handed as arrays, nor forgets files: so meshes go
        # through files that it is told to forget, in a folder whose name is never used again.
        self._folder = TemporaryDirectory(prefix="farframe-")
        self._files = 0
        self._p.setGravity(0, 0, -9.81, physicsClientId=self._client)
        self._p.setPhysicsEngineParameter(
            fixedTimeStep=1 / rate,
            numSolverIterations=30,
            deterministicOverlappingPairs=1,
            enableFileCaching=0,
            physicsClientId=self._client,
        )

    def __enter__(self) -> Bullet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._p.disconnect(physicsClientId=self._client)
        self._folder.cleanup()

    def step(self) -> None:
        """Let time go on by one step."""
        self._p.stepSimulation(physicsClientId=self._client)

    # -- bodies --------------------------------------------------------------------------------

    def texture(self, picture: UInt8[np.ndarray, "h w c"]) -> int:
        """Load a picture for bodies to wear."""
        from PIL import Image

        path = self._file("png")
        Image.fromarray(picture).save(path, compress_level=1)
        return self._p.loadTexture(str(path), physicsClientId=self._client)

    def body(
        self,
        solids: Sequence[Solid],
        mesh: Mesh | None,
        texture: int = -1,
        *,
        mass: float = 0.0,
        friction: float = 0.5,
        rolling: float = 0.0,
        position: Numbers = (0.0, 0.0, 0.0),
    ) -> int:
        """A rigid body of ``solids`` that looks like ``mesh``; of mass 0 it stands still."""
        p, client = self._p, self._client
        kinds = {"box": p.GEOM_BOX, "ball": p.GEOM_SPHERE, "rod": p.GEOM_CYLINDER}
        shape = visual = -1
        if solids:
            shape = p.createCollisionShapeArray(
                shapeTypes=[kinds[s.kind] for s in solids],
                halfExtents=[s.size if s.kind == "box" else (0, 0, 0) for s in solids],
                radii=[0 if s.kind == "box" else s.size[0] for s in solids],
                lengths=[s.size[1] if s.kind == "rod" else 0 for s in solids],
                collisionFramePositions=[s.position for s in solids],
                collisionFrameOrientations=[s.rotation for s in solids],
                physicsClientId=client,
            )
        if mesh is not None:
            path = self._file("obj")
            path.write_text(mesh.obj(), encoding="utf-8")
            visual = p.createVisualShape(
                p.GEOM_MESH,
                fileName=str(path),
                rgbaColor=(1, 1, 1, 1),
                physicsClientId=client,
            )
        body: int = p.createMultiBody(
            mass, shape, visual, list(position), useMaximalCoordinates=1, physicsClientId=client
        )
        p.changeDynamics(
            body,
            -1,
            lateralFriction=friction,
            rollingFriction=rolling,
            spinningFriction=rolling,
            physicsClientId=client,
        )
        if mesh is not None:
            p.changeVisualShape(body, -1, textureUniqueId=texture, physicsClientId=client)
        return body

    def _file(self, kind: str) -> Path:
        self._files += 1
        return Path(self._folder.name) / f"{self._files}.{kind}"

    def place(self, body: int, position: Numbers, rotation: Numbers) -> None:
        """Put a body somewhere, at rest; ``rotation`` is a quaternion x, y, z, w."""
        self._p.resetBasePositionAndOrientation(
            body, list(position), list(rotation), physicsClientId=self._client
        )
        self._p.resetBaseVelocity(body, [0, 0, 0], [0, 0, 0], physicsClientId=self._client)

    def pose(self, body: int) -> Float[np.ndarray, " 7"]:
        """Where a body is: position, then quaternion x, y, z, w."""
        position, rotation = self._p.getBasePositionAndOrientation(
            body, physicsClientId=self._client
        )
        return np.array([*position, *rotation])

    # -- jointed bodies ------------------------------------------------------------------------

    def load(self, path: Path, position: Numbers) -> int:
        """The first model of an SDF file, its origin at ``position``."""
        body: int = self._p.loadSDF(str(path), physicsClientId=self._client)[0]
        # PyBullet places centres of mass, and a model's origin is elsewhere
        middle = self._p.getDynamicsInfo(body, -1, physicsClientId=self._client)[3]
        self.place(body, np.add(position, middle), (0, 0, 0, 1))
        return body

    def paint(self, body: int, link: int, colour: Numbers) -> None:
        """Give a link (-1: the base) a colour, RGB in [0, 1]."""
        self._p.changeVisualShape(
            body, link, rgbaColor=[*colour, 1.0], physicsClientId=self._client
        )

    def ghost(self, body: int, link: int) -> None:
        """Let a link pass through everything."""
        self._p.setCollisionFilterGroupMask(body, link, 0, 0, physicsClientId=self._client)

    def adjust(self, body: int, link: int, *, friction: float, mass_times: float) -> None:
        """Set the friction of a link, and make it lighter or heavier."""
        mass = self._p.getDynamicsInfo(body, link, physicsClientId=self._client)[0]
        self._p.changeDynamics(
            body,
            link,
            mass=mass * mass_times,
            lateralFriction=friction,
            physicsClientId=self._client,
        )

    def set_joint(self, body: int, joint: int, angle: float) -> None:
        """Turn a joint at once, without physics."""
        self._p.resetJointState(body, joint, angle, physicsClientId=self._client)

    def servo(
        self, body: int, joints: Sequence[int], angles: Numbers, gains: Numbers, forces: Numbers
    ) -> None:
        """Let motors turn joints towards ``angles`` (rad) with at most ``forces`` (N m)."""
        self._p.setJointMotorControlArray(
            body,
            joints,
            self._p.POSITION_CONTROL,
            targetPositions=list(angles),
            positionGains=list(gains),
            forces=list(forces),
            physicsClientId=self._client,
        )

    def angles(self, body: int, joints: Sequence[int]) -> Float[np.ndarray, " joints"]:
        """Measured joint angles, rad."""
        states = self._p.getJointStates(body, joints, physicsClientId=self._client)
        return np.array([state[0] for state in states])

    def link(
        self, body: int, link: int
    ) -> tuple[Float[np.ndarray, " 3"], Float[np.ndarray, "3 3"]]:
        """Where a link's frame is, and its rotation matrix."""
        state = self._p.getLinkState(
            body, link, computeForwardKinematics=1, physicsClientId=self._client
        )
        matrix = self._p.getMatrixFromQuaternion(state[5])
        return np.array(state[4]), np.array(matrix).reshape(3, 3)

    def inverse(
        self, body: int, link: int, position: Numbers, rotation: Numbers
    ) -> Float[np.ndarray, " joints"]:
        """Joint angles, near the present ones, that bring a link's frame to a place."""
        return np.array(
            self._p.calculateInverseKinematics(
                body,
                link,
                list(position),
                list(rotation),
                maxNumIterations=60,
                residualThreshold=1e-6,
                physicsClientId=self._client,
            )
        )

    # -- pictures ------------------------------------------------------------------------------

    def picture(
        self, view: View, size: int
    ) -> tuple[UInt8[np.ndarray, "h w c"], Int[np.ndarray, "h w"]]:
        """What the camera sees, with shadows, and the body that each pixel shows (-1: none)."""
        p = self._p
        _, _, pixels, _, bodies = p.getCameraImage(
            size,
            size,
            p.computeViewMatrix(view.eye, view.target, view.up),
            p.computeProjectionMatrixFOV(view.fov, 1, 0.05, view.far),
            lightDirection=view.light,
            lightColor=view.light_colour,
            lightDistance=view.light_distance,
            shadow=1,
            lightAmbientCoeff=view.ambient,
            lightDiffuseCoeff=view.diffuse,
            lightSpecularCoeff=view.specular,
            renderer=p.ER_TINY_RENDERER,
            physicsClientId=self._client,
        )
        colours = np.asarray(pixels, np.uint8).reshape(size, size, 4)[..., :3]
        return colours, np.asarray(bodies, np.int32).reshape(size, size)
