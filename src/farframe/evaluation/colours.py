"""The colours of pictures with curves and notes, those of an evaluation's report (``page.css``)."""

from __future__ import annotations

from collections.abc import Mapping

Colour = tuple[int, int, int]

INK, SOFT, RULE, PAGE = (28, 35, 48), (92, 102, 118), (225, 229, 235), (255, 255, 255)
SUBJECTS: Mapping[str, Colour] = {
    "truth": INK,
    "model": (31, 95, 191),
    "copy_last": (209, 73, 91),
    "linear": (224, 138, 30),
    "oracle": (42, 157, 143),
}
"""Of each subject's line."""
RUNS: tuple[Colour, ...] = (
    *((31, 95, 191), (209, 73, 91), (42, 157, 143), (224, 138, 30)),
    *((141, 108, 171), (120, 94, 60), (214, 97, 168), (90, 130, 20)),
)
"""Of runs that are drawn together, in their order."""
