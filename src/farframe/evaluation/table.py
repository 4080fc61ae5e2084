"""The numbers of an evaluation as rows: single frames first, then means over ranges of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from farframe.evaluation.evaluate import Evaluation

STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Frames after the context that a table shows."""
RANGES = ((1, 5), (6, 20), (1, 20), (21, 100), (101, 1000))
"""First and last frames of the ranges over which it shows means."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table: a frame after the context, or the mean over a range of frames."""

    frames: str
    psnr: float
    psnr_copy_last: float
    ssim: float
    ssim_copy_last: float


def table(evaluation: Evaluation) -> tuple[Row, ...]:
    """Single frames first, then means over ranges, then the mean over the whole horizon."""
    horizon = evaluation.horizon
    steps = [step for step in STEPS if step < horizon] + [horizon]
    spans = [(first, min(last, horizon)) for first, last in (*RANGES, (1, horizon))]
    cuts = [(k, k) for k in steps] + [(first, last) for first, last in spans if first < last]
    return tuple(_row(evaluation, first, last) for first, last in dict.fromkeys(cuts))


def _row(evaluation: Evaluation, first: int, last: int) -> Row:
    chosen = slice(first - 1, last)
    return Row(
        frames=str(first) if first == last else f"mean {first}-{last}",
        psnr=float(evaluation.psnr[chosen].mean()),
        psnr_copy_last=float(evaluation.psnr_copy_last[chosen].mean()),
        ssim=float(evaluation.ssim[chosen].mean()),
        ssim_copy_last=float(evaluation.ssim_copy_last[chosen].mean()),
    )


def drawn(rows: Sequence[Row], title: str) -> Table:
    """The rows as rich draws them."""
    sheet = Table(title=title, title_justify="left")
    sheet.add_column("frame after context")
    for name in ("PSNR (dB)", "copy last", "gain", "SSIM", "copy last"):
        sheet.add_column(name, justify="right")
    for row in rows:
        sheet.add_row(
            row.frames,
            f"{row.psnr:.2f}",
            f"{row.psnr_copy_last:.2f}",
            f"{row.psnr - row.psnr_copy_last:+.2f}",
            f"{row.ssim:.3f}",
            f"{row.ssim_copy_last:.3f}",
        )
    return sheet
