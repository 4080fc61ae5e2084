"""Training modes. A new one is a file here and its name in ``Mode``."""

from farframe.modes.base import Group, Networks, TrainingMode, Update
from farframe.modes.e2e import E2E
from farframe.modes.epev import EPEV

Mode = E2E | EPEV
MODES: dict[str, type[Mode]] = {mode.tag: mode for mode in (E2E, EPEV)}

__all__ = ["E2E", "EPEV", "MODES", "Group", "Mode", "Networks", "TrainingMode", "Update"]
