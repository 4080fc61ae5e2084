"""The report: one HTML file that needs nothing else, with curves, tables, players and strips."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from farframe.evaluation.charts import Line, line_chart
from farframe.evaluation.evaluate import Evaluation
from farframe.evaluation.examples import Gallery
from farframe.evaluation.html_file import (
    box,
    certainty,
    heading,
    interval,
    protocol,
    typeset,
    write_html,
)
from farframe.evaluation.pictures import Example, strip
from farframe.evaluation.quantities import QUANTITIES, SUBJECTS, key
from farframe.evaluation.table import (
    Row,
    between,
    confidence,
    confident,
    quantities,
    shown,
    subjects,
)

BANDS = ("model", "copy_last")
"""Whose intervals the charts show: more bands would hide each other."""
LOOSE = ("linear", "context_mean")
"""Which may leave a chart: they can be so bad that nothing else would be seen."""
HEADLINES = ("psnr", "ssim", "lpips", "lpips_vgg", "mask_iou", "arm_iou", "person_area")


def write_page(
    path: Path,
    title: str,
    evaluation: Evaluation,
    card: Mapping[str, Any],
    rows: Sequence[Row],
    gallery: Gallery,
) -> None:
    """Write the report, whole or not at all."""
    body = "".join(
        [
            _header(title, evaluation, card),
            _cards(evaluation, rows),
            _charts(evaluation),
            _players(gallery),
            _strips(gallery),
            _tables(rows),
            protocol(card),
        ]
    )
    write_html(path, title, body)


def _header(title: str, evaluation: Evaluation, card: Mapping[str, Any]) -> str:
    run, _, rest = title.partition(": ")
    data, made = card["data"], card["made"]
    chips = {
        "protocol": card["name"] or "its own",
        "given": f"{evaluation.context} frames",
        "predicted": f"{evaluation.horizon} frames",
        "clips": f"{evaluation.clips:,}",
        "frames": f"{data['frame_size']}x{data['frame_size']} at {data['fps']:g} frames/s",
        "samples": card["samples"],
        "device": made["device"],
        "farframe": made["farframe"],
    }
    return heading(run, rest, chips)


def _cards(evaluation: Evaluation, rows: Sequence[Row]) -> str:
    """Means over the whole horizon, the confidence horizon, FVD and the world's judgement."""
    whole = {row.quantity: row for row in rows}  # the last row of a quantity is the whole horizon
    boxes: list[str] = []
    for name in (n for n in HEADLINES if n in whole):
        what, row = QUANTITIES[name], whole[name]
        notes = [f"95 %: {typeset(between(row.values['model'], what.digits))}"]
        if row.clips is not None:
            notes.append(f"of {row.clips} clips at least; true frames {_of_truth(row)}")
        if row.gain:
            css = certainty(row.gain)
            gain = shown(row.gain, what.digits, "+")
            notes.append(f'<span class="{css}">gain on copying {typeset(gain)}</span>')
        mean = row.values["model"].mean
        boxes.append(box(f"{what.label}, mean", f"{mean:.{what.digits}f}", what.unit, notes))
    first = confidence(evaluation).get("psnr")
    if first:
        beyond = first.mean > evaluation.horizon
        value = f"&gt; {evaluation.horizon}" if beyond else f"{first.mean:.0f}"
        note = html.escape(confident(first, evaluation.horizon))
        boxes.append(box("Confidence horizon (PSNR)", value, "frames" if beyond else "", [note]))
    if evaluation.fvd:
        lines = (
            f"{SUBJECTS[name]} {', '.join(f'{d:.0f}' for d in pieces)}"
            for name, pieces in evaluation.fvd.items()
            if name != "model"
        )
        value = ", ".join(f"{d:.0f}" for d in evaluation.fvd["model"])
        boxes.append(box(f"FVD of {evaluation.clips} clips", value, "", list(lines)))
    if evaluation.world:
        (name, share), *others = evaluation.world.items()
        lines = [f"{n.replace('_', ' ')} {s:.1%}" for n, s in others]
        title = f"{name.replace('_', ' ').capitalize()} at frame {evaluation.horizon}"
        boxes.append(box(title, f"{share:.1%}", "", [", ".join(lines)]))
    return f'<section class="cards">{"".join(boxes)}</section>'


def _of_truth(row: Row) -> str:
    return f"{row.values['truth'].mean:.{QUANTITIES[row.quantity].digits}f}"


def _charts(evaluation: Evaluation) -> str:
    panels: list[str] = []
    used: dict[str, None] = {}
    for quantity in quantities(evaluation):
        what = QUANTITIES[quantity]
        there = subjects(evaluation, quantity)
        used |= dict.fromkeys(there)
        lines = [
            Line(
                SUBJECTS[name],
                name,
                evaluation.tally.curve(key(name, quantity)),
                band=name in BANDS,
                scales=name not in LOOSE,
            )
            for name in there
        ]
        numbers = [
            [line.css, line.name, [f"{v:.{what.digits}f}" for v in line.curve.mean.tolist()]]
            for line in lines
        ]
        better = {1: "more is better", -1: "less is better", 0: ""}[what.sign]
        panels.append(
            f'<div class="panel" data-curves="{html.escape(json.dumps(numbers))}">'
            f"<h3>{what.title} <small>{better}</small></h3>{line_chart(what.label, lines)}</div>"
        )
    legend = "".join(
        f'<li class="{name}"><i></i><span>{title}</span></li>'
        for name, title in SUBJECTS.items()
        if name in used
    )
    note = "means over clips; bands: 95 % bootstrap intervals over clips"
    return (
        f"<h2>Over the horizon<small>{note}</small></h2>"
        f'<ul class="legend">{legend}</ul><div class="charts">{"".join(panels)}</div>'
    )


def _tables(rows: Sequence[Row]) -> str:
    """Every quantity's rows of every subject, those of less interest folded."""
    main = _table([row for row in rows if row.quantity in HEADLINES])
    others = [row for row in rows if row.quantity not in HEADLINES]
    titles = ", ".join(dict.fromkeys(QUANTITIES[row.quantity].label for row in others))
    return (
        "<h2>Numbers<small>frames are counted after the context; gain: against copying the last "
        f"frame, positive is better; small: 95 % intervals</small></h2>{main}"
        f"<details class=more><summary>{titles}</summary>{_table(others)}</details>"
    )


def _table(rows: Sequence[Row]) -> str:
    names = [name for name in SUBJECTS if any(name in row.values for row in rows)]
    heads = "".join(f"<th>{SUBJECTS[name]}</th>" for name in names)
    lines: list[str] = []
    last = ""
    for row in rows:
        what = QUANTITIES[row.quantity]
        if row.quantity != last:
            last = row.quantity
            lines.append(f'<tr class="group"><th colspan="{len(names) + 2}">{what.title}</th></tr>')
        cells = [_cell(row, name, what.digits) for name in names]
        gain = (
            f"{row.gain.mean:+.{what.digits}f}{interval(row.gain, what.digits)}" if row.gain else ""
        )
        css = "" if row.frames.isdigit() else ' class="range"'
        lines.append(f"<tr{css}><td>{row.frames}</td>{''.join(cells)}<td>{gain}</td></tr>")
    return (
        f'<div class="panel scroll"><table><thead><tr><th>frame</th>{heads}'
        f"<th>gain on copying</th></tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(row: Row, name: str, digits: int) -> str:
    if name not in row.values:
        return "<td></td>"
    value = row.values[name]
    if name != "model":
        return f"<td>{value.mean:.{digits}f}</td>"
    return f'<td class="model"><b>{value.mean:.{digits}f}</b>{interval(value, digits)}</td>'


def _players(gallery: Gallery) -> str:
    blocks = "".join(_player(example) for example in gallery.examples)
    return (
        "<h2>Clips<small>by mean PSNR over the horizon; a green border while frames are given, red "
        f'once they are predicted</small></h2><div class="players">{blocks}</div>'
    )


def _player(example: Example) -> str:
    sheet, columns = example.sheet()
    size = example.panels["truth"].shape[1]
    views = "".join(
        f'<figure><figcaption>{name}</figcaption><canvas width="{size}" height="{size}"></canvas>'
        "</figure>"
        for name in example.panels
    )
    title = html.escape(example.title)
    return (
        f'<div class="panel player given" data-columns="{columns}" data-size="{size}" '
        f'data-fps="{example.fps:g}" data-times="{",".join(map(str, example.times))}">'
        f"<header><h3>{title}</h3><span>{html.escape(example.note)}</span></header>"
        f'<img class="sheet" src="{sheet}" alt="" hidden><div class="views">{views}</div>'
        '<div class="controls"><button type="button">Play</button>'
        f'<input type="range" min="0" max="{len(example.times) - 1}" value="0" '
        f'aria-label="frame of {title}"><output></output></div></div>'
    )


def _strips(gallery: Gallery) -> str:
    blocks: list[str] = []
    for title, times, shelves in gallery.strips:
        heads = "".join(
            f"<span{' class=given' if t <= 0 else ''}>{t if t > 0 else 'given'}</span>"
            for t in times
        )
        lines = "".join(
            f'<span>{html.escape(name)}</span><img src="{strip(pictures)}" '
            f'alt="{html.escape(name)}">'
            for name, pictures in shelves.items()
        )
        blocks.append(
            f'<div class="panel strip"><h3>{html.escape(title)}</h3><span>frame</span>'
            f'<div class="heads">{heads}</div>{lines}</div>'
        )
    return f'<h2>Frames side by side</h2><div class="strips">{"".join(blocks)}</div>'
