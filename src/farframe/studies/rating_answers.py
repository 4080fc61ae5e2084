"""Answers to a rating page: read, checked against the page's key, and told who was meant."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from farframe.studies.rating import FORMAT, KEY
from farframe.studies.rating_page import ANSWERS

Verdict = Literal["a", "same", "b"]
_LARGEST = 10_000_000  # bytes of a file of answers: they come from strangers


@dataclass(frozen=True)
class Key:
    """Who is who on a page."""

    path: Path
    content: Mapping[str, Any]

    @property
    def pairs(self) -> Mapping[str, Mapping[str, str]]:
        """Of each pair, its clip and whose film is the first."""
        return self.content["pairs"]

    def name(self, side: Literal["a", "b"]) -> str:
        """Who a side is, with the frames shown where those differ."""
        mine, frames = self.content[side], {self.content[s]["frames"] for s in ("a", "b")}
        return f"{mine['name']}, frames {mine['frames']}" if len(frames) > 1 else mine["name"]

    @staticmethod
    def read(path: Path) -> Key:
        """The key of a page, from its file or the folder that it was written into.

        Raises:
            ValueError: if there is none, or it is damaged.
        """
        file = path / KEY if path.is_dir() else path
        content = _json(file, f"give the folder that `farframe study rating` wrote, with its {KEY}")
        try:
            key = Key(file, content)
            assert content["format"] == FORMAT
            _ = key.name("a"), key.name("b"), content["page"], content["question"]
            assert key.pairs
            assert all(p["first"] in ("a", "b") and p["clip"] for p in key.pairs.values())
        except (AssertionError, KeyError, TypeError, AttributeError):
            raise ValueError(
                f"{file} is no key of a rating page that this farframe wrote"
            ) from None
        return key


@dataclass(frozen=True)
class Answers:
    """What a rater says of each pair, and how often the film on the left was taken."""

    rater: str
    verdicts: Mapping[str, Verdict]
    left: int

    @staticmethod
    def read(path: Path, key: Key) -> Answers:
        """A file of answers.

        Raises:
            ValueError: if it is damaged, of another page, or doesn't answer each pair once.
        """
        content = _json(path, "give the files that raters have saved")
        try:
            return _checked(content, key)
        except (KeyError, TypeError, AttributeError):
            raise ValueError(f"{path} holds no answers to a rating page") from None
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def read_all(paths: Sequence[Path], key: Key) -> tuple[Answers, ...]:
    """The answers of several raters.

    Raises:
        ValueError: if one is damaged or of another page, or a rater answers twice.
    """
    found: dict[str, tuple[Path, Answers]] = {}
    for path in paths:
        answers = Answers.read(path, key)
        if answers.rater in found:
            raise ValueError(
                f"{path} and {found[answers.rater][0]} are both of rater {answers.rater!r}: give "
                "one of them"
            )
        found[answers.rater] = path, answers
    return tuple(answers for _, answers in found.values())


def _checked(content: Mapping[str, Any], key: Key) -> Answers:
    if content["format"] != ANSWERS:
        raise ValueError(f"its format is {content['format']!r:.20}: must be {ANSWERS}")
    if content["page"] != key.content["page"]:
        raise ValueError(
            f"these answers are to page {content['page']!s:.8}, but {key.path} is the key of page "
            f"{key.content['page']:.8}"
        )
    rater = content["rater"]
    if not isinstance(rater, str) or not 0 < len(rater) <= 40 or not rater.isprintable():
        raise ValueError(f"its rater is {rater!r:.60}: must be a name of 1 to 40 letters")
    verdicts: dict[str, Verdict] = {}
    left = 0
    for answer in content["answers"]:
        pair, choice, lefts = (answer[name] for name in ("pair", "choice", "left"))
        if pair not in key.pairs:
            raise ValueError(f"the page has no pair {pair!r:.20}")
        if pair in verdicts:
            raise ValueError(f"pair {pair} is answered twice")
        if choice not in ("first", "second", "same") or lefts not in ("first", "second"):
            raise ValueError(f"pair {pair} has the answer {choice!r:.20}")
        first = key.pairs[pair]["first"]
        other = "b" if first == "a" else "a"
        meant = {"first": first, "second": other, "same": "same"}[choice]
        verdicts[pair] = cast("Verdict", meant)
        left += choice == lefts
    if len(verdicts) < len(key.pairs):
        raise ValueError(f"{len(verdicts)} of {len(key.pairs)} pairs are answered: all must be")
    return Answers(rater, verdicts, left)


def _json(path: Path, way_out: str) -> Mapping[str, Any]:
    """The object in a JSON file."""
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"{path} has {path.stat().st_size:,} bytes, too many for answers")
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}: {way_out}") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise ValueError(f"{path} is no JSON: {way_out}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} is no JSON object: {way_out}")
    return cast("dict[str, Any]", content)
