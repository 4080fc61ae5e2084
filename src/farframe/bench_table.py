"""A benchmark as tables."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from farframe.bench import BenchReport, Spread


def drawn(report: BenchReport) -> Iterator[RenderableType]:
    """Everything of a report, part after part."""
    if report.comparisons:
        yield _comparisons(report)
    if report.drawing is not None:
        times = _shown(report.drawing)
        yield Text(f"drawing a frame costs {times} times what rolling out its encoding does")
    if report.peak is not None:
        yield from _machine(report)
    if report.loading:
        sheet = _sheet("frames/s read", "by itself", "1 worker", "2 workers")
        for kind in report.loading:
            rates = kind.alone, kind.one_worker, kind.two_workers
            sheet.add_row(kind.source, *(f"{rate:,.0f}" for rate in rates))
        yield sheet
    if report.starts:
        sheet = _sheet("from start to end", "seconds", "MB")
        for start in report.starts:
            sheet.add_row(start.command, f"{start.seconds:.2f}", f"{start.megabytes:,.0f}")
        yield sheet
    if report.scaling:
        sheet = _sheet("what grows", "clips", "frames", "width", "pixels", "seconds", "MB")
        for i, row in enumerate(report.scaling):
            if i == 0 or (row.work, row.axis) != (
                report.scaling[i - 1].work,
                report.scaling[i - 1].axis,
            ):
                sheet.add_section()
            size = row.size
            numbers = size.clips, size.frames, size.width, size.side
            cells = [*map(str, numbers), f"{row.seconds:.3g}", f"{row.megabytes:,.0f}"]
            sheet.add_row(f"{row.work} by {row.axis}", *cells)
        yield sheet
    machine = report.machine
    yield Text(
        f"{machine.device}, {machine.threads} thread(s), torch {machine.torch}, load average "
        f"{machine.load_before:.2f} before and {machine.load_after:.2f} after; at most "
        f"{report.megabytes:,.0f} MB"
    )


def _comparisons(report: BenchReport) -> Table:
    model = report.model
    title = f"random weights, {model.frame_size} pixels, width {model.width}; medians "
    sheet = Table("", title=f"{title}(lowest-highest)", title_justify="left", show_edge=False)
    for name in ("seconds", "times faster", "differs"):
        sheet.add_column(name, justify="right")
    for comparison in report.comparisons:
        sheet.add_section()
        sheet.add_row(f"[bold]{comparison.title}[/bold]")
        for i, timing in enumerate(comparison.timings):
            faster = _shown(timing.speedup) if i else "yardstick"
            differs = "" if timing.difference is None else f"{timing.difference:.0e}"
            sheet.add_row(f" {timing.way}", _shown(timing.seconds), faster, differs)
    return sheet


def _machine(report: BenchReport) -> Iterator[RenderableType]:
    peak = report.peak
    assert peak is not None
    yield Text(
        f"peak, GFLOP/s: product {peak.matmul:.0f}, convolution {peak.convolution:.0f}, its "
        f"training {peak.convolution_training:.0f}"
    )
    sheet = _sheet("part", "GFLOP", "seconds", "of the peak")
    for share in report.shares:
        row = f"{share.gigaflops:,.0f}", f"{share.seconds:.3g}", f"{share.share:.0%}"
        sheet.add_row(share.part, *row)
    yield sheet


def _sheet(first: str, *others: str) -> Table:
    sheet = Table(first, show_edge=False)
    for name in others:
        sheet.add_column(name, justify="right")
    return sheet


def _shown(spread: Spread) -> str:
    return f"{spread.median:.3g} ({spread.low:.3g}-{spread.high:.3g})"
