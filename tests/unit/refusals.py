"""What commands and resumed trainings say when they can't go on, and that they harm nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from farframe.cli import main
from farframe.run import RunConfig
from farframe.training.loop import train


def told(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line that a command ends with."""
    assert main([*map(str, words)]) in (1, 2)
    err = capsys.readouterr().err
    assert err.startswith("farframe: error: "), err
    assert err.count("\n") == 1, err
    return err


def refused(config: RunConfig, run: Path, message: str, error: type[Exception] = ValueError) -> str:
    """What a resumed training says; the newest checkpoint stays as it is."""
    before = {p: p.read_bytes() for p in (run / "checkpoints").rglob("*") if p.is_file()}
    with pytest.raises(error, match=message) as found:
        train(config, run, resume=True)
    assert "\n" not in str(found.value)
    assert {p: p.read_bytes() for p in before} == before
    return str(found.value)
