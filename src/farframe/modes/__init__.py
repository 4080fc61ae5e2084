"""Training modes. A new one is a file here and its name in ``Mode``."""

from typing import get_args

from farframe.modes.base import Group, Networks, TrainingMode, Update
from farframe.modes.e2e import E2E
from farframe.modes.e2e_pose import E2EPoseJoint, E2EPoseSeparate
from farframe.modes.epev import EPEV
from farframe.modes.epev_gan import EPEVGAN
from farframe.modes.individual import Individual

Mode = E2E | EPEV | Individual | E2EPoseJoint | E2EPoseSeparate | EPEVGAN
MODES: dict[str, type[Mode]] = {mode.tag: mode for mode in get_args(Mode)}

SEED_DEFAULT = E2E.tag
SEED_NAMES: dict[str, str] = {
    name: tag
    for name, tag in {
        "e2e": "e2e",
        "epev": "epev",
        "epva": "epev",
        "individual": "individual",
        "e2epose_oneop": "e2e_pose_joint",
        "e2epose_sepop": "e2e_pose_separate",
        "epev_gan": "epev_gan",
        "epva_gan": "epev_gan",
    }.items()
    if tag in MODES
}
"""What the original's --model_mode calls the modes, in its first version and in later ones."""

__all__ = [
    "E2E",
    "EPEV",
    "MODES",
    "SEED_DEFAULT",
    "SEED_NAMES",
    "Group",
    "Mode",
    "Networks",
    "TrainingMode",
    "Update",
]
