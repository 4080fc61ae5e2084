"""Makes tests/data/lerobot-* with the real lerobot package; lerobot-*/README.md has how.

``python make_lerobot.py v3`` with lerobot 0.4, ``python make_lerobot.py v21`` with lerobot 0.3.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from lerobot.datasets.lerobot_dataset import CODEBASE_VERSION, LeRobotDataset
from lerobot_truth import CAMERAS, DATA, FPS, HEIGHT, LENGTHS, WIDTH, action, picture, state

TASKS = ("push the disc", "lift the disc", "push the disc")


def make(name: str, dtype: str, cameras: tuple[str, ...], episodes_a_file: int = 0) -> None:
    root = DATA / name
    readme = (root / "README.md").read_text() if (root / "README.md").exists() else ""
    shutil.rmtree(root, ignore_errors=True)
    axes = {"dtype": dtype, "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]}
    features: dict[str, Any] = {
        "action": {"dtype": "float32", "shape": (3,), "names": ["x", "y", "z"]},
        "observation.state": {"dtype": "float32", "shape": (4,), "names": ["a", "b", "c", "d"]},
    } | {f"observation.images.{camera}": axes for camera in cameras}
    made = LeRobotDataset.create(
        "farframe/test", fps=FPS, features=features, root=root, use_videos=dtype == "video"
    )
    if episodes_a_file:  # a limit that this many episodes pass
        made.meta.update_chunk_settings(data_files_size_in_mb=0.03, video_files_size_in_mb=0.006)
    for episode, length in enumerate(LENGTHS):
        for t in range(length):
            frame: dict[str, Any] = {
                "action": action(episode, t),
                "observation.state": state(episode, t),
            }
            for camera in cameras:
                frame[f"observation.images.{camera}"] = picture(episode, t, camera)
            if CODEBASE_VERSION == "v2.1":
                made.add_frame(frame, task=TASKS[episode])
            else:
                made.add_frame(frame | {"task": TASKS[episode]})
        made.save_episode()
    if hasattr(made, "finalize"):
        made.finalize()
    shutil.rmtree(root / "images", ignore_errors=True)
    if readme:
        (root / "README.md").write_text(readme)


if __name__ == "__main__":
    if sys.argv[1] == "v3":
        make("lerobot-v3", "video", CAMERAS, 2)
        make("lerobot-v3-images", "image", CAMERAS[:1], 2)
    else:
        make("lerobot-v21", "video", CAMERAS)
