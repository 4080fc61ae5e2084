from __future__ import annotations

import numpy as np
import pytest

from farframe.data.contact_sheet import CELL, contact_sheet
from farframe.worlds.shapes import ShapesSource


def coloured(count: int, size: int = 32) -> np.ndarray:
    """Frame i has the grey level 10 i everywhere."""
    levels = (10 * np.arange(count)).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, 3, size, size)).copy()


def levels_in(sheet: np.ndarray) -> set[int]:
    """Grey levels that cover at least a whole cell."""
    values, counts = np.unique(sheet[(sheet == sheet[..., :1]).all(2)][:, 0], return_counts=True)
    return {int(v) for v, n in zip(values, counts, strict=True) if n >= 0.9 * CELL**2}


def test_columns_go_from_the_first_frame_to_the_last() -> None:
    sheet = contact_sheet([("one", coloured(21))], 5)
    assert sheet.dtype == np.uint8
    assert levels_in(sheet) == {0, 50, 100, 150, 200, 255}


def test_a_short_clip_shows_each_of_its_frames_once() -> None:
    assert levels_in(contact_sheet([("one", coloured(3))], 8)) == {0, 10, 20, 255}
    assert levels_in(contact_sheet([("one", coloured(1))], 8)) == {0, 255}


def test_every_clip_has_a_row_and_sizes_may_differ() -> None:
    small = contact_sheet([("a", coloured(9)), ("b", coloured(9))], 3)
    large = contact_sheet([("a", coloured(9)), ("b", coloured(9, 128)), ("c", coloured(4))], 3)
    assert large.shape[0] > 1.4 * small.shape[0]
    assert large.shape[1] > small.shape[1]


@pytest.mark.parametrize("name", ["", "short", "a very long name " * 40, "äöü 東京.mp4"])
def test_any_name_fits_and_is_written(name: str) -> None:
    blank = contact_sheet([("", coloured(9))], 3)
    sheet = contact_sheet([(name, coloured(9))], 3)
    assert sheet.shape == blank.shape
    assert np.array_equal(sheet, blank) == (not name)
    assert (sheet[:, :8] == 255).all()
    assert (sheet[:, -8:] == 255).all()


def test_real_clips_are_seen() -> None:
    source = ShapesSource(clips=3, length=30, frame_size=64, seed=1)
    rows = [(f"shapes {i}", source.read(i, range(30)).frames) for i in range(3)]
    assert len(np.unique(contact_sheet(rows, 6).reshape(-1, 3), axis=0)) > 20
