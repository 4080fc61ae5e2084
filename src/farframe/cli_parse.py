"""Words into values by tyro, which also writes the help; its boxes of errors become one line."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence
from typing import TypeVar

import tyro
from tyro.conf import AvoidSubcommands, FlagCreatePairsOff

from farframe.cli_words import UsageError, unknown

T = TypeVar("T")

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_RULE = re.compile(r"[─-]{8,}")
_WHERE = re.compile(r"^error parsing [a-z]+: ")  # the section, whose flags say it already


def parse(kind: type[T], args: Sequence[str], prog: str, default: T | None = None) -> T:
    """A ``kind`` from ``args``.

    Raises:
        UsageError: if they can't be read as one.
        SystemExit: with code 0, after printing the help that they ask for.
    """
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            return _tyro(kind, args, prog, default)
    except SystemExit as stop:
        if not stop.code:
            raise
    known = _flags(kind, prog, default)
    for token in args:
        name = token.partition("=")[0].replace("_", "-")
        if token.startswith("--") and len(token) > 2 and name not in known:
            raise UsageError(f"{unknown('option', name, known)} (see {prog} --help)")
    raise UsageError(f"{_one_line(errors.getvalue())} (see {prog} --help)")


def _tyro(kind: type[T], args: Sequence[str], prog: str, default: T | None) -> T:
    if default is None:
        return tyro.cli(kind, args=list(args), prog=prog, config=(FlagCreatePairsOff,))
    return tyro.cli(kind, args=list(args), prog=prog, config=(AvoidSubcommands,), default=default)


def _flags(kind: type[T], prog: str, default: T | None) -> list[str]:
    """All flags, from the first column of the help."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        _tyro(kind, ["--help"], prog, default)
    columns = re.findall(r"^\W (-\S.*?)(?:  |$)", _ANSI.sub("", text.getvalue()), re.MULTILINE)
    return [flag for column in columns for flag in re.findall(r"--\w[\w.-]*", column)]


def _one_line(box: str) -> str:
    """The message of a box of tyro's, without title, frame and the hints below the message.

    Where stdout can't show lines, the frame is of spaces and a rule follows the title.
    """
    lines = [line[2:].rstrip(" │") for line in _ANSI.sub("", box).splitlines()[1:]]
    rules = [i for i, line in enumerate(lines) if _RULE.match(line)]
    first = 1 if rules[:1] == [0] else 0
    body = lines[first : next((i for i in rules if i >= first), len(lines))]
    needed = [line.split()[0] for line in body if re.match(r" {4}\S", line)]
    if needed and body[0].startswith("Missing from"):
        return f"missing: {', '.join(needed)}"
    text = " ".join(" ".join(body).split()).rstrip(".")
    return _WHERE.sub("", text[:1].lower() + text[1:])
