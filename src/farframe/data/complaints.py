"""What reading has to complain of, listened to instead of shown."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager


class _Ear(logging.Handler):
    """Keeps warnings and passes on the rest."""

    def __init__(self, others: list[logging.Handler]) -> None:
        super().__init__()
        self.heard: list[str] = []
        self._others = others

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self.heard.append(record.getMessage())
            return
        for handler in self._others:
            handler.handle(record)


@contextmanager
def listening() -> Generator[list[str]]:
    """Give the list that the package's warnings are added to, in place of being shown.

    Sources warn of files and records that they leave out, each in a line of its own words.
    """
    logger = logging.getLogger("farframe")
    before = logger.handlers
    ear = _Ear(before)
    logger.handlers = [ear]
    try:
        yield ear.heard
    finally:
        logger.handlers = before
