"""Arrays to things people can watch: mp4, GIF and PNG files, borders, panels and strips.

Pictures here are uint8 RGB arrays "t h w 3", the order that encoders and image files want;
``pictures`` makes them from the frames "t c h w" of everywhere else. Files are written under a
temporary name beside the final one and renamed, so that no half file is ever seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Shaped, UInt8
from PIL import Image, ImageDraw, ImageFont

from farframe.atomic import replacing
from farframe.video_encoder import PLAYABLE, encode, frame_rate

GIVEN, PREDICTED = (0, 170, 60), (225, 30, 40)
"""Border colours: green while frames are given, red once they are predicted."""

_PAGE, _BLANK, _INK = (255, 255, 255), (232, 232, 232), (40, 40, 40)
_GAP = 6


def to_uint8(frames: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Values in [0, 1] as bytes: clamped, scaled by 255 and rounded; the shape stays.

    Raises:
        ValueError: if a value is not finite, which no picture could show.
    """
    if not np.isfinite(frames).all():
        raise ValueError(
            "frames hold values that are not finite, so no picture can be made of them"
        )
    return np.rint(np.clip(frames, 0.0, 1.0) * 255.0).astype(np.uint8)


def pictures(frames: Shaped[np.ndarray, "t c h w"]) -> UInt8[np.ndarray, "t h w 3"]:
    """Frames or masks (c = 1 or 3; uint8, or float in [0, 1]) as RGB pictures."""
    data = frames if frames.dtype == np.uint8 else to_uint8(frames)
    if data.shape[1] == 1:
        data = data.repeat(3, 1)
    return np.ascontiguousarray(data.transpose(0, 2, 3, 1))


def enlarge(
    frames: UInt8[np.ndarray, "t h w 3"], least: int = 256
) -> UInt8[np.ndarray, "t h2 w2 3"]:
    """Repeat every pixel so often that the shorter side has ``least`` pixels or more."""
    factor = max(1, math.ceil(least / min(frames.shape[1:3])))
    return frames.repeat(factor, 1).repeat(factor, 2)


def bordered(
    frames: UInt8[np.ndarray, "t h w 3"],
    context: int | Bool[np.ndarray, " t"],
    thickness: int = 4,
) -> UInt8[np.ndarray, "t h2 w2 3"]:
    """Add a border around each picture: green where it is given, red where it is predicted.

    ``context`` is the number of given frames at the start, or true for every given frame. The
    border lies outside of the picture and hides none of its pixels.
    """
    count = len(frames)
    given = np.arange(count) < context if isinstance(context, int) else context
    assert len(given) == count, f"{len(given)} marks for {count} pictures"
    colours = np.where(given[:, None], GIVEN, PREDICTED).astype(np.uint8)
    out = np.broadcast_to(
        colours[:, None, None],
        (count, frames.shape[1] + 2 * thickness, frames.shape[2] + 2 * thickness, 3),
    ).copy()
    out[:, thickness:-thickness, thickness:-thickness] = frames
    return out


def beside(
    panels: Mapping[str, UInt8[np.ndarray, "t h w 3"]], columns: int = 0
) -> UInt8[np.ndarray, "t h2 w2 3"]:
    """Videos of one size in a grid of ``columns`` (0: one row), each under its name."""
    columns = columns or len(panels)
    cells: list[np.ndarray] = []
    for name, panel in panels.items():
        count, height, width = panel.shape[:3]
        caption = _caption(name, width, 16)
        cell = np.empty((count, height + 16 + _GAP, width + _GAP, 3), np.uint8)
        cell[:] = _PAGE
        cell[:, :16, :width] = caption
        cell[:, 16 : 16 + height, :width] = panel
        cells.append(cell)
    if missing := -len(cells) % columns:
        cells += [np.full_like(cells[0], _PAGE[0])] * missing
    rows = [np.concatenate(cells[i : i + columns], 2) for i in range(0, len(cells), columns)]
    return np.concatenate(rows, 1)[:, :-_GAP, :-_GAP]


def comparison(
    truth: Shaped[np.ndarray, "t c h w"],
    prediction: Shaped[np.ndarray, "n c h w"],
    mask: Shaped[np.ndarray, "n 1 h w"] | None,
    context: int,
    least: int = 128,
) -> UInt8[np.ndarray, "t h2 w2 3"]:
    """Panels truth | prediction | mask | error, bordered by what is given and what is predicted.

    Frames are uint8 or float in [0, 1] (float is clamped). The ``n <= t`` predictions belong to
    the last ``n`` frames of ``truth``; before them the prediction panel shows the given frame and
    the mask is black. ``error`` is the mean absolute difference over channels: black is right.
    Where there is no mask, its panel is left out.
    """
    shown = panels(truth, prediction, mask)
    return beside({n: bordered(enlarge(p, least), context) for n, p in shown.items()})


def panels(
    truth: Shaped[np.ndarray, "t c h w"],
    prediction: Shaped[np.ndarray, "n c h w"],
    mask: Shaped[np.ndarray, "n 1 h w"] | None,
) -> dict[str, UInt8[np.ndarray, "t h w 3"]]:
    """What ``comparison`` shows, panel by panel, at its own size and without borders."""
    lead = len(truth) - len(prediction)
    assert lead >= 0, f"{len(prediction)} predictions for {len(truth)} true frames"
    true = pictures(truth)
    drawn = np.concatenate((true[:lead], pictures(prediction)))
    error = np.abs(true.astype(np.int16) - drawn).mean(3, keepdims=True)
    shown = {"truth": true, "prediction": drawn}
    if mask is not None:
        shown["mask"] = np.concatenate((np.zeros_like(true[:lead]), pictures(mask)))
    shown["error"] = np.rint(error).astype(np.uint8).repeat(3, 3)
    return shown


def strip(
    rows: Mapping[str, Sequence[UInt8[np.ndarray, "h w 3"] | None]],
    times: Sequence[int],
    least: int = 96,
    heads: Sequence[str] = (),
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """One picture of a prediction: a named row for each of ``rows``, a column for each time.

    ``times`` count frames from the end of the context as everywhere: 1 is the first predicted
    frame, 0 the last given one, bordered green like all before it. Where a row has ``None``
    nothing is known and the cell stays empty. ``heads`` are the columns' titles, if not the times.
    """
    given = np.asarray(times) <= 0
    size = next(cell.shape for row in rows.values() for cell in row if cell is not None)
    margin = max(math.ceil(_font().getlength(name)) for name in (*rows, "frame"))
    lines: list[np.ndarray] = []
    for name, row in rows.items():
        assert len(row) == len(times), f"row {name}: {len(row)} cells for {len(times)} times"
        cells = np.stack([np.full(size, _BLANK, np.uint8) if x is None else x for x in row])
        framed = bordered(enlarge(cells, least), given, 3)
        framed[[cell is None for cell in row]] = _BLANK
        lines.append(_joined([_caption(name, margin, framed.shape[1]), *framed], axis=1))
    width = (lines[0].shape[1] - margin) // len(times) - _GAP
    titles = heads or [f"{t:+d}" if t else "0" for t in times]
    top = [_caption("frame", margin, 16), *(_caption(title, width, 16) for title in titles)]
    sheet = _joined([_joined(top, axis=1), *lines], axis=0)
    return np.pad(sheet, ((_GAP, _GAP), (_GAP, _GAP), (0, 0)), constant_values=_PAGE[0])


def write_video(path: Path, frames: Iterable[UInt8[np.ndarray, "h w 3"]], fps: float) -> None:
    """Write an mp4 that browsers play: H.264, yuv420p, BT.709, index at the front of the file.

    ``frames`` may be an array "t h w 3" or anything that yields pictures, so that a long video
    never has to exist in memory at once. Odd heights and widths, which yuv420p can't hold, grow
    by one repeated row or column. ``fps`` may be fractional.

    Raises:
        ValueError: if there are no frames, ``fps`` isn't positive, or ``path`` isn't a .mp4.
    """
    frame_rate(fps)
    rest = iter(frames)
    first = _first(rest, path)
    with _named(path, ".mp4") as temporary:
        encode(temporary, map(_even, chain([first], rest)), fps, PLAYABLE)


def write_gif(path: Path, frames: Iterable[UInt8[np.ndarray, "h w 3"]], fps: float) -> None:
    """Write an endlessly repeating GIF.

    GIF counts time in hundredths of a second and viewers slow down what is shown for less than
    two of them: frame times are rounded so that errors don't add up, and above 50 frames/s only
    every second (third, ...) frame is kept.

    Raises:
        ValueError: if there are no frames, ``fps`` isn't positive, or ``path`` isn't a .gif.
    """
    rate = frame_rate(fps)
    step = math.ceil(rate / 50)
    rest = iter(frames)
    kept = [_first(rest, path), *(x for i, x in enumerate(rest, 1) if i % step == 0)]
    ticks = [round(i * step * 100 / rate) for i in range(len(kept) + 1)]
    images = [Image.fromarray(picture) for picture in kept]
    with _named(path, ".gif") as temporary:
        images[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=images[1:],
            duration=[10 * (b - a) for a, b in pairwise(ticks)],
            loop=0,
        )


def write_png(path: Path, picture: UInt8[np.ndarray, "h w 3"]) -> None:
    """Write one picture as PNG.

    Raises:
        ValueError: if ``path`` isn't a .png.
    """
    with _named(path, ".png") as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")


def _named(path: Path, suffix: str) -> AbstractContextManager[Path]:
    """``replacing``, for a file of the right kind."""
    if path.suffix.lower() != suffix:
        raise ValueError(f"{path}: the file's name must end in {suffix}")
    return replacing(path)


def _first(frames: Iterator[np.ndarray], path: Path) -> np.ndarray:
    """Take the first picture, which tells the size."""
    for picture in frames:
        return picture
    raise ValueError(f"{path}: there are no frames to write")


def _even(picture: np.ndarray) -> np.ndarray:
    """Repeat the last row and column where their number is odd."""
    height, width = picture.shape[:2]
    if height % 2 or width % 2:
        return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(picture)


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's built-in font."""
    return ImageFont.load_default(13)


@cache
def _caption(text: str, width: int, height: int) -> UInt8[np.ndarray, "h w 3"]:
    """Text in the middle of a white rectangle."""
    image = Image.new("RGB", (width, height), _PAGE)
    ImageDraw.Draw(image).text((width / 2, height / 2), text, _INK, _font(), anchor="mm")
    return np.asarray(image)


def _joined(tiles: Sequence[np.ndarray], axis: int) -> UInt8[np.ndarray, "h w 3"]:
    """Tiles side by side along ``axis`` with gaps of page colour between them."""
    gap = [(0, 0)] * 3
    gap[axis] = (0, _GAP)
    spaced = [np.pad(tile, gap, constant_values=_PAGE[0]) for tile in tiles[:-1]]
    return np.concatenate([*spaced, tiles[-1]], axis)
