"""A dressed person as meshes, one for each segment of the skeleton, and where they go in a pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from farframe.worlds.loft import ball, limb, loft
from farframe.worlds.mesh import Mesh, join
from farframe.worlds.quaternions import about, rotate, slerp
from farframe.worlds.skeleton import Frame, Posed
from farframe.worlds.wardrobe import Outfit, cell

ANKLE_DROP = 0.006  # how far soles sink into the floor, so that no gap of light is under them


@dataclass(frozen=True, kw_only=True)
class Body:
    """Lengths of a person, and how stout (1 is usual), broad-shouldered and broad-hipped."""

    frame: Frame
    girth: float
    shoulders: float
    hips: float


def random_body(rng: np.random.Generator) -> Body:
    """A grown person: 1.52 to 1.92 m."""
    build = rng.uniform(-1, 1)  # from narrow shoulders and broad hips to the contrary
    scale = rng.uniform(0.92, 1.08) * (1 + 0.03 * build)
    leg, arm, trunk = scale * rng.uniform([0.96, 0.96, 0.97], [1.04, 1.03, 1.04])
    base = Frame()
    frame = Frame(
        hip_width=base.hip_width * scale,
        thigh=base.thigh * leg,
        shin=base.shin * leg,
        ankle=base.ankle * scale,
        foot=base.foot * scale,
        waist=base.waist * trunk,
        chest=base.chest * trunk,
        shoulder_width=base.shoulder_width * scale * (1 + 0.05 * build),
        arm=base.arm * arm,
        forearm=base.forearm * arm,
        hand=base.hand * scale,
        neck=base.neck * scale,
        head=base.head * scale**0.5,
    )
    girth = scale * float(np.clip(rng.normal(1.0, 0.1), 0.85, 1.25))
    return Body(frame=frame, girth=girth, shoulders=1 + 0.06 * build, hips=1 - 0.06 * build)


def dressed(body: Body, outfit: Outfit) -> list[Mesh]:
    """Meshes of the segments, in their own coordinates; last the waist, which hangs in between."""
    right = [_thigh(body, outfit), _shin(body, outfit), _foot(body), *_arm(body, outfit, 1)]
    left = [_thigh(body, outfit), _shin(body, outfit), _foot(body), *_arm(body, outfit, -1)]
    trunk = [_pelvis(body, outfit), _chest(body, outfit), _head(body, outfit)]
    return [*trunk, *right, *left, _waist(body, outfit)]


def placed(
    body: Body, posed: Posed
) -> tuple[Float[np.ndarray, "t parts 3"], Float[np.ndarray, "t parts 4"]]:
    """Places and turns in the world of what ``dressed`` gives."""
    half = slerp(posed.turns[:, 0], posed.turns[:, 1], np.full(len(posed.turns), 0.5))
    low = posed.point(0, (0, body.frame.waist * 0.45, 0))
    places = np.concatenate([posed.places, low[:, None]], 1)
    return places, np.concatenate([posed.turns, half[:, None]], 1)


def _pelvis(body: Body, outfit: Outfit) -> Mesh:
    g, h, w = body.girth, body.girth * body.hips, body.frame.waist
    seat = loft(
        [
            (-0.1, -0.01, 0.05 * g, 0.05 * h), (-0.07, -0.012, 0.1 * g, 0.12 * h),
            (-0.01, -0.015, 0.118 * g, 0.165 * h), (0.05, -0.008, 0.11 * g, 0.16 * h),
            (0.55 * w, 0, 0.095 * g, 0.14 * h), (0.62 * w, 0, 0.07 * g, 0.11 * h),
        ],
        squareness=2.3,
    )  # fmt: skip
    parts = [cell(seat, "trousers")]
    if outfit.tucked:
        belt = [(0.44 * w, 0, 0.104 * g, 0.15 * h), (0.56 * w, 0, 0.1 * g, 0.145 * h)]
        parts.append(cell(loft(belt, squareness=2.3), "belt"))
    else:  # the shirt hangs over the hips
        low = -0.03 if outfit.jacket else 0.02
        hem = [
            (low, -0.008, 0.123 * g, 0.172 * h), (0.06, -0.006, 0.118 * g, 0.166 * h),
            (0.6 * w, 0, 0.105 * g, 0.147 * h),
        ]  # fmt: skip
        parts.append(cell(loft(hem, squareness=2.3), "shirt", (0, 0.2)))
    return join(parts)


def _waist(body: Body, outfit: Outfit) -> Mesh:
    g, w = body.girth, body.frame.waist
    wide = 0.5 * (body.hips + body.shoulders) * g
    rings = [
        (-0.02, 0, 0.095 * g, 0.138 * body.hips * g), (0.25 * w, 0, 0.1 * g, 0.138 * wide),
        (0.5 * w, 0.002, 0.103 * g, 0.14 * wide), (0.7 * w, 0.003, 0.09 * g, 0.13 * wide),
    ]  # fmt: skip
    return cell(loft(rings, squareness=2.3), "shirt", (0.15, 0.45))


def _chest(body: Body, outfit: Outfit) -> Mesh:
    g, s, c = body.girth, body.girth * body.shoulders, body.frame.chest
    rings = [
        (-0.07, 0, 0.09 * g, 0.13 * s), (0, 0.003, 0.108 * g, 0.148 * s),
        (0.3 * c, 0.006, 0.116 * g, 0.162 * s), (0.6 * c, 0.004, 0.115 * g, 0.172 * s),
        (0.85 * c, -0.004, 0.098 * g, 0.165 * s), (0.98 * c, -0.01, 0.076 * g, 0.125 * s),
        (1.1 * c, -0.01, 0.055 * g, 0.07 * s),
    ]  # fmt: skip
    parts = [cell(loft(rings, squareness=2.4), "shirt", (0.35, 1))]
    if outfit.hood:
        parts.append(cell(ball((-0.085, c * 0.98, 0), 0.06, 0.06, 0.1), "sleeve"))
    return join(parts)


def _head(body: Body, outfit: Outfit) -> Mesh:
    n, h = body.frame.neck, body.frame.head
    neck = limb(n + 0.06, [(0, 0.05), (1, 0.056 * body.girth**0.5)]).moved((0.0, n + 0.03, 0.0))
    skull = loft(
        [
            (n, 0.045, 0.025, 0.025), (n + 0.04 * h, 0.043, 0.045, 0.042),
            (n + 0.18 * h, 0.03, 0.068, 0.058), (n + 0.4 * h, 0.016, 0.088, 0.07),
            (n + 0.6 * h, 0.008, 0.096, 0.076), (n + 0.78 * h, 0.004, 0.091, 0.073),
            (n + 0.92 * h, 0.002, 0.067, 0.054), (n + h, 0, 0.02, 0.016),
        ]
    )  # fmt: skip
    nose = ball((0.104, n + 0.42 * h, 0), 0.02, 0.022, 0.013)
    ears = [ball((0.005, n + 0.45 * h, z), 0.016, 0.028, 0.008) for z in (-0.073, 0.073)]
    parts = [cell(neck, "skin"), cell(skull, "face"), *(cell(m, "skin") for m in (nose, *ears))]
    return join(parts + _hair(outfit, n, h))


def _hair(outfit: Outfit, n: float, h: float) -> list[Mesh]:
    cap = [
        (n + 0.62 * h, -0.022, 0.084, 0.08), (n + 0.75 * h, -0.006, 0.101, 0.083),
        (n + 0.9 * h, -0.004, 0.085, 0.07), (n + 1.0 * h, -0.006, 0.052, 0.045),
        (n + 1.05 * h, -0.006, 0.015, 0.012),
    ]  # fmt: skip
    back = ball((-0.035, n + 0.56 * h, 0), 0.075, 0.44 * h, 0.08)
    if outfit.hair == "bald":
        return []
    if outfit.hair == "hat":
        visor = ball((0.09, n + 0.72 * h, 0), 0.075, 0.012, 0.065)
        hat = [(y + 0.006, x, d * 1.06, w * 1.06) for y, x, d, w in cap]
        nape = ball((-0.035, n + 0.5 * h, 0), 0.068, 0.3 * h, 0.076)
        return [cell(loft(hat), "hat"), cell(visor, "hat"), cell(nape, "hair")]
    found = [cell(loft(cap), "hair"), cell(back, "hair")]
    if outfit.hair == "long":
        rings = [
            (n - 0.3 * h, -0.075, 0.02, 0.055), (n - 0.1 * h, -0.075, 0.036, 0.085),
            (n + 0.3 * h, -0.055, 0.06, 0.093), (n + 0.65 * h, -0.035, 0.075, 0.09),
            (n + 0.9 * h, -0.02, 0.06, 0.07),
        ]  # fmt: skip
        found.append(cell(loft(rings), "hair"))
    elif outfit.hair == "tail":
        tail = limb(0.24, [(0, 0.03), (0.4, 0.036), (1, 0.012)])
        lean = about((0.0, 0.0, 1.0), np.array(-0.35))
        tail = _turned(tail, lean).moved((-0.105, n + 0.78 * h, 0.0))
        found.append(cell(tail, "hair"))
    elif outfit.hair == "bun":
        found.append(cell(ball((-0.09, n + 0.92 * h, 0), 0.05, 0.05, 0.05), "hair"))
    return found


def _arm(body: Body, outfit: Outfit, side: int) -> list[Mesh]:
    """Upper arm, forearm and hand; ``side`` is 1 on the right."""
    f, g = body.frame, body.girth
    upper = cell(limb(f.arm, [(0, 0.045 * g), (0.4, 0.044 * g), (1, 0.036 * g)]), "skin")
    lower = cell(limb(f.forearm, [(0, 0.037 * g), (0.25, 0.04 * g), (1, 0.026 * g)]), "skin")
    reach = {"none": 0.1, "short": 0.55, "long": 1.0}[outfit.sleeves]
    loose = 0.006 if outfit.jacket else 0.0
    shoulder = [(0, 0.058 * g + loose), (0.3, 0.053 * g + loose), (1, 0.048 * g + loose)]
    uppers = [upper, cell(limb(f.arm * reach, shoulder), "sleeve")]
    lowers = [lower]
    if reach == 1:
        sleeve = [(0, 0.047 * g + loose), (0.3, 0.046 * g + loose), (0.93, 0.035 * g + loose)]
        lowers.append(cell(limb(f.forearm, sleeve), "sleeve"))
    palm = limb(f.hand, [(0.1, 0.024), (0.4, 0.042), (0.75, 0.036), (0.92, 0.02)], flat=0.45)
    thumb = _turned(limb(0.07, [(0, 0.016), (1, 0.011)]), about((0.0, 0.0, 1.0), np.array(0.6)))
    hand = join([palm, thumb.moved((0.025, -0.04, -0.008 * side))])
    return [join(uppers), join(lowers), cell(hand, "skin")]


def _thigh(body: Body, outfit: Outfit) -> Mesh:
    f, g = body.frame, body.girth
    cut = 1 + 0.12 * outfit.wide
    cloth = [(0, 0.088 * g), (0.2, 0.088 * g * cut**0.5), (1, 0.062 * g * cut)]
    if outfit.legs == "long":
        return cell(limb(f.thigh, cloth), "trousers")
    bare = cell(limb(f.thigh, [(0, 0.07 * g), (0.3, 0.074 * g), (1, 0.053 * g)]), "skin")
    short = [(0, 0.088 * g), (0.2, 0.09 * g * cut**0.5), (1, 0.08 * g * cut)]
    return join([bare, cell(limb(f.thigh * 0.68, short), "trousers")])


def _shin(body: Body, outfit: Outfit) -> Mesh:
    f, g = body.frame, body.girth
    if outfit.legs == "long":
        cut = 1 + 0.22 * outfit.wide
        cloth = [(0, 0.062 * g * cut**0.6), (0.3, 0.062 * g * cut), (0.97, 0.048 * g * cut)]
        return cell(limb(f.shin, cloth), "trousers")
    bare = cell(limb(f.shin, [(0, 0.052 * g), (0.3, 0.056 * g), (1, 0.034 * g)]), "skin")
    sock = limb(f.shin * 0.3, [(0.2, 0.042 * g), (1, 0.038 * g)]).moved((0.0, -0.72 * f.shin, 0.0))
    return join([bare, cell(sock, "sock")])


def _foot(body: Body) -> Mesh:
    """A shoe from heel to toes, with a sole."""
    f = body.frame
    back, front, sole = -0.075, f.foot, -f.ankle - ANKLE_DROP
    told = [(0, 0.5, 0.6), (0.06, 1, 0.85), (0.3, 1.1, 0.9), (0.5, 0.85, 0.95), (0.75, 0.6, 1.1),
            (0.92, 0.45, 0.9), (1, 0.3, 0.5)]  # fmt: skip
    height = f.ankle * 0.95
    rings = [
        (back + (front - back) * s, -(sole + high * height / 2), high * height / 2, 0.044 * wide)
        for s, high, wide in told
    ]
    along = _turned(loft(rings, squareness=2.6), about((0.0, 0.0, 1.0), np.array(-np.pi / 2)))
    flat = [
        (back - 0.008 + (front - back + 0.016) * s, -sole - 0.012, 0.012, 0.047 * wide)
        for s, _, wide in told
    ]
    under = _turned(loft(flat, squareness=4), about((0.0, 0.0, 1.0), np.array(-np.pi / 2)))
    return join([cell(along, "shoe"), cell(under, "sole")])


def _turned(mesh: Mesh, turn: Float[np.ndarray, " 4"]) -> Mesh:
    return mesh.moved((0.0, 0.0, 0.0), rotate(turn, np.eye(3)).T)
