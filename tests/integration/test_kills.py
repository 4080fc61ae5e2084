"""SIGKILLs at random moments: a part of what ``tests/kill.py`` does when asked for 500."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

KILLS = 40  # and ten in test_resume.py


def test_killed_at_random_moments_nothing_is_half() -> None:
    script = Path(__file__).parents[1] / "kill.py"
    done = subprocess.run(
        [sys.executable, str(script), "--kills", str(KILLS)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{KILLS} kills"), done.stdout
