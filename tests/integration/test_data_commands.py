"""`farframe data`: its commands end to end, and one line for each mistake."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from farframe.cli import main

LOOK = ["make", "shapes", "--out", "x", "--preview"]


def test_made_data_is_trained_on_and_converted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = str(tmp_path / "made")
    make = ["data", "make", "shapes", "--out", made, "--clips", "6", "--clip-length", "24"]
    assert main([*make, "--frame-size", "32", "--processes", "1"]) == 0
    assert "train 6 clips, 144 frames; validation 1 clips" in capsys.readouterr().out
    assert main([*make, "--frame-size", "32", "--processes", "1"]) == 0
    assert "(0 of 3 files written now)" in capsys.readouterr().out
    copy = ["data", "convert", made, str(tmp_path / "copy"), "--format", "tfrecord"]
    assert main([*copy, "--frame-size", "32", "--image-format", "jpeg", "--quality", "90"]) == 0
    run = ["--out", str(tmp_path / "run"), "--train.steps", "2", "--data.sequence-length", "6"]
    assert main(["train", "debug", "--data", str(tmp_path / "copy"), *run]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name one of make, convert, inspect"),
        (["mak"], "unknown word 'mak': is make meant?"),
        (["make"], "name a world: "),
        (["make", "shapess", "--out", "x"], "unknown world 'shapess': is shapes meant?"),
        (["make", "shapes"], "missing: --out"),
        (["make", "shapes", "--out", "x", "--clips", "0"], "--clips is 0: must be at least 1"),
        (["make", "shapes", "--out", "x", "--frame-size", "65"], "--frame-size is 65"),
        (["make", "shapes", "--out", "x", "--clip", "3"], "unknown option '--clip'"),
        ([*LOOK, "--clips", "1000"], "--clips means nothing beside --preview: leave out one"),
        ([*LOOK, "--shard_clips=100"], "--shard-clips means nothing"),
        ([*LOOK, "--format", "video"], "--format means nothing"),
        ([*LOOK, "--format=video", "--no-lossless"], "--format means nothing"),
        ([*LOOK[:-1], "--quality", "9", "--preview"], "--quality means nothing"),
        (["convert", "x", "y"], "missing: --format"),
        (["convert", "x", "y", "--format", "tfrecords"], "is tfrecord meant?"),
        (["convert", "nowhere", "y", "--format", "tfrecord"], "nowhere does not exist"),
        (["convert", "nowhere", "y", "--format", "tfrecord", "--quality", "0"], "--quality is 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


STOPPED = """
import os, signal, sys, time
from pathlib import Path
from farframe import cli
from farframe.data import writing

number, enough, words = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
out, real_wait, real_run = Path(words[-1]), writing.wait, writing._Worker.run


def there():
    return len(list(out.glob('*.tfrecord'))) >= enough


def wait(waiting, timeout):
    done = real_wait(waiting, timeout=0.01)
    if there():
        os.killpg(0, number)
    return done


def run(shard):  # in a process that writes: nothing more is written until all are stopped
    while there():
        time.sleep(0.01)
        if writing._Worker.stop.is_set():
            raise InterruptedError(0, 'stopped')
    real_run(shard)


writing.wait, writing._Worker.run = wait, run
if __name__ == '__main__':
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    sys.exit(cli.main(words))
"""


def test_interrupted_making_goes_on_and_ends_equal(tmp_path: Path) -> None:
    """Interrupted, then killed, each time with some more files: the processes that write, too."""
    words = ["data", "make", "shapes", "--clips", "32", "--clip-length", "40", "--shard-clips", "4"]
    words += ["--processes", "2", "--out"]
    parts, script = tmp_path / "parts", tmp_path / "stopped.py"
    script.write_text(STOPPED)
    for stop in (signal.SIGINT, signal.SIGKILL):
        enough = len(list(parts.glob("*.tfrecord"))) + 2
        done = subprocess.run(
            [sys.executable, script, str(int(stop)), str(enough), *words, parts],
            capture_output=True,
            start_new_session=True,
            text=True,
        )
        assert done.returncode == (130 if stop is signal.SIGINT else -stop)
        if stop is signal.SIGINT:
            assert done.stderr == "farframe: interrupted\n"
        assert enough <= len(list(parts.glob("*.tfrecord"))) < 10
    assert main([*words, str(tmp_path / "whole")]) == 0
    assert main([*words, str(parts)]) == 0
    one, other = (
        {p.name: p.read_bytes() for p in (tmp_path / name).glob("[!.]*")}
        for name in ("whole", "parts")
    )
    assert one == other
