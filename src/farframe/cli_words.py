"""The words of a command line, right and wrong. No torch: a mistyped verb is told at once."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence


class UsageError(ValueError):
    """A command line that can't be meant: one line, with the way out."""


def option(args: Sequence[str], name: str) -> str | None:
    """The value that ``args`` give an option, the last one if it is given twice."""
    value = None
    for i, token in enumerate(args):
        word, equals, text = token.partition("=")
        if word.replace("_", "-") != name:
            continue
        if equals:
            value = text
        elif i + 1 < len(args):
            value = args[i + 1]
    return value


def unknown(what: str, name: str, known: Collection[str]) -> str:
    """Complain about a name: the nearest known one, or all of them if none is near."""
    bare = {k.lstrip("-"): k for k in known}  # dashes are no likeness
    wrong = name.lstrip("-")
    ends = [k for k in bare if k.rpartition(".")[2] == wrong]
    near = ends[:1] or difflib.get_close_matches(wrong, list(bare), 1)
    if near:
        return f"unknown {what} {name!r}: is {bare[near[0]]} meant?"
    few = f": must be one of {', '.join(known)}" if len(known) <= 12 else ""
    return f"unknown {what} {name!r}{few}"


def take_positional(args: list[str]) -> str | None:
    """Remove and return the first word that is neither an option nor an option's value."""
    for i, word in enumerate(args):
        before = args[i - 1] if i else "--resume"
        if not word.startswith("-") and (not before.startswith("--") or before == "--resume"):
            return args.pop(i)
    return None
