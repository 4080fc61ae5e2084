"""What is measured of every frame: names, units, which way is better, and the exact meaning.

The meanings are part of an evaluation's protocol card: two evaluations are compared only if they
mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """One number of every frame."""

    label: str
    sign: int
    """1 if more is better, -1 if less is, 0 if neither."""
    digits: int
    """Decimals that a table shows."""
    meaning: str
    unit: str = ""
    partial: bool = False
    """Whether it is of those clips alone whose truth has what it is about at that frame."""
    rivals: bool = True
    """Whether to hold it against copying the last frame."""

    @property
    def title(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


_SAMPLES = "mean over pairs of samples of one clip"
_THERE = "of clips whose label has it in 0.5 % of that frame or more"

QUANTITIES: Mapping[str, Quantity] = {
    "psnr": Quantity(
        "PSNR", 1, 2, "10 log10(1 / mse) of each frame, at most 100, frames in [0, 1]", "dB"
    ),
    "ssim": Quantity(
        "SSIM",
        1,
        3,
        "Wang et al. 2004: 11x11 Gaussian window, sigma 1.5, range 1, without the 5 pixels next to "
        "the edge; mean over RGB",
    ),
    "mse": Quantity("MSE", -1, 5, "mean over RGB and pixels, frames in [0, 1]"),
    "mae": Quantity("MAE", -1, 4, "mean over RGB and pixels, frames in [0, 1]"),
    "sharpness": Quantity(
        "sharpness",
        0,
        3,
        "mean squared difference of neighbouring pixels, across plus down, mean over RGB, as a "
        "share of the truth's; 1e-6 added to both",
    ),
    "lpips": Quantity("LPIPS (AlexNet)", -1, 3, "LPIPS 0.1, AlexNet, at the frames' own size"),
    "lpips_vgg": Quantity("LPIPS (VGG)", -1, 3, "LPIPS 0.1, VGG-16, at the frames' own size"),
    "enc_mse": Quantity(
        "encoding's MSE",
        -1,
        5,
        "mean over an encoding's numbers, against the true frame's encoding",
    ),
    "mask_iou": Quantity(
        "mask IoU",
        1,
        3,
        "decoder's mask above 0.5 against the label's mask of the same frame; 1 where both are "
        "empty",
    ),
    "redrawn_iou": Quantity(
        "redrawn IoU",
        1,
        3,
        "decoder's mask above 0.5 against the union of the label's masks of the same frame and of "
        "the first one: all that can't be taken from the first frame",
    ),
    "arm_iou": Quantity(
        "arm IoU",
        1,
        3,
        f"where farframe's finder sees the robot's arm in the picture, against where the label has "
        f"it; {_THERE}",
        partial=True,
    ),
    "person_iou": Quantity(
        "person IoU",
        1,
        3,
        f"where farframe's finder sees the person in the picture, against where the label has it; "
        f"{_THERE}",
        partial=True,
    ),
    "person_area": Quantity(
        "person of the right size",
        1,
        3,
        f"1 where the area in which farframe's finder sees the person is half to twice the "
        f"label's, else 0; {_THERE}",
        partial=True,
        rivals=False,
    ),
    "person_found": Quantity(
        "person found",
        1,
        3,
        f"1 where farframe's finder sees the person in 0.5 % of the picture or more, else 0; "
        f"{_THERE}",
        partial=True,
        rivals=False,
    ),
    "diversity": Quantity("diversity (MSE)", 0, 5, f"{_SAMPLES}: mse"),
    "diversity_lpips": Quantity("diversity (LPIPS)", 0, 3, f"{_SAMPLES}, consecutive ones: lpips"),
}
"""By name, in the order in which they are shown."""

SUBJECTS: Mapping[str, str] = {
    "model": "model",
    "model_best": "best sample",
    "model_worst": "worst sample",
    "copy_last": "copy last frame",
    "context_mean": "mean of context",
    "linear": "no predictor (linear)",
    "oracle": "perfect predictor (oracle)",
    "truth": "true frames",
}
"""What is measured, and how it is called: the model, its samples and the baselines; and the truth
itself where a network says what is to be seen, which is as well as any model can do."""


def key(subject: str, quantity: str) -> str:
    """Name of a curve: ``model/psnr``."""
    return f"{subject}/{quantity}"
