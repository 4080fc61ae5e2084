"""Damaged and hostile TFRecords: read, skipped with a warning, or refused with one line."""

from __future__ import annotations

import logging
import os
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from farframe.data.source import DataError
from farframe.data.tfrecord import TFRecordSource
from farframe.data.tfrecord_file import FOOTER, HEADER, masked_crc
from farframe.data.tfrecord_index import SIDECARS
from farframe.data.tfrecord_writer import write_tfrecords
from farframe.types import Clip

CASES = 120


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], list[Clip]]:
    """A small file with PNGs, one with JPEGs, and the clips in them."""
    folder = tmp_path_factory.mktemp("clean")
    rng = np.random.default_rng(0)
    clips = [
        Clip(
            frames=rng.integers(0, 256, (3, 3, 16, 12), dtype=np.uint8),
            actions=rng.standard_normal((3, 5 * robot)).astype(np.float32),
            poses=rng.standard_normal((3, 12 * robot)).astype(np.float32),
            fps=1.0,
            id=str(robot),
        )
        for robot in (1, 0, 1)
    ]
    out: dict[str, bytes] = {}
    for kind in ("png", "jpeg"):
        path = folder / f"{kind}.tfrecord"
        write_tfrecords(path, clips, image_format=kind)  # type: ignore[arg-type]
        TFRecordSource.open(path, 16)
        out[kind] = path.read_bytes()
    source = TFRecordSource.open(folder / "png.tfrecord", 16)
    return out, [source.read(i, range(3)) for i in range(3)]


def damaged(data: bytes, rng: random.Random) -> bytes:
    """One to four flips, cuts, insertions, zeroed or repeated stretches."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if not out:
            break
        at, length = rng.randrange(len(out)), rng.choice((1, 2, 4, 8, 64, 500))
        match rng.randrange(6):
            case 0:
                out[at] ^= 1 << rng.randrange(8)
            case 1:
                del out[at:]
            case 2:
                del out[at : at + length]
            case 3:
                out[at:at] = rng.randbytes(length)
            case 4:
                out[at : at + length] = rng.choice((b"\0", b"\xff")) * length
            case _:
                out[at:at] = out[at : at + length]
    return bytes(out)


def payloads(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length = HEADER.unpack_from(data, at)[0]
        yield data[at + HEADER.size : at + HEADER.size + length]
        at += HEADER.size + length + FOOTER.size


def forged(data: bytes, rng: random.Random) -> bytes:
    """Damaged payloads under correct checksums: only the parser and the decoders can notice."""
    out = b""
    for payload in payloads(data):
        bad = damaged(payload, rng)
        length = struct.pack("<Q", len(bad))
        out += length + FOOTER.pack(masked_crc(length)) + bad + FOOTER.pack(masked_crc(bad))
    return out


def one_line(error: DataError, path: Path) -> None:
    assert str(path) in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 1000


@pytest.mark.parametrize("case", range(CASES))
@pytest.mark.filterwarnings("default")  # Pillow's remarks on odd metadata are no failures
def test_damage(
    case: int,
    tmp_path: Path,
    clean: tuple[dict[str, bytes], list[Clip]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    files, clips = clean
    rng = random.Random(case)
    kind = rng.choice(("png", "jpeg"))
    target = case % 4  # the file, the file behind a fresh-looking sidecar, the sidecar, forged
    path = tmp_path / "fuzz.tfrecord"
    path.write_bytes(files[kind])
    if target in (1, 2):
        TFRecordSource.open(path, 16)
    stat = path.stat()
    if target in (0, 1):
        path.write_bytes(damaged(files[kind], rng))
    elif target == 2:
        (sidecar,) = (tmp_path / SIDECARS).iterdir()
        sidecar.write_bytes(damaged(sidecar.read_bytes(), rng))
    else:
        path.write_bytes(forged(files[kind], rng))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    problems = 0
    try:
        with caplog.at_level(logging.WARNING, "farframe"):
            source = TFRecordSource.open(path, 16)
    except DataError as error:
        one_line(error, path)
        return
    assert all(str(path) in r.getMessage() and "record" in r.getMessage() for r in caplog.records)
    for i, recording in enumerate(source.recordings):
        assert recording.length <= len(files[kind])
        try:
            found = source.read(i, range(recording.length))
        except DataError as error:
            one_line(error, path)
            problems += 1
            continue
        assert found.frames.shape == (recording.length, 3, 16, 16)
        if target != 3 and kind == "png":  # checksums leave no room for anything but the truth
            assert any(np.array_equal(found.frames, clip.frames) for clip in clips)
    if target == 2:  # the data itself is whole
        assert len(source.recordings) == 3
        assert not problems
    try:
        TFRecordSource.open(path, 16, strict=True)
    except DataError as error:
        assert caplog.records
        one_line(error, path)
    else:
        assert not caplog.records


def test_the_fuzzer_reaches_all_outcomes(
    tmp_path: Path, clean: tuple[dict[str, bytes], list[Clip]]
) -> None:
    """Damage that is always caught in the same place would prove little."""
    outcomes: set[str] = set()
    path = tmp_path / "fuzz.tfrecord"
    for case in range(60):
        rng = random.Random(case)
        path.write_bytes((damaged, forged)[case % 2](clean[0]["jpeg"], rng))
        try:
            source = TFRecordSource.open(path, 16, store_index=False)
        except DataError as error:
            outcomes.add("refused: " + ("Example" if "Example" in str(error) else "framing"))
            continue
        if len(source.recordings) < 3:
            outcomes.add("skipped")
        for i, recording in enumerate(source.recordings):
            try:
                source.read(i, range(recording.length))
                outcomes.add("read")
            except DataError:
                outcomes.add("image")
    assert outcomes == {"refused: Example", "refused: framing", "skipped", "read", "image"}
