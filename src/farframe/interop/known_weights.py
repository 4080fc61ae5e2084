"""All weights that farframe knows by name; a new one is a line here and in ``cli_words``."""

from __future__ import annotations

from collections.abc import Mapping

from farframe.interop.detector_cache import PERSON_DETECTOR
from farframe.interop.feature_cache import I3D, LPIPS
from farframe.interop.vgg_cache import VGG16
from farframe.interop.weights_cache import Weights

KNOWN: Mapping[str, Weights] = {
    weights.name: weights for weights in (VGG16, LPIPS, I3D, PERSON_DETECTOR)
}
