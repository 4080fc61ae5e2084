"""What a training tells the person who waits for it."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

PLAIN_SECONDS = 10.0  # between lines where there is no terminal to draw a bar on


class Reporter:
    """Receives all that a training says; this one keeps silent."""

    listens: bool = False
    """Whether to work out what is only told: the memory that a run will take."""

    def line(self, text: str) -> None:
        """Say something once."""

    def begin(self, done: int, total: int) -> None:
        """The first step is about to be taken, after ``done`` of ``total``."""

    def step(self, done: int) -> None:
        """Called after every step; must not take time."""

    def numbers(self, done: int, values: Mapping[str, float]) -> None:
        """Losses, learning rates and speed, now and then."""

    def close(self) -> None:
        """Called once, however training ends."""


class ConsoleReporter(Reporter):
    """A progress bar on a terminal; elsewhere (files, pipes) a plain line every ten seconds."""

    listens = True

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._total = 0
        self._last_line = 0.0

    def line(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def begin(self, done: int, total: int) -> None:
        """Start the bar."""
        self._total = total
        if not self._console.is_terminal:
            return
        self._progress = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=self._console,
            refresh_per_second=4,
        )
        self._task = self._progress.add_task("", total=total, completed=done)
        self._progress.start()

    def step(self, done: int) -> None:
        """Move the bar."""
        if self._progress is not None:
            self._progress.update(self._task, completed=done)

    def numbers(self, done: int, values: Mapping[str, float]) -> None:
        """Show losses and speed."""
        speed = values.get("speed/frames_per_second", 0.0)
        losses = [(k.removeprefix("loss/"), v) for k, v in values.items() if k.startswith("loss/")]
        text = "  ".join([*(f"{name} {value:.4g}" for name, value in losses), f"{speed:,.0f} f/s"])
        if self._progress is not None:
            self._progress.update(self._task, description=text)
            return
        now = time.monotonic()
        if now - self._last_line >= PLAIN_SECONDS or done >= self._total:
            self._last_line = now
            rate = values.get("speed/steps_per_second", 0.0)
            left = f"  {_duration((self._total - done) / rate)} left" if rate > 0 else ""
            self.line(f"step {done}/{self._total}  {text}{left}")

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _duration(seconds: float) -> str:
    """Seconds as 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
