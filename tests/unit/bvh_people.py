"""Recordings of a stick figure as BVH text, for the tests of people."""

from __future__ import annotations

import math

# name, parent, offset from it in centimetres: a T-pose that looks along +z, its left at +x
STICKS = (
    ("Hips", "", (0, 0, 0)),
    ("Spine", "Hips", (0, 20, 0)),
    ("Neck", "Spine", (0, 30, 0)),
    ("Head", "Neck", (0, 10, 0)),
    ("LeftArm", "Spine", (18, 28, 0)),
    ("LeftForeArm", "LeftArm", (28, 0, 0)),
    ("LeftHand", "LeftForeArm", (26, 0, 0)),
    ("RightArm", "Spine", (-18, 28, 0)),
    ("RightForeArm", "RightArm", (-28, 0, 0)),
    ("RightHand", "RightForeArm", (-26, 0, 0)),
    ("LeftUpLeg", "Hips", (9, 0, 0)),
    ("LeftLeg", "LeftUpLeg", (0, -42, 0)),
    ("LeftFoot", "LeftLeg", (0, -41, 0)),
    ("RightUpLeg", "Hips", (-9, 0, 0)),
    ("RightLeg", "RightUpLeg", (0, -42, 0)),
    ("RightFoot", "RightLeg", (0, -41, 0)),
)
TIPS = {"Head": (0, 20, 0), "LeftHand": (15, 0, 0), "RightHand": (-15, 0, 0),
        "LeftFoot": (0, -8, 15), "RightFoot": (0, -8, 15)}  # fmt: skip


def person(seconds: float = 3.0, *, z_up: bool = False, phase: float = 0.0) -> str:
    """Somebody who walks ahead, swings the legs and beats the left forearm, at 20 frames a second.

    With ``z_up`` the same in a world whose z is up (and y where z was, backwards).
    """

    def axes(x: float, y: float, z: float) -> str:
        return f"{x} {-z} {y}" if z_up else f"{x} {y} {z}"

    lines = ["HIERARCHY"]

    def tell(name: str, depth: int) -> None:
        pad = "\t" * depth
        offset = next(o for n, _, o in STICKS if n == name)
        lines.extend([f"{pad}{'JOINT' if depth else 'ROOT'} {name}", pad + "{"])
        lines.append(f"{pad}\tOFFSET {axes(*offset)}")
        turns = "Zrotation Yrotation Xrotation" if z_up else "Yrotation Zrotation Xrotation"
        places = "" if depth else "Xposition Yposition Zposition "
        lines.append(f"{pad}\tCHANNELS {3 if depth else 6} {places}{turns}")
        for child in (n for n, parent, _ in STICKS if parent == name):
            tell(child, depth + 1)
        if name in TIPS:
            lines.extend([f"{pad}\tEnd Site", pad + "\t{", f"{pad}\t\tOFFSET {axes(*TIPS[name])}",
                          pad + "\t}"])  # fmt: skip
        lines.append(pad + "}")

    tell("Hips", 0)
    order = [line.split()[1] for line in lines if "JOINT" in line or "ROOT" in line]
    frames = round(seconds * 20) + 1
    lines += ["MOTION", f"Frames: {frames}", "Frame Time: 0.05"]
    for n in range(frames):
        swing = math.sin(n / 20 * 2 * math.pi + phase)
        row = [axes(0, 91, n * 2)]
        for name in order:
            x = {"LeftUpLeg": 30 * swing, "RightUpLeg": -30 * swing}.get(name, 0.0)
            x = {"LeftLeg": 20.0, "RightLeg": 20.0}.get(name, x)
            y = {"LeftForeArm": 60 * swing - 60, "Hips": 10 * swing}.get(name, 0.0)
            row.append(f"{y:.4f} 0 {x:.4f}")
        lines.append(" ".join(row))
    return "\n".join(lines) + "\n"
