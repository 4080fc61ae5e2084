"""The models that come with farframe, by name. No torch: a wrong name is told at once."""

from __future__ import annotations

from pathlib import Path

from farframe.cli_words import UsageError, unknown

HOME = Path(__file__).parent
"""Each of its folders with an ``ABOUT`` is a model, called as the folder."""
ABOUT = "model.json"
"""The file that tells an exported model's folder from others."""
PLANNED = ("shapes", "robot-push", "humans")
"""Names that mean a model of farframe's even in a copy that has no weights of it."""


def offered() -> tuple[str, ...]:
    """Names of the models in this copy of farframe, the planned ones first."""
    found = sorted(path.parent.name for path in HOME.glob(f"*/{ABOUT}"))
    return tuple(sorted(found, key=lambda name: (*PLANNED, name).index(name)))


def folder_of(name: str) -> Path:
    """The folder of a model that comes with farframe.

    Raises:
        UsageError: for a name that none has.
    """
    there = offered()
    if name in there:
        return HOME / name
    have = ", ".join(there) or "none"
    if name in PLANNED:
        raise UsageError(
            f"--model {name}: this copy of farframe has no weights of it (it has: {have}); give "
            "the folder of a run, or of an exported model"
        )
    known = dict.fromkeys((*there, *PLANNED))
    raise UsageError(f"--model: {unknown('model', name, known)} (a folder is given as RUN)")


def found_by_name(path: Path) -> Path | None:
    """The folder of the model whose name ``path`` is; None if it is none's."""
    return HOME / path if str(path) in offered() else None
