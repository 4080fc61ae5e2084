"""Configurations out of JSON: every key known, every value of exactly the declared type."""

from __future__ import annotations

import difflib
import json
import math
from dataclasses import fields
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from farframe.config import check

T = TypeVar("T")


def parse_json(text: str) -> object:
    """What JSON text holds.

    Raises:
        ValueError: if it is none, or holds NaN or infinities.
    """

    def refuse(constant: str) -> object:
        raise ValueError(f"{constant} is not a number that a run can have")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None


def mapping(values: object, where: str) -> dict[str, Any]:
    """``values`` if it is a JSON object."""
    if not isinstance(values, dict):
        raise ValueError(f"{where} is {values!r:.40}: must be a JSON object")
    return cast(dict[str, Any], values)


ADDED = frozenset(
    {"model.decoder_first_frame", "model.anchor_frame", "model.encoder_layers"}
    | {"train.fresh_predictor", "mode.lpips_weight", "mode.pose_size"}
    | {f"train.{name}" for name in ("memory_limit", "micro_batch_size", "activation_checkpointing")}
)
"""Fields that runs of an earlier farframe lack: their defaults are what it did."""


def with_keys(values: object, names: list[str], where: str) -> dict[str, Any]:
    """``values`` if it has the keys ``names``, but for those added since, and no others."""
    given = mapping(values, where or "the run")
    dot = f"{where}." if where else ""
    for key in given:
        if key not in names:
            near = difflib.get_close_matches(key, names, 1)
            shown = key if key.isprintable() else repr(key)
            raise ValueError(
                f"unknown key {dot}{shown}" + (f": is {dot}{near[0]} meant?" if near else "")
            )
    missing = [dot + name for name in names if name not in given]
    if missing := [name for name in missing if name not in ADDED]:
        raise ValueError(f"missing key {', '.join(missing)}")
    return given


def decode(cls: type[T], values: object, where: str) -> T:
    """A dataclass from a mapping, every value of exactly the declared type."""
    names = [f.name for f in fields(cast(Any, cls))]
    given = with_keys(values, names, where)
    hints = get_type_hints(cls)
    there = [name for name in names if name in given]
    found = {name: typed(hints[name], given[name], f"{where}.{name}") for name in there}
    return cls(**found)


def typed(hint: Any, value: object, key: str) -> Any:
    """``value`` if it is a ``hint``: bool, int, float (also written as 1), str or Literal."""
    if get_origin(hint) is Literal:
        allowed = get_args(hint)
        check(value in allowed, key, value, f"must be one of {', '.join(map(str, allowed))}")
        return value
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is float and number and _representable(cast("int | float", value)):
        return float(cast(float, value))
    fits = isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
    check(fits and hint is not float, key, value, f"must be a {hint.__name__}")
    return value


def _representable(number: int | float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer of hundreds of digits
        return False
