"""Training modes. A new one is a file here and its name in ``Mode``."""

from typing import get_args

from farframe.modes.base import Group, Networks, TrainingMode, Update
from farframe.modes.e2e import E2E
from farframe.modes.e2e_pose import E2EPoseJoint, E2EPoseSeparate
from farframe.modes.epev import EPEV
from farframe.modes.epev_e2e import EPEVE2E
from farframe.modes.epev_gan import EPEVGAN
from farframe.modes.epev_pose import EPEVPose
from farframe.modes.individual import Individual
from farframe.modes.predictor_only import PredictorOnly

Mode = (
    E2E
    | EPEV
    | Individual
    | E2EPoseJoint
    | E2EPoseSeparate
    | EPEVGAN
    | EPEVE2E
    | EPEVPose
    | PredictorOnly
)
MODES: dict[str, type[Mode]] = {mode.tag: mode for mode in get_args(Mode)}

SEED_DEFAULT = E2E.tag
SEED_NAMES: dict[str, str] = {
    "e2e": E2E.tag,
    "epev": EPEV.tag,
    "epva": EPEV.tag,
    "individual": Individual.tag,
    "e2epose_oneop": E2EPoseJoint.tag,
    "e2epose_sepop": E2EPoseSeparate.tag,
    "epev_gan": EPEVGAN.tag,
    "epva_gan": EPEVGAN.tag,
}
"""What the original's --model_mode calls the modes, in its first version and in later ones."""

__all__ = [
    "E2E",
    "EPEV",
    "EPEVE2E",
    "EPEVGAN",
    "MODES",
    "SEED_DEFAULT",
    "SEED_NAMES",
    "Group",
    "Mode",
    "Networks",
    "TrainingMode",
    "Update",
]
