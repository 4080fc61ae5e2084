"""The text of an evaluation's JSON: the same content, and readable."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farframe.evaluation.stored_json import json_text

FLOATS = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)  # torch's mode
NUMBERS = st.none() | st.integers() | FLOATS
CONTENT = st.recursive(
    NUMBERS | st.booleans() | st.text() | st.sampled_from(["[ 1 ]", "[\n1\n]", "[\\n 1,\\n 2\\n]"]),
    lambda inner: st.lists(inner) | st.lists(NUMBERS) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(st.dictionaries(st.text(), CONTENT))
def test_it_says_the_same(content: dict[str, object]) -> None:
    assert json.loads(json_text(content)) == content


def test_a_list_of_numbers_takes_one_line() -> None:
    curve = [1.5, -2e-07, None, 3]
    text = json_text({"curves": {"psnr": {"model": curve}}, "names": ["a", "b"], "none": []})
    assert '"model": [1.5, -2e-07, null, 3]' in text
    assert text.count("\n") == 12


def test_numbers_must_be_finite() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_text({"psnr": [math.inf]})
