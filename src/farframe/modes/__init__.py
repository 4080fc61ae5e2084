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

__all__ = ["E2E", "EPEV", "MODES", "Group", "Mode", "Networks", "TrainingMode", "Update"]
