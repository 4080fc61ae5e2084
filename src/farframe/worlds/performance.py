"""What a person does during a clip: motions chained one into another, on a path that stays near.

Everything here is told from the person: how the hips are turned but for the heading, how the
heading changes and how far the hips move along it from frame to frame. In these terms two motions
fade into each other whatever way each was facing, and a path is bent by turning the heading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from farframe.worlds.motion import UP, Motion, unlikeness
from farframe.worlds.quaternions import about, mirrored, multiply, slerp, yaw
from farframe.worlds.skeleton import MIRRORED

FADE = (0.3, 0.65)  # seconds that two motions overlap: alike at the join, unlike
ALIKE = 1.3  # difference of poses (see `unlikeness`) up to which one motion may follow another
CHANGE = 0.4  # chance that a motion is followed by another one, not by itself
ROOM = np.array([0.45, 0.65])  # how far the hips may go from the middle, x and z, in metres
FASTEST = 1.5  # metres per second over ground; faster motions take smaller strides
TIGHTEST = 0.55  # radius in metres of the tightest turn that steering makes
CYCLIC_SECONDS = (1.8, 5.0)  # how long a cyclic motion goes on before another may follow


@dataclass(frozen=True)
class Steps:
    """Frames of a performance, told from the person; the hips' heading is taken out of ``local``.

    ``turn`` (radians) and ``stride`` (x forward, z right, in legs) lead to the following frame.
    """

    local: Float[np.ndarray, "t segments 4"]
    turn: Float[np.ndarray, " t"]
    stride: Float[np.ndarray, "t 2"]
    clearance: Float[np.ndarray, " t"]

    def __len__(self) -> int:
        return len(self.turn)

    def cut(self, frames: slice) -> Steps:
        """Some of the frames."""
        return Steps(
            self.local[frames], self.turn[frames], self.stride[frames], self.clearance[frames]
        )


def steps(motion: Motion) -> Steps:
    """A motion told from the person."""
    heading = yaw(motion.local[:, 0])
    local = motion.local.copy()
    local[:, 0] = multiply(about(UP, -heading), local[:, 0])
    turn = (np.diff(heading) + np.pi) % (2 * np.pi) - np.pi
    stride = _turned(np.diff(motion.root[:, [0, 2]], axis=0), -heading[:-1])
    return Steps(
        local,
        np.concatenate([turn, turn[-1:]]),
        np.concatenate([stride, stride[-1:]]),
        motion.clearance,
    )


def joined(first: Steps, second: Steps, overlap: int) -> Steps:
    """``first`` fading into ``second`` over the last frames of one and the first of the other."""
    weight = (np.arange(overlap) + 1) / (overlap + 1)
    weight = weight * weight * (3 - 2 * weight)
    a, b = first.cut(slice(len(first) - overlap, None)), second.cut(slice(overlap))
    w = weight[:, None]
    faded = Steps(
        slerp(a.local, b.local, np.repeat(w, a.local.shape[1], 1)),
        a.turn * (1 - weight) + b.turn * weight,
        a.stride * (1 - w) + b.stride * w,
        a.clearance * (1 - weight) + b.clearance * weight,
    )
    pieces = [first.cut(slice(len(first) - overlap)), faded, second.cut(slice(overlap, None))]
    return Steps(
        np.concatenate([p.local for p in pieces]),
        np.concatenate([p.turn for p in pieces]),
        np.concatenate([p.stride for p in pieces]),
        np.concatenate([p.clearance for p in pieces]),
    )


def perform(
    motions: Sequence[Motion], first: int, frames: int, fps: float, rng: np.random.Generator
) -> Steps:
    """``frames`` frames of motion number ``first`` and of what may follow it."""
    speed = rng.uniform(0.85, 1.15)
    doing, mirror = motions[first], bool(rng.random() < 0.5)
    done: Steps | None = None
    while done is None or len(done) < frames:
        if done is not None:
            doing, mirror = _following(motions, doing, done.local[-1], rng)
        shown = _piece(doing, begin=done is None, needed=frames / fps * speed, rng=rng)
        shown = shown.mirrored() if mirror else shown
        piece = steps(shown.sampled(np.arange(0, shown.seconds + 1e-9, speed / fps)))
        if done is None:
            done = piece
            continue
        apart = unlikeness(done.local[-1], piece.local[0]) / ALIKE
        overlap = round(float(np.interp(apart, [0.3, 1], FADE)) * fps)
        done = joined(done, piece, min(overlap, len(done) - 1, len(piece) - 1))
    return done.cut(slice(frames))


def _piece(doing: Motion, *, begin: bool, needed: float, rng: np.random.Generator) -> Motion:
    """What is shown of a motion: all of it, or as much of a cyclic or a long one as is wanted."""
    if doing.cyclic:
        wanted = float(rng.uniform(*CYCLIC_SECONDS))
        whole = doing.unrolled(wanted + doing.seconds)
        phase = rng.uniform(0, doing.seconds) if begin else 0.0
        return whole.part(phase / whole.seconds, min(1.0, (phase + wanted) / whole.seconds))
    if doing.seconds > needed + 1:
        start = rng.uniform(0, doing.seconds - needed - 0.5)
        return doing.part(start / doing.seconds, (start + needed + 0.5) / doing.seconds)
    return doing


def _following(
    motions: Sequence[Motion],
    doing: Motion,
    ended: Float[np.ndarray, "segments 4"],
    rng: np.random.Generator,
) -> tuple[Motion, bool]:
    """A motion that begins much as the last one ended, and whether mirrored: the same, or another.

    What begins alike either way is mirrored by chance.
    """
    apart = [
        (unlikeness(ended, m.local[0]), unlikeness(ended, _in_a_mirror(m.local[0])))
        for m in motions
    ]
    fitting = [n for n, far in enumerate(apart) if min(far) < ALIKE]
    again = [n for n in fitting if motions[n] is doing]
    others = [n for n in fitting if motions[n] is not doing]
    if again and (not others or rng.random() > CHANGE):
        chosen = again[0]
    elif others:
        chosen = others[int(rng.integers(len(others)))]
    else:
        chosen = int(np.argmin([min(far) for far in apart]))
    straight, mirror = apart[chosen]
    either = abs(straight - mirror) < 0.15
    return motions[chosen], bool(rng.random() < 0.5) if either else mirror < straight


def _in_a_mirror(local: Float[np.ndarray, "segments 4"]) -> Float[np.ndarray, "segments 4"]:
    return mirrored(local[list(MIRRORED)])


def walked(
    told: Steps, leg: float, fps: float, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "t segments 4"], Float[np.ndarray, "t 2"]]:
    """Turns in the world and the hips' path (x, z) in metres, on a path that stays near.

    The heading is random at first, and turns back the more, the farther the person has gone out;
    what is still too far is drawn in.
    """
    stride = told.stride * leg
    window = max(1, round(fps / 2))
    smooth = np.stack([np.convolve(s, np.ones(window) / window, "same") for s in stride.T], 1)
    stride = stride * min(1.0, FASTEST / (np.linalg.norm(smooth, axis=1).max() * fps + 1e-9))
    heading, place = rng.uniform(-np.pi, np.pi), rng.uniform(-0.5, 0.5, 2) * ROOM
    headings, path = np.empty(len(told)), np.empty((len(told), 2))
    for n in range(len(told)):
        headings[n], path[n] = heading, place
        step = _turned(stride[n][None], np.array([heading]))[0]
        out = float(np.linalg.norm(place / ROOM))
        away = np.arctan2(step[0] * place[1] - step[1] * place[0], -step @ place)
        most = np.linalg.norm(smooth[n]) * leg / TIGHTEST
        pull = np.clip((out - 0.2) / 0.6, 0, 1)
        heading += told.turn[n] + pull * np.clip(away, -most, most)
        place = place + step
    path = path - (path.min(0) + path.max(0)) / 2
    out = np.linalg.norm(path / ROOM, axis=1)
    near = np.where(out < 0.7, out, 0.7 + 0.3 * np.tanh((out - 0.7) / 0.3))
    path = path * (near / np.maximum(out, 1e-9))[:, None]
    local = told.local.copy()
    local[:, 0] = multiply(about(UP, headings), local[:, 0])
    return local, path


def _turned(
    flat: Float[np.ndarray, "t 2"], angle: Float[np.ndarray, " t"]
) -> Float[np.ndarray, "t 2"]:
    """Vectors (x, z) on the floor, turned about the vertical."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * flat[:, 0] + sin * flat[:, 1], cos * flat[:, 1] - sin * flat[:, 0]], 1)
