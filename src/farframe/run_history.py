"""What stored runs of earlier versions don't say yet, and what it was then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

ADDED: Mapping[str, Mapping[str, Any]] = {"model": {"decoder_first_frame": "seen"}}
"""Fields that are newer than format 1, by section, with what runs before them did."""


def completed(run: object) -> object:
    """A stored run with the fields that did not exist yet when it was written.

    What is no run at all comes back as it is: ``RunConfig.from_dict`` says what is wrong with it.
    """
    if not isinstance(run, dict):
        return run
    values = cast(dict[str, Any], run)
    return {name: _section(part, ADDED.get(name, {})) for name, part in values.items()}


def _section(part: object, added: Mapping[str, Any]) -> object:
    return {**added, **cast(dict[str, Any], part)} if isinstance(part, dict) else part
