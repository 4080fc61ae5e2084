"""RUN, or --model NAME: which model a command is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from farframe.cli_words import UsageError, option
from farframe.pretrained.names import PLANNED, folder_of, offered

T = TypeVar("T")


def with_run(args: Sequence[str], parse: Callable[[Sequence[str]], T]) -> T:
    """What ``parse`` makes of arguments in which --model NAME may stand for RUN.

    The model's folder becomes the first positional argument.

    Raises:
        UsageError: for a name that no model has, RUN and --model together, or neither.
    """
    name = option(args, "--model")
    if name is None:
        return _explained(args, parse)
    folder = folder_of(name)
    try:
        return parse([str(folder), *args])
    except UsageError as error:
        if _readable(args, parse):
            raise UsageError(
                f"RUN and --model {name} are both given: leave out one of them"
            ) from None
        raise error


def _explained(args: Sequence[str], parse: Callable[[Sequence[str]], T]) -> T:
    try:
        return parse(args)
    except UsageError as error:
        text = str(error)
        if not text.startswith("missing: ") or not {"RUN", "INPUT"} & set(_words(text)):
            raise
        names = "|".join(dict.fromkeys((*offered(), *PLANNED)))
        way_out = f"RUN is a trained run's folder; --model {names} in its place is a model that"
        raise UsageError(f"{text}; {way_out} comes with farframe") from None


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _readable(args: Sequence[str], parse: Callable[[Sequence[str]], object]) -> bool:
    try:
        parse(args)
    except UsageError:
        return False
    return True
