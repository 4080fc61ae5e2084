"""The page of a rating: one HTML file that needs nothing else and knows no names."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from jaxtyping import UInt8
from PIL import Image

ANSWERS = 1
"""Format of the answers that a page gives out."""
COLUMNS = 24
_LARGEST = 16_383  # pixels of a side: WebP holds no more


@dataclass(frozen=True)
class Pair:
    """Two films in one picture, and a name that tells nothing of them."""

    name: str
    sheet: str


@dataclass(frozen=True)
class Page:
    """The page as text, and what tells it from all others."""

    id: str
    text: str


def check_size(count: int, size: int) -> None:
    """Raise a ValueError if films of ``count`` frames don't fit into one picture."""
    most = _LARGEST // (2 * size) * COLUMNS
    if count > most:
        raise ValueError(
            f"{count} frames are more than a page can show of {size}x{size} ({most}): name fewer "
            "with --frames-a and --frames-b"
        )


def sheet(first: UInt8[np.ndarray, "t h w 3"], second: UInt8[np.ndarray, "t h w 3"]) -> str:
    """Both films as the address of an image that lies in the page itself, not a bit lost.

    Frame i of the first lies in column i % 24 of row 2 (i // 24), of the second in the row below.
    """
    count, size = first.shape[:2]
    rows = math.ceil(count / COLUMNS)
    whole = np.zeros((2 * rows, size, COLUMNS, size, 3), np.uint8)
    for side, film in enumerate((first, second)):
        for i, picture in enumerate(film):
            whole[2 * (i // COLUMNS) + side, :, i % COLUMNS] = picture
    buffer = io.BytesIO()
    picture = Image.fromarray(whole.reshape(2 * rows * size, COLUMNS * size, 3))
    picture.save(buffer, "WEBP", lossless=True, quality=60, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def page_of(pairs: Sequence[Pair], question: str, size: int, count: int, fps: float) -> Page:
    """The page that asks ``question`` of each pair of films of ``count`` frames."""
    digest = hashlib.sha256(f"{question} {fps} {count}".encode())
    for pair in pairs:
        digest.update(f"{pair.name} {pair.sheet}\n".encode())
    name = digest.hexdigest()[:32]
    told = {
        "format": ANSWERS,
        "page": name,
        "size": size,
        "count": count,
        "columns": COLUMNS,
        "fps": fps,
        "pairs": [pair.name for pair in pairs],
    }
    sheets = "".join(f'<img id="s{p.name}" src="{p.sheet}" alt="">' for p in pairs)
    style, script, body = (
        files("farframe.studies").joinpath(f"rating.{kind}").read_text("utf-8")
        for kind in ("css", "js", "body.html")
    )
    body = body.replace("{question}", html.escape(question)).replace("{pairs}", str(len(pairs)))
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(question)}</title><style>{style}</style></head><body>{body}"
        f'<div id="sheets" hidden>{sheets}</div>'
        f'<script type="application/json" id="told">{json.dumps(told)}</script>'
        f"<script>{script}</script></body></html>\n"
    )
    return Page(name, text)
