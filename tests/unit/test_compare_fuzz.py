"""Evaluations that say anything at all, given to `farframe compare`: one line, or a table."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from hostile import altered, cases, damaged, one_line
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table
from test_compare import stored

from farframe.evaluation.compare import Stored, compare, read_evaluation

WHOLE = stored("runs/a", 24.0)
FEW = WHOLE | {"table": WHOLE["table"][:1]}  # so that most of what is changed lies elsewhere


@pytest.fixture(scope="module")
def sane(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    path = tmp_path_factory.mktemp("sane") / "evaluation.json"
    path.write_text(json.dumps(WHOLE))
    return read_evaluation(path)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "evaluation.json"


def show(things: Iterable[Table | str]) -> None:
    """As the command line does."""
    console = Console(width=150, file=io.StringIO())
    for thing in things:
        if isinstance(thing, str):
            thing.encode()
        else:
            console.print(thing)


def check(path: Path, content: bytes, sane: Stored) -> bool:
    """Whether what was given is believed; it must be refused or compared in good order."""
    path.write_bytes(content)
    try:
        found = read_evaluation(path)
    except ValueError as error:
        one_line(error, str(path))
        return False
    show(compare([found, found]))
    try:
        show(compare([sane, found]))
    except ValueError as error:
        one_line(error, f"{sane.path} and {path} are not of one protocol")
    return True


@cases(300)
@given(
    st.one_of(
        altered(WHOLE).map(lambda value: json.dumps(value).encode()),
        altered(FEW).map(lambda value: json.dumps(value).encode()),
        altered(WHOLE["card"]).map(lambda card: json.dumps(WHOLE | {"card": card}).encode()),
        damaged(json.dumps(FEW).encode()),
        st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")),
    )
)
def test_anything(file: Path, sane: Stored, content: bytes) -> None:
    check(file, content, sane)


def deep(depth: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(depth):
        value = {"x": value}
    return value


@pytest.mark.parametrize(
    ("change", "believed"),
    [
        ({"format": 1}, True),
        ({"made": {"run": "[/bold] \x1b[31m\ud800\n[red]", "step": 3}}, True),
        ({"\x1b[2J\n": 3}, True),
        ({"seed": "\ud800" * 50}, True),
        ({"seed": [10**4000]}, True),
        ({"data": {"ids": ""} | deep(20)}, True),
        ({"data": {"ids": ""} | deep(100)}, False),
        ({"horizon": 10**400}, False),
        ({"horizon": True}, False),
        ({"horizon": 0}, False),
        ({"made": {"run": "x", "step": 1e300}}, False),
        ({"features": []}, False),
    ],
)
def test_cards(change: dict[str, object], believed: bool, file: Path, sane: Stored) -> None:
    card = WHOLE["card"] | change
    assert check(file, json.dumps(WHOLE | {"card": card}).encode(), sane) == believed


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe{}",
        b"\x00" * 100,
        json.dumps(WHOLE).encode()[:-9],
        json.dumps(WHOLE).replace("24.0", "NaN").encode(),
        json.dumps(WHOLE).replace("24.0", "1e999").encode(),
        json.dumps(WHOLE).replace("24.0", "1" * 400).encode(),
        json.dumps(WHOLE).replace("mean 1-20", "[/bold]\\ud800").encode(),
        b'{"card":' * 100_000,
    ],
    ids=["empty", "utf-16", "zeros", "torn", "nan", "infinite", "huge", "surrogate", "deep"],
)
def test_files(content: bytes, file: Path, sane: Stored) -> None:
    assert not check(file, content, sane)
