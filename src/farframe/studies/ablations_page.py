"""The page of ``farframe study ablations``: one HTML file that needs nothing else."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from farframe.evaluation.charts import Line, line_chart
from farframe.evaluation.colours import RUNS
from farframe.evaluation.html_file import (
    certainty,
    heading,
    interval,
    protocol,
    typeset,
    write_html,
)
from farframe.evaluation.pictures import png
from farframe.evaluation.quantities import QUANTITIES, SUBJECTS, key
from farframe.evaluation.table import between
from farframe.evaluation.tally import Estimate
from farframe.presets_ablations import BASE
from farframe.studies.ablations_numbers import SHOWN, AblationsStudy, Number

_STYLE = """
.stacked td .ci, .stacked td .apart { display: block; margin: 0; font-size: 12px; }
.stacked td { vertical-align: top; } .wide img { width: 100%; display: block; }
td.words { white-space: normal; text-align: left; min-width: 260px; }
p.note { color: var(--soft); font-size: 13px; margin: 8px 2px 0; }
.charts .line { stroke-width: 1.8; } .charts .line.a0 { stroke-width: 2.8; }
"""


def write_page(path: Path, study: AblationsStudy, strips: Path) -> None:
    """Write the page, whole or not at all."""
    base = study.results[BASE]
    config, card = base.ablation.config, base.card
    title = f"Ablations of {config.name}"
    chips = {
        "base": f"{base.run} at step {card['made']['step']:,}",
        "data": card["made"]["data_path"],
        "given": f"{base.evaluation.context} frames",
        "predicted": f"{study.horizon} frames",
        "test clips": f"{base.evaluation.clips:,}",
        "frames": "{0}x{0}".format(card["data"]["frame_size"]),
        "device": card["made"]["device"],
    }
    with Image.open(strips) as image:
        sheet = png(np.asarray(image))
    colours = "".join(f".a{n} {{ color: rgb{colour}; }}" for n, colour in enumerate(RUNS))
    text = "The same training without one thing or another, on the same frames of the same clips."
    body = [
        heading(title, text, chips),
        _legend(study),
        _charts(study),
        _numbers(study),
        "<h2>Frames side by side<small>columns: frames after the base's context; an empty cell: "
        "the frame was given</small></h2>",
        f'<div class="panel wide"><img src="{sheet}" alt="truth over predictions"></div>',
        protocol(card, "of the base; those of the others are in ablations.json"),
    ]
    write_html(path, title, "".join(body), colours + _STYLE)


def _legend(study: AblationsStudy) -> str:
    """What each is, and what the world's judge says of its last frame."""
    shares = list(study.results[BASE].world)
    heads = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in shares)
    lines: list[str] = []
    for n, (name, result) in enumerate(study.results.items()):
        cells = "".join(_share(result.world[share]) for share in shares)
        steps = f"{result.card['made']['step']:,}"
        lines.append(
            f'<tr><td><b class="a{n}">{name}</b></td>'
            f'<td class="words">{html.escape(result.ablation.summary)}</td>'
            f"<td>{steps}</td><td>{result.parameters / 1e6:.2f} M</td>{cells}</tr>"
        )
    at = f"shares: of clips, at frame {study.horizon}, 95 % intervals below" if shares else ""
    return (
        f"<h2>What is compared<small>{at}</small></h2>"
        '<div class="panel scroll stacked"><table><thead><tr><th>name</th>'
        f'<th style="text-align:left">what</th><th>iterations</th><th>parameters</th>{heads}</tr>'
        f"</thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _share(value: Estimate) -> str:
    ends = f"{100 * (value.low or 0):.1f} \N{EN DASH} {100 * (value.high or 0):.1f}"
    return f'<td>{value.mean:.1%}<span class="ci">{ends}</span></td>'


def _charts(study: AblationsStudy) -> str:
    panels: list[str] = []
    for what in _there(study):
        quantity = QUANTITIES[what]
        lines = [
            Line(name, f"a{n}", result.evaluation.tally.curve(key("model", what)), band=n == 0,
                 frames=list(range(result.later + 1, study.horizon + 1)) if result.later else ())
            for n, (name, result) in enumerate(study.results.items())
        ]  # fmt: skip
        numbers = [
            [
                line.css,
                line.name,
                [""] * (study.horizon - len(line.times))
                + [f"{v:.{quantity.digits}f}" for v in line.curve.mean.tolist()],
            ]
            for line in lines
        ]
        better = {1: "more is better", -1: "less is better", 0: "1 is as sharp as the truth"}
        chart = line_chart(quantity.label, lines, "frame after the base's context")
        panels.append(
            f'<div class="panel" data-curves="{html.escape(json.dumps(numbers))}">'
            f"<h3>{quantity.title} <small>{better[quantity.sign]}</small></h3>{chart}</div>"
        )
    legend = "".join(
        f'<li class="a{n}"><i></i><span>{name}</span></li>' for n, name in enumerate(study.results)
    )
    return (
        "<h2>Over the horizon<small>means over clips; band: 95 % interval of the base</small></h2>"
        f'<ul class="legend">{legend}</ul><div class="charts">{"".join(panels)}</div>'
    )


def _there(study: AblationsStudy) -> list[str]:
    return [what for what in SHOWN if what in study.numbers[BASE]]


def _numbers(study: AblationsStudy) -> str:
    tables = "".join(_table(study, what) for what in _there(study))
    return (
        "<h2>Numbers<small>first the mean with its 95 % interval, below it the paired difference "
        "from the run named in the last column, coloured where its interval leaves out 0</small>"
        f"</h2>{tables}"
        '<p class="note">Frames are counted after the base\'s context. A run that is given more '
        "frames is compared on those that both predict, which its cells name.</p>"
    )


def _table(study: AblationsStudy, what: str) -> str:
    quantity = QUANTITIES[what]
    heads = "".join(f"<th>{_span(*span)}</th>" for span in study.spans)
    lines: list[str] = []
    for n, (name, rows) in enumerate(study.numbers.items()):
        cells = "".join(
            _cell(number, span, quantity.digits, quantity.sign)
            for number, span in zip(rows[what], study.spans, strict=True)
        )
        against = next((x.against for x in rows[what] if x), "")
        lines.append(f'<tr><td><b class="a{n}">{name}</b></td>{cells}<td>{against}</td></tr>')
    lines += _baselines(study, what)
    return (
        f'<div class="panel scroll stacked" style="margin-bottom:14px"><table><thead><tr>'
        f"<th>{quantity.title}</th>{heads}<th>against</th></tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _baselines(study: AblationsStudy, what: str) -> list[str]:
    """The base's own baselines, for scale."""
    tally, digits = study.results[BASE].evaluation.tally, QUANTITIES[what].digits
    lines: list[str] = []
    for subject in ("copy_last", "oracle"):
        if key(subject, what) in tally.names:
            values = (tally.over(key(subject, what), *span).mean for span in study.spans)
            cells = "".join(f"<td>{value:.{digits}f}</td>" for value in values)
            lines.append(f"<tr><td>{SUBJECTS[subject]}, {BASE}</td>{cells}<td></td></tr>")
    return lines


def _span(first: int, last: int) -> str:
    return f"frame {last}" if first == last else f"mean of {first} \N{EN DASH} {last}"


def _cell(number: Number | None, span: Sequence[int], digits: int, sign: int) -> str:
    if number is None:
        return "<td></td>"
    parts = [f"{number.mean.mean:.{digits}f}"]
    if number.first != span[0]:
        parts.append(f'<span class="ci">frames {number.first} \N{EN DASH} {number.last}</span>')
    parts.append(interval(number.mean, digits))
    if number.difference:
        apart = number.difference
        css = certainty(apart, sign)
        ends = between(apart, digits, "+") if apart.low is not None else ""
        text = f"{apart.mean:+.{digits}f} {f'({ends})' if ends else ''}"
        parts.append(f'<span class="apart {css}">{typeset(text)}</span>')
    return f"<td>{''.join(parts)}</td>"
