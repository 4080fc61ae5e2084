"""What every page has: one HTML file that needs nothing else, its heading, boxes, protocol card."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from farframe import __version__
from farframe.atomic import replacing
from farframe.evaluation.table import between
from farframe.evaluation.tally import Estimate


def write_html(path: Path, title: str, body: str, style: str = "") -> None:
    """Write a page with its style and its script inside, whole or not at all.

    ``style`` are rules of CSS beside those that all pages have.
    """
    shared, script = (_asset(name) for name in ("page.css", "page.js"))
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{shared}{style}</style></head>"
        f"<body><main>{body}</main><script>{script}</script></body></html>\n"
    )
    with replacing(path) as partial:
        partial.write_text(text, "utf-8")


def heading(title: str, text: str, chips: Mapping[str, object]) -> str:
    """The page's title, a line below it, and facts in chips."""
    items = "".join(f"<li>{n} <b>{html.escape(str(v))}</b></li>" for n, v in chips.items())
    return (
        f"<header><h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>"
        f'<ul class="chips">{items}</ul></header>'
    )


def box(title: str, value: str, unit: str, notes: Sequence[str]) -> str:
    """A large number with its title, unit and notes (HTML)."""
    small = f"<small>{unit}</small>" if unit else ""
    lines = "".join(f"<p>{note}</p>" for note in notes)
    return f'<div class="card"><h3>{title}</h3><div class="value">{value}{small}</div>{lines}</div>'


def interval(value: Estimate, digits: int) -> str:
    """An estimate's interval, small; nothing where there is none."""
    if value.low is None:
        return ""
    return f'<span class="ci">{typeset(between(value, digits))}</span>'


def typeset(text: str) -> str:
    """Numbers and intervals with real minus signs and dashes."""
    return text.replace("-", "\N{MINUS SIGN}").replace("..", " \N{EN DASH} ")


def certainty(apart: Estimate, sign: int = 1) -> str:
    """A colour for what is certainly better or worse, none for what may be chance.

    ``sign`` is 1 where more is better, -1 where less is, 0 where neither.
    """
    if apart.low is None or apart.high is None or not sign:
        return ""
    worst, best = sorted((apart.low * sign, apart.high * sign))
    return "good" if worst > 0 else "bad" if best < 0 else ""


COMPARED = "all that makes these numbers; farframe compare refuses to compare others"


def protocol(card: Mapping[str, Any], note: str = COMPARED) -> str:
    """The protocol card, folded, and the page's last line."""
    text = html.escape(json.dumps(card, indent=2))
    return (
        f"<h2>Protocol card<small>{note}</small></h2>"
        f"<details><summary>As JSON</summary><pre>{text}</pre></details>"
        f"<footer>Made by farframe {__version__}.</footer>"
    )


def _asset(name: str) -> str:
    return files("farframe.evaluation").joinpath(name).read_text("utf-8")
