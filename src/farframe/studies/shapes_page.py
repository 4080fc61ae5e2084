"""The page of ``farframe study shapes``: one HTML file that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from farframe.evaluation.charts import Line, line_chart
from farframe.evaluation.html_file import box, heading, protocol, write_html
from farframe.evaluation.pictures import png
from farframe.evaluation.quantities import SUBJECTS
from farframe.evaluation.tally import Curve, Estimate
from farframe.studies.shapes_options import PAPER, SOURCE
from farframe.studies.shapes_table import COLUMNS, number

if TYPE_CHECKING:
    from farframe.studies.estimates import Quartiles
    from farframe.studies.shapes import ShapesStudy

_STYLE = """
td.paper, th.paper { color: var(--soft); font-style: italic; }
.wide img { width: 100%; display: block; }
.stacked td .ci { display: block; margin: 0; } .stacked td { vertical-align: top; }
p.note { color: var(--soft); font-size: 13px; margin: 8px 2px 0; }
"""


def write_page(path: Path, study: ShapesStudy, strips: Path) -> None:
    """Write the page, whole or not at all."""
    title = f"Shapes, {study.horizon[-1]:,} frames"
    chips = {
        "run": study.run,
        "step": f"{study.card['made']['step']:,}",
        "trained on": f"{study.trained_on} frames",
        "given": f"{study.context} frames",
        "held-out clips": f"{study.clips:,}",
        "frames": "{0}x{0}".format(study.card["data"]["frame_size"]),
        "device": study.card["made"]["device"],
    }
    text = "Is the right shape in the right colour still there, and where it should be?"
    with Image.open(strips) as image:
        sheet = png(np.asarray(image))
    body = [
        heading(title, text, chips),
        _boxes(study),
        f"<h2>As in the paper's Table 1<small>at frame {study.horizon[-1]:,}</small></h2>",
        _table_1(study),
        "<h2>Over the horizon<small>frames of the clip, counted from 1, the given ones included; "
        "small: 95 % intervals over clips</small></h2>",
        _horizons(study),
        _charts(study),
        "<h2>Truth over prediction</h2>",
        f'<div class="panel wide"><img src="{sheet}" alt="truth over prediction"></div>',
        protocol(study.card, "all that makes these numbers"),
    ]
    write_html(path, title, "".join(body), _STYLE)


def _boxes(study: ShapesStudy) -> str:
    last = study.table[study.horizon[-1]]["model"]
    cards: list[str] = []
    for name in ("right", "in_place", "vanished"):
        value, at = last.shares[name], f"at frame {study.horizon[-1]:,}"
        cards.append(box(f"{COLUMNS[name].capitalize()}, {at}", f"{value.mean:.1%}", "",
                         [f"95 %: {_range(value, True)}"]))  # fmt: skip
    for frame in (study.horizon[min(1, len(study.horizon) - 1)], study.horizon[-1]):
        found = study.table[frame]["model"].position
        note = f"quartiles {number(found.lower)} and {number(found.upper)}"
        title = f"Position error, median at frame {frame:,}"
        cards.append(box(title, number(found.median.mean), "pixels", [note]))
    return f'<section class="cards">{"".join(cards)}</section>'


def _table_1(study: ShapesStudy) -> str:
    names = [name for name in COLUMNS if name != "wrong_shape"]
    heads = "".join(f"<th>{COLUMNS[name]}</th>" for name in names)
    lines: list[str] = []
    for name, found in study.table[study.horizon[-1]].items():
        cells = "".join(f"<td>{_percent(found.shares[n])}</td>" for n in names)
        lines.append(f"<tr><td>{SUBJECTS[name]}</td>{cells}</tr>")
    for name, shares in PAPER.items():
        cells = "".join(
            f'<td class="paper">{f"{shares[n]:.1%}" if n in shares else ""}</td>' for n in names
        )
        lines.append(f'<tr><td class="paper">{name}</td>{cells}</tr>')
    return (
        f'<div class="panel scroll"><table><thead><tr><th>method</th>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
        f'<p class="note">Paper: {html.escape(SOURCE)}. A copy of the last given frame is right '
        "for ever, and so is not enough: whether it is in place tells.</p>"
    )


def _horizons(study: ShapesStudy) -> str:
    heads = "".join(f"<th>{title}</th>" for title in COLUMNS.values())
    heads += "<th>position error, px: median</th><th>quartiles</th>"
    heads += "<th>size error, px: median</th><th>quartiles</th>"
    lines: list[str] = []
    for name in SUBJECTS:
        if name not in study.table[study.horizon[0]]:
            continue
        lines.append(f'<tr class="group"><th colspan="11">{SUBJECTS[name]}</th></tr>')
        for frame in study.horizon:
            found = study.table[frame][name]
            cells = [_percent(found.shares[n]) for n in COLUMNS]
            for errors in (found.position, found.size):
                cells += [_median(errors), f"{number(errors.lower)} to {number(errors.upper)}"]
            after = f'<span class="ci">+{frame - study.context:,}</span>'
            tds = "".join(f"<td>{cell}</td>" for cell in cells)
            lines.append(f"<tr><td>{frame:,}{after}</td>{tds}</tr>")
    return (
        f'<div class="panel scroll stacked"><table><thead><tr><th>frame</th>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
        '<p class="note">+n: the n-th frame after the given ones. An error is infinite where '
        "nothing is there. In place: at most half the shape's radius from the true place.</p>"
    )


def _charts(study: ShapesStudy) -> str:
    titles = {"position": "Position error (pixels)", "size": "Size error (pixels)"}
    panels: list[str] = []
    for what, title in titles.items():
        lines = [_line(study, name, what) for name in study.table[study.horizon[0]]]
        note = "median; band: quartiles"
        chart = line_chart(title, lines, "frame of the clip")
        panels.append(f'<div class="panel"><h3>{title} <small>{note}</small></h3>{chart}</div>')
    legend = "".join(
        f'<li class="{name}"><i></i><span>{SUBJECTS[name]}</span></li>'
        for name in study.table[study.horizon[0]]
    )
    return (
        f'<h2>Errors</h2><ul class="legend">{legend}</ul>'
        f'<div class="charts">{"".join(panels)}</div>'
    )


def _line(study: ShapesStudy, name: str, what: str) -> Line:
    found = [getattr(row[name], what) for row in study.table.values()]
    ours, loose, frames = name == "model", name == "linear", list(study.table)
    return Line(SUBJECTS[name], name, _curve(found), band=ours, scales=not loose, frames=frames)


def _curve(found: Sequence[Quartiles]) -> Curve:
    three = [(f.median.mean, f.lower, f.upper) for f in found]
    median, lower, upper = np.array(three).T
    return Curve(median, lower, np.where(np.isfinite(upper), upper, median))


def _percent(value: Estimate) -> str:
    return f'{value.mean:.1%}<span class="ci">{_range(value, True)}</span>'


def _median(errors: Quartiles) -> str:
    interval = _range(errors.median, False)
    return f"<b>{number(errors.median.mean)}</b>" + (
        f'<span class="ci">{interval}</span>' if interval else ""
    )


def _range(value: Estimate, percent: bool) -> str:
    if value.low is None or value.high is None:
        return ""
    ends = [f"{100 * v:.1f}" if percent else number(v) for v in (value.low, value.high)]
    return " \N{EN DASH} ".join(ends)
