"""Clips as one picture: a row for each, a column for each of some times."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from farframe.video import enlarge, pictures

CELL = 96
"""Pixels that the shorter side of a picture is enlarged to, at least."""
_PAGE, _INK, _FAINT = (255, 255, 255), (40, 40, 40), (130, 130, 130)
_GAP, _MARGIN, _TITLE, _NUMBER = 4, 12, 18, 14


def contact_sheet(
    rows: Sequence[tuple[str, UInt8[np.ndarray, "t c h w"]]], columns: int
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Clips under each other, each under its name, ``columns`` frames of each spread over its time.

    The first frame is the first column and the last frame the last; a clip with fewer frames shows
    all of them. Numbers of frames stand once at the top if they are the same for every clip, else
    below each picture.
    """
    assert rows, "a contact sheet needs a clip"
    assert columns >= 1, f"{columns} columns"
    times = [_times(len(frames), columns) for _, frames in rows]
    cells = [enlarge(pictures(frames[t]), CELL) for (_, frames), t in zip(rows, times, strict=True)]
    height, width = max(c.shape[1] for c in cells), max(c.shape[2] for c in cells)
    shared = all(t == times[0] for t in times)
    line = _TITLE + height + (0 if shared else _NUMBER) + 2 * _GAP
    top = _MARGIN + (_NUMBER if shared else 0)
    across = max(map(len, times)) * (width + _GAP) - _GAP
    sheet = Image.new("RGB", (across + 2 * _MARGIN, top + line * len(rows) + _MARGIN), _PAGE)
    draw = ImageDraw.Draw(sheet)
    for i, (name, _) in enumerate(rows):
        y = top + i * line
        draw.text((_MARGIN, y + 2), _fitted(name, across), _INK, _font(13))
        for j, (picture, time) in enumerate(zip(cells[i], times[i], strict=True)):
            x = _MARGIN + j * (width + _GAP)
            sheet.paste(Image.fromarray(picture), (x, y + _TITLE))
            at = _MARGIN - 4 if shared else y + _TITLE + height + 1
            if i == 0 or not shared:
                label = f"frame {time}" if j == 0 else f"{time}"
                draw.text((x + width // 2, at), label, _FAINT, _font(11), anchor="ma")
    return np.asarray(sheet)


def _times(length: int, columns: int) -> list[int]:
    """Up to ``columns`` different frames from the first to the last, evenly far apart."""
    return sorted({round(t) for t in np.linspace(0, length - 1, min(columns, length)).tolist()})


def _fitted(name: str, width: int) -> str:
    """The end of a name that fits: names differ at their ends."""
    font, shown = _font(13), name
    while font.getlength(shown) > width and len(shown) > 2:
        shown = "…" + shown[2:]
    return shown


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's built-in font."""
    return ImageFont.load_default(size)
