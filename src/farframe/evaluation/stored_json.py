"""The JSON of an evaluation: as it is written, and read without believing it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from farframe.atomic import replacing
from farframe.evaluation.card import FORMAT, MADE, OPTIONAL
from farframe.evaluation.quantities import SUBJECTS

_DEEPEST = 32  # objects and lists within each other; farframe writes six
_LARGEST = 10**12  # of steps and frames
_NUMBERS = re.compile(r"\[\n((?:null|[-+.,\deE\s])+?)\n *\]")  # no string has a line's end in it


def json_text(content: Mapping[str, Any] | Sequence[Any]) -> str:
    """JSON for people, too: a list of numbers, a curve of a thousand frames say, takes one line.

    Raises:
        ValueError: if a value is not finite.
    """
    text = json.dumps(content, indent=1, allow_nan=False)
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def write_json(path: Path, content: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write ``json_text``, whole or not at all.

    Raises:
        ValueError: if a value is not finite.
        OSError: if the file can't be written.
    """
    text = json_text(content)
    with replacing(path) as partial:
        partial.write_text(text, "utf-8")


def parse_evaluation(text: str) -> dict[str, Any]:
    """What ``evaluation.json`` holds, in the form in which `farframe evaluate` writes it.

    Raises:
        ValueError: if it is no JSON, of another format, or a part is missing or of another type.
    """
    try:
        content = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        content = None
    if content is None or _depth(content) > _DEEPEST:
        raise ValueError(f"its parts lie more than {_DEEPEST} deep in each other")
    if not isinstance(content, dict) or "card" not in content:
        raise ValueError("it has no protocol card")
    known = cast("dict[str, Any]", content)
    _check_card(_object(known, "card", "the file"))
    rows = _of(known, "table", "the file", list)
    for number, row in enumerate(rows):
        _check_row(row, f"table[{number}]")
    first = _object(known, "confidence_horizon", "the file")
    for name in first:
        _check_name(name, "a name in confidence_horizon")
        _check_estimate(first, name, "confidence_horizon")
    distances = _object(known, "fvd", "the file")
    for number, distance in enumerate(_of(distances, "model", "fvd", list) if distances else ()):
        _check_number(distance, f"fvd.model[{number}]")
    for name, share in _object(known, "world", "the file").items():
        _check_name(name, "a name in world")
        _check_number(share, f"world.{name}")
    return known


def _check_card(card: Mapping[str, Any]) -> None:
    if card.get("format") != FORMAT:
        raise ValueError(f"its protocol card is not of format {FORMAT}")
    _check_count(card, "horizon", "card", least=1)
    _of(_object(card, "data", "card"), "ids", "card.data", str)
    for part in OPTIONAL:
        _object(card, part, "card")
    made = _object(card, MADE, "card")
    _of(made, "run", f"card.{MADE}", str)
    _check_count(made, "step", f"card.{MADE}", least=0)


def _check_row(row: object, where: str) -> None:
    if not isinstance(row, dict):
        raise ValueError(f"{where} is {row!r:.40}: must be an object")
    known = cast("dict[str, Any]", row)
    for name in ("quantity", "frames"):
        _check_name(_of(known, name, where, str), f"{where}.{name}")
    for subject in SUBJECTS.keys() & known.keys():
        _check_estimate(known, subject, where)


def _check_estimate(values: Mapping[str, Any], name: str, where: str) -> None:
    estimate, inside = _object(values, name, where), f"{where}.{name}"
    _check_number(_at(estimate, "mean", inside), f"{inside}.mean")
    for end in ("low", "high"):
        if _at(estimate, end, inside) is not None:
            _check_number(estimate[end], f"{inside}.{end}")


def _check_number(value: object, where: str) -> None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            if math.isfinite(value):
                return
        except OverflowError:  # an integer beyond all floats
            pass
    raise ValueError(f"{where} is {value!r:.40}: must be a finite number")


def _check_count(values: Mapping[str, Any], name: str, where: str, least: int) -> None:
    value = _of(values, name, where, int)
    if isinstance(value, bool) or not least <= value <= _LARGEST:
        raise ValueError(f"{where}.{name} is {value!r:.40}: must be from {least} to {_LARGEST:,}")


def _check_name(value: str, where: str) -> None:
    if not (value.isprintable() and 0 < len(value) <= 80):
        raise ValueError(f"{where} is {value!r:.40}: must be 1 to 80 printable characters")


def _object(values: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    return cast("dict[str, Any]", _of(values, name, where, dict))


def _of(values: Mapping[str, Any], name: str, where: str, kind: type) -> Any:
    value = _at(values, name, where)
    if not isinstance(value, kind):
        said = {dict: "an object", list: "a list", str: "text", int: "a whole number"}[kind]
        raise ValueError(f"{where}.{name} is {value!r:.40}: must be {said}")
    return value


def _at(values: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in values:
        raise ValueError(f"{where} has no {name!r:.40}")
    return values[name]


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not a number that was measured")


def _depth(value: object) -> int:
    """How deep objects and lists lie in each other, without recursion."""
    depth, level = 0, [value]
    while level := [x for x in level if isinstance(x, (dict, list))]:
        depth += 1
        level = [
            inner
            for outer in cast("list[Any]", level)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return depth
