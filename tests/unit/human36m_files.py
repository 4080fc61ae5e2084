"""Stand-ins for Human3.6M: drawn people in its folders, under its names, in its formats.

The data itself may not be given away. Videos are written by FFmpeg at its 50 frames a second, the
joints by cdflib, in the variable and the shape that the owners' files have.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from farframe.data.human36m_files import pose_name
from farframe.video import write_video

CAMERAS = ("54138969", "55011271", "58860488", "60457274")
LIMBS = ((0, 1), (1, 2), (2, 3), (0, 6), (6, 7), (7, 8), (0, 13), (13, 15), (13, 17), (17, 19))
LIMBS += ((13, 25), (25, 27))


def joints(count: int, width: int, height: int, phase: float) -> np.ndarray:
    """Somebody walks to and fro and swings arms and legs: x, y of 32 joints, (count, 64)."""
    t = np.arange(count) / 50 * 2 * np.pi + phase
    places = np.zeros((count, 32, 2))
    x, y = 0.5 + 0.2 * np.sin(t), 0.5 + 0.02 * np.cos(2 * t)
    swing = 0.12 * np.sin(4 * t)
    hips, neck, head = (0, 0), (0, -0.2), (0, -0.3)
    places[:, :] = np.stack([x, y], 1)[:, None]
    for numbers, (dx, dy), share in (
        ((0,), hips, 0.0),
        ((13, 12), neck, 0.0),
        ((15, 14), head, 0.0),
        ((1,), (0.03, 0.02), 0.0),
        ((2,), (0.03, 0.15), 0.5),
        ((3, 4, 5), (0.03, 0.3), 1.0),
        ((6,), (-0.03, 0.02), 0.0),
        ((7,), (-0.03, 0.15), -0.5),
        ((8, 9, 10), (-0.03, 0.3), -1.0),
        ((17,), (0.06, -0.18), 0.0),
        ((19,), (0.1, 0.02), -1.0),
        ((25,), (-0.06, -0.18), 0.0),
        ((27,), (-0.1, 0.02), 1.0),
    ):
        for number in numbers:
            places[:, number] += np.stack([dx + share * swing, np.full(count, dy)], 1)
    return (places * (width, height)).reshape(count, 64).astype(np.float32)


def people(
    count: int, width: int, height: int, phase: float = 0.0, room: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (count, height, width, 3) and joints (count, 64) of somebody in a room."""
    points = joints(count, width, height, phase)
    rng = np.random.default_rng(room)
    walls = rng.integers(20, 130, (5, 5, 3)).astype(np.uint8)
    behind = Image.fromarray(walls).resize((width, height), Image.Resampling.BILINEAR)
    pictures: list[np.ndarray] = []
    shirt = tuple(int(v) for v in rng.integers(180, 255, 3))
    for frame in points.reshape(count, 32, 2):
        picture = behind.copy()
        draw = ImageDraw.Draw(picture)
        for i, (a, b) in enumerate(LIMBS):
            ends = [(float(x), float(y)) for x, y in (frame[a], frame[b])]
            draw.line(ends, (25, 25, 60) if i < 6 else shirt, max(2, width // 16))
        x, y = (float(v) for v in frame[15])
        r = width / 20
        draw.ellipse((x - r, y - r, x + r, y + r), (235, 190, 160))
        pictures.append(np.asarray(picture))
    return np.stack(pictures), points


def write_joints(path: Path, points: np.ndarray) -> None:
    """A file as in ``D2_Positions``: variable ``Pose``, float32, (1, frames, 64)."""
    from cdflib import cdfwrite

    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    file = cdfwrite.CDF(path, cdf_spec={"Majority": "Row_major", "Encoding": 6})
    spec = {
        "Variable": "Pose",
        "Data_Type": 44,  # CDF_FLOAT
        "Num_Elements": 1,
        "Rec_Vary": True,
        "Dim_Sizes": list(points.shape),
    }
    file.write_var(spec, var_data=points[None])
    file.close()


def record(
    root: Path,
    name: str,
    count: int = 20,
    size: tuple[int, int] = (100, 100),
    posed: bool = True,
) -> np.ndarray:
    """One video, ``S1/Directions 1.54138969``, and its joints, which are returned."""
    subject, _, take = name.partition("/")
    video = f"{subject}/Videos/{take}.mp4"
    seed = sum(map(ord, name))
    frames, points = people(count, *size, phase=seed, room=seed)
    (root / video).parent.mkdir(parents=True, exist_ok=True)
    write_video(root / video, frames, 50.0)
    if posed:
        write_joints(root / pose_name(video), points)
    return points
