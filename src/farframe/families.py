"""What can be trained: the hierarchical model in its modes, and the baselines it is held against.

A run has the configuration of one model and a mode that trains such models. Code that takes any of
them says so by these names.
"""

from __future__ import annotations

from farframe.baselines.svg_config import SVGConfig
from farframe.baselines.svg_mode import SVGMode
from farframe.baselines.svg_model import SVGModel
from farframe.config import ModelConfig
from farframe.models.hierarchical import HierarchicalModel
from farframe.modes import MODES, Mode

AnyModelConfig = ModelConfig | SVGConfig
AnyModel = HierarchicalModel | SVGModel
AnyMode = Mode | SVGMode

BASELINE_MODES: dict[str, type[SVGMode]] = {SVGMode.tag: SVGMode}
ALL_MODES: dict[str, type[AnyMode]] = {**MODES, **BASELINE_MODES}
"""By their tags; those of baselines train nothing but their own baseline."""
