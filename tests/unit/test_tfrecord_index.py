"""The sidecar: where it lies, when it is believed, and that hostile ones are not."""

from __future__ import annotations

import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from farframe.data import tfrecord_index
from farframe.data.source import DataError
from farframe.data.tfrecord import TFRecordSource
from farframe.data.tfrecord_file import FOOTER, HEADER, masked_crc, scan
from farframe.data.tfrecord_index import ROW, SIDECARS, index_file, load_sidecar
from farframe.data.tfrecord_writer import write_tfrecords
from farframe.types import Clip


def clip(seed: int = 0, length: int = 3) -> Clip:
    rng = np.random.default_rng(seed)
    return Clip(
        frames=rng.integers(0, 256, (length, 3, 8, 8), dtype=np.uint8),
        actions=np.zeros((length, 0), np.float32),
        poses=np.zeros((length, 0), np.float32),
        fps=1.0,
        id=str(seed),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "a-train.tfrecord"
    path.parent.mkdir()
    write_tfrecords(path, [clip(i, i + 1) for i in range(5)])
    return path


def sidecar(path: Path) -> Path:
    """The one sidecar beside ``path``."""
    (found,) = (path.parent / SIDECARS).iterdir()
    return found


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that is read through to build an index."""
    built: list[Path] = []
    real = tfrecord_index.build_index

    def build(path: Path, size: int) -> tfrecord_index.FileIndex:
        built.append(path)
        return real(path, size)

    monkeypatch.setattr(tfrecord_index, "build_index", build)
    return built


def test_rows_are_true(path: Path) -> None:
    rows = index_file(path).rows
    data = path.read_bytes()
    assert rows["number"].tolist() == [0, 1, 2, 3, 4]
    assert rows["frames"].tolist() == [1, 2, 3, 4, 5]
    for row in rows:
        payload = data[row["offset"] : row["offset"] + row["length"]]
        assert masked_crc(payload) == row["crc"]


def test_built_once_and_hidden(path: Path, builds: list[Path]) -> None:
    first = TFRecordSource.open(path.parent, 8)
    second = TFRecordSource.open(path.parent, 8)
    assert builds == [path]
    assert sidecar(path).is_file()
    assert sorted(path.parent.rglob("*train*")) == [path]  # what others may look for
    assert second.recordings == first.recordings
    assert second.fingerprint() == first.fingerprint()
    assert {p.name for p in path.parent.iterdir()} == {path.name, SIDECARS}


def test_rebuilt_when_the_file_changes(path: Path, builds: list[Path]) -> None:
    index_file(path)
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    index_file(path)
    write_tfrecords(path, [clip(9)])
    assert len(index_file(path).rows) == 1
    assert builds == [path] * 3
    index_file(path)
    assert len(builds) == 3


def test_unwritable_folder_falls_back_to_the_cache_then_to_memory(
    path: Path, builds: list[Path], tmp_path: Path
) -> None:
    (path.parent / SIDECARS).write_text("")  # no folder can be made, whoever runs this test
    cache = tmp_path / "cache"
    TFRecordSource.open(path, 8, cache_dir=cache)
    assert len(TFRecordSource.open(path, 8, cache_dir=cache).recordings) == 5
    assert builds == [path]
    assert len([p for p in cache.rglob("*") if p.is_file()]) == 1
    assert len(TFRecordSource.open(path, 8).recordings) == 5  # no cache folder
    (tmp_path / "file").write_text("")
    assert len(TFRecordSource.open(path, 8, cache_dir=tmp_path / "file").recordings) == 5
    assert builds == [path] * 3
    assert {p.name for p in path.parent.iterdir()} == {path.name, SIDECARS}


def test_not_stored_where_not_wanted(path: Path) -> None:
    TFRecordSource.open(path, 8, store_index=False)
    assert list(path.parent.iterdir()) == [path]


def test_bad_records_are_reported_every_time(
    path: Path, builds: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    for _ in range(2):
        assert len(TFRecordSource.open(path, 8).recordings) == 4
    assert len(caplog.records) == 2
    assert builds == [path] * 2
    assert list(path.parent.iterdir()) == [path]


def forge(path: Path, **columns: object) -> None:
    """A sidecar whose checksum is right but whose rows lie."""
    stat, rows = path.stat(), index_file(path).rows.copy()
    for name, values in columns.items():
        rows[name] = values
    body = struct.pack("<8sQqI", b"ffindex2", stat.st_size, stat.st_mtime_ns, len(rows))
    body += rows.tobytes()
    sidecar(path).write_bytes(body + FOOTER.pack(masked_crc(body)))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("offset", 2**64 - 1),
        ("offset", [12, 12, 12, 12, 12]),
        ("offset", 0),
        ("length", 2**64 - 8),
        ("length", 2**40),
        ("frames", 0),
        ("frames", 2**32 - 1),
        ("number", 3),
        ("number", [4, 3, 2, 1, 0]),
        ("fps", float("nan")),
        ("fps", -1.0),
        ("dialect", 200),
    ],
)
def test_insane_rows_are_not_believed(
    path: Path, builds: list[Path], column: str, values: object
) -> None:
    forge(path, **{column: values})
    assert index_file(path).rows["frames"].tolist() == [1, 2, 3, 4, 5]
    assert builds == [path] * 2
    index_file(path)
    assert builds == [path] * 2  # a true one has been stored


@pytest.mark.parametrize(
    ("column", "values"), [("frames", 7), ("crc", 1), ("length", 200), ("actions", 4), ("poses", 3)]
)
def test_plausible_lies_are_found_when_reading(path: Path, column: str, values: object) -> None:
    forge(path, **{column: values})
    source = TFRecordSource.open(path, 8)
    with pytest.raises(DataError, match=r"a-train\.tfrecord: record 2: "):
        source.read(2, range(1))


def test_other_bytes_in_its_place(path: Path) -> None:
    stat = path.stat()
    index_file(path)
    true = sidecar(path).read_bytes()
    cut = true[: 28 + ROW.itemsize]
    for data in (b"", b"x", bytes(28), true[:-1], true + b"\0", cut, true * 3):
        sidecar(path).write_bytes(data)
        assert load_sidecar(sidecar(path), stat.st_size, stat.st_mtime_ns) is None
    with sidecar(path).open("wb") as file:
        file.truncate(2**40)  # sparse: a terabyte that must not be read
    tracemalloc.start()
    try:
        assert load_sidecar(sidecar(path), stat.st_size, stat.st_mtime_ns) is None
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    place = sidecar(path)
    place.unlink()
    os.mkfifo(place)  # reading it would wait for ever
    assert len(index_file(path).rows) == 5


def test_hostile_lengths_allocate_nothing(tmp_path: Path) -> None:
    """A valid checksum over an absurd length; once in a small file, once in a huge sparse one."""
    for name, length, size in (("small", 2**63 - 1, 100), ("sparse", 2**37, 2**38)):
        path = tmp_path / f"{name}.tfrecord"
        head = struct.pack("<Q", length)
        path.write_bytes(head + FOOTER.pack(masked_crc(head)))
        os.truncate(path, size)
        tracemalloc.start()
        try:
            with path.open("rb") as file:
                found = [(f.number, f.problem) for f in scan(file, size)]
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
        finally:
            tracemalloc.stop()
        assert found[0][0] == 0
        assert ("cut off" if name == "small" else "more than") in found[0][1]
        assert "length" in found[1][1] if name == "sparse" else len(found) == 1
        assert len(head) + FOOTER.size == HEADER.size
