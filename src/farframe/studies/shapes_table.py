"""The table of ``farframe study shapes`` on a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich import box as boxes
from rich.table import Table

from farframe.evaluation.quantities import SUBJECTS
from farframe.studies.shapes_options import PAPER

if TYPE_CHECKING:
    from farframe.studies.shapes import Found, ShapesStudy

COLUMNS: Mapping[str, str] = {
    "right_colour": "right colour",
    "wrong_colour": "wrong colour",
    "vanished": "vanished",
    "right": "right colour and shape",
    "wrong_shape": "wrong shape",
    "in_place": "right and in place",
}
"""The paper's three columns first."""


_SHORT = (
    *("right\ncolour", "wrong\ncolour", "\nvanished"),
    *("right\nshape too", "wrong\nshape", "right and\nin place"),
)


def drawn(study: ShapesStudy) -> Iterator[Table | str]:
    """The tables as rich draws them."""
    made = study.card["made"]
    yield (
        f"{study.run} at step {made['step']:,}, trained on {study.trained_on} frames: "
        f"{study.clips} held-out clips, {study.context} frames given"
    )
    sheet = Table("frame", box=boxes.SIMPLE_HEAD, pad_edge=False)
    for title in (*_SHORT, "position\nerror, px", "quartiles", "size\nerror, px"):
        sheet.add_column(title, justify="right", no_wrap=True)
    for name, title in SUBJECTS.items():
        if name not in study.table[study.horizon[0]]:
            continue
        sheet.add_section()
        sheet.add_row(f"[bold]{title}[/bold]")
        for frame in study.horizon:
            sheet.add_row(f"{frame:,}", *_cells(study.table[frame][name]))
    sheet.add_section()
    for name, shares in PAPER.items():
        cells = [f"{shares[n]:.1%}" if n in shares else "" for n in COLUMNS]
        sheet.add_row(name, *cells)
    yield sheet
    yield "frames of the clip, counted from 1; position and size: medians over clips, in pixels"


def _cells(found: Found) -> Iterator[str]:
    for name in COLUMNS:
        yield f"{found.shares[name].mean:.1%}"
    yield number(found.position.median.mean)
    yield f"{number(found.position.lower)}..{number(found.position.upper)}"
    yield number(found.size.median.mean)


def number(value: float) -> str:
    """With two decimals; infinity where there is none."""
    return f"{value:.2f}" if math.isfinite(value) else "\N{INFINITY}"
