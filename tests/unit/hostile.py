"""Files that say anything at all: values exchanged and bytes damaged, as Hypothesis draws them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st


def cases(number: int) -> Callable[[Any], Any]:
    """So many cases, the same ones each time."""
    return settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**400, 1e308, -0.0]),
    st.floats(allow_subnormal=False),  # a training before may have had them flushed to zero
    st.text(max_size=8),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)
"""Values that JSON can hold and few fields want."""


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a nested value anything stands, the inside of long lists left out."""
    found = [path] if path else []
    inner = value.items() if isinstance(value, dict) else enumerate(value[:3])
    for key, child in inner if isinstance(value, (dict, list)) else ():
        found += places(child, (*path, key)) if isinstance(child, (dict, list)) else [(*path, key)]
    return found


@st.composite
def altered(draw: st.DrawFn, whole: Any) -> Any:
    """``whole`` with one to three of its parts exchanged, removed or doubled under another name."""
    value = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        where = places(value)
        if not where:
            break
        *path, last = draw(st.sampled_from(where))
        target = value
        for key in path:
            target = target[key]
        match draw(st.sampled_from(["other", "other", "gone", "more"])):
            case "other":
                target[last] = draw(ODD)
            case "gone":
                del target[last]
            case _ if isinstance(target, dict):
                target[draw(st.text(max_size=6))] = draw(ODD)
            case _:
                target.append(draw(ODD))
    return value


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """``whole`` with some bytes exchanged, removed or put in."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.sampled_from(["flip", "cut", "insert", "end"])):
            case "flip":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del data[at : at + draw(st.integers(1, 40))]
            case "insert":
                data[at:at] = draw(st.binary(max_size=12))
            case _:
                del data[at:]
    return bytes(data)


def one_line(error: Exception, named: str = "") -> None:
    assert str(error)
    assert named in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 2000
