"""`farframe data`: its commands end to end, and one line for each mistake."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from farframe.cli import main

COMMAND = [sys.executable, "-m", "farframe", "data"]
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
    ids=" ".join,
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


def test_interrupted_making_goes_on_and_ends_equal(tmp_path: Path) -> None:
    words = ["make", "shapes", "--clips", "60", "--clip-length", "40", "--shard-clips", "4"]
    words += ["--processes", "2", "--out"]
    subprocess.run([*COMMAND, *words, str(tmp_path / "whole")], check=True, capture_output=True)
    killed = 0
    for stop in (signal.SIGINT, signal.SIGKILL):
        process = subprocess.Popen(
            [*COMMAND, *words, str(tmp_path / "parts")],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        there = len(list((tmp_path / "parts").glob("*.tfrecord")))
        while process.poll() is None:
            if len(list((tmp_path / "parts").glob("*.tfrecord"))) > there + 1:
                os.killpg(process.pid, stop)
                break
            time.sleep(0.005)
        error = process.communicate()[1]
        killed += process.returncode != 0
        if process.returncode and stop is signal.SIGINT:
            assert process.returncode == 130
            assert error == "farframe: interrupted\n"
    assert killed  # both may have been too late only on an odd machine
    subprocess.run([*COMMAND, *words, str(tmp_path / "parts")], check=True, capture_output=True)
    whole, parts = (
        {p.name: p.read_bytes() for p in (tmp_path / name).glob("[!.]*")}
        for name in ("whole", "parts")
    )
    assert whole == parts
