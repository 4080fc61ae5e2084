"""docs/data.md's source of one's own, as the page has it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from farframe.cli import main
from farframe.config import DataConfig
from farframe.data.source import ClipSource, open_source

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


def test_the_page_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    Path("my_arrays").mkdir()
    made = {}
    for i in range(24):
        frames = rng.integers(0, 256, (9 + i % 3, 3, 64, 64), dtype=np.uint8)
        actions = rng.normal(size=(len(frames), 2)).astype(np.float32)
        made[actions.tobytes()] = frames
        np.savez(Path("my_arrays") / f"{i:02d}.npz", frames=frames, actions=actions)
    section = PAGE.read_text(encoding="utf-8").partition("## Your own kind of data")[2]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert code is not None
    scope: dict[str, object] = {}
    exec(compile(code[1], str(PAGE), "exec"), scope)
    assert isinstance(scope["Arrays"]("my_arrays"), ClipSource)  # type: ignore[operator]
    source = open_source(DataConfig(path="records"), 64)
    assert (source.action_dim, source.pose_dim, len(source.recordings)) == (2, 0, 24)
    for i, recording in enumerate(source.recordings):
        clip = source.read(i, range(recording.length))
        np.testing.assert_array_equal(clip.frames, made[clip.actions.tobytes()])
    train = ["train", "debug", "--data", "records", "--out", "run", "--train.steps", "1"]
    assert main([*train, "--train.evaluate-every", "0"]) == 0
    assert "model.action_dim is 2" in capsys.readouterr().out
