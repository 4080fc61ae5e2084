"""TensorFlow's checkpoints, both formats: read as TensorFlow does, refused when damaged."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from tf_files import field, literals, number, write_bundle, write_table

from farframe.interop.snappy import decompress
from farframe.interop.tf_bundle import Bundle
from farframe.interop.tf_names import is_checkpoint, open_checkpoint
from farframe.interop.tf_slices import Slices
from farframe.interop.tf_table import CheckpointError, Table
from farframe.wire import WireError

TF = Path(__file__).resolve().parents[1] / "data" / "tf"
OLD, NEW = TF / "vgg_16.ckpt", TF / "vgg_16_v2.ckpt"
PARTS = ("vgg_16_v2.ckpt.index", "vgg_16_v2.ckpt.data-00000-of-00001", "vgg_16.ckpt")
CASES = 150


def everything(path: Path) -> dict[str, np.ndarray]:
    checkpoint = open_checkpoint(path)
    return {name: checkpoint[name] for name in checkpoint}


def test_both_formats_hold_what_tensorflow_wrote() -> None:
    new, old = everything(NEW), everything(OLD)
    assert len(new) == 31
    assert new.keys() == old.keys()
    for name, array in new.items():
        assert array.dtype == old[name].dtype
        np.testing.assert_array_equal(array, old[name])
    assert new["global_step"] == -7
    assert new["counts"].tolist() == [[1, -2, 3]]
    assert new["flags"].tolist() == [True, False]
    assert new["doubles"].tolist() == [0.5, -1e300]
    assert new["vgg_16/conv1/conv1_1/weights"].shape == (3, 3, 3, 2)


@pytest.mark.parametrize("name", [*PARTS[:2], "vgg_16_v2.ckpt"])
def test_any_file_of_a_checkpoint_names_it(name: str) -> None:
    assert is_checkpoint(TF / name)
    assert isinstance(open_checkpoint(TF / name), Bundle)


def test_a_single_file_is_the_older_format(tmp_path: Path) -> None:
    assert is_checkpoint(OLD)
    assert isinstance(open_checkpoint(OLD), Slices)
    (tmp_path / "short").write_bytes(b"x")
    assert not is_checkpoint(tmp_path / "short")
    assert not is_checkpoint(tmp_path)


@pytest.mark.parametrize("per_block", [1, 4, 1000])
def test_many_blocks(tmp_path: Path, per_block: int) -> None:
    rng = np.random.default_rng(0)
    arrays = {f"a/{i // 7}/b{i}": rng.standard_normal((i % 4, 3)).astype("f4") for i in range(40)}
    write_bundle(tmp_path / "m", arrays, per_block)
    found = everything(tmp_path / "m")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    table = Table.open(tmp_path / "m.index")
    items = dict(table.items())
    assert {key: table.get(key) for key in items} == items
    assert table.get(b"a/0/b") is None
    assert table.get(b"zzz") is None


def test_compressed_blocks(tmp_path: Path) -> None:
    write_table(tmp_path / "t", {b"key": b"value" * 50, b"kez": b""}, compress=literals)
    assert Table.open(tmp_path / "t").items() == [(b"key", b"value" * 50), (b"kez", b"")]


# made by Google's implementation (through cramjam)
SNAPPY = {
    "00": b"",
    "010061": b"a",
    "4808616263fe03000503": b"abc" * 24,
    "ac020000fe0100fe0100fe0100fe0100aa0100": bytes(300),
    "c8085054686520717569636b2062726f776e20666f782e20" + "fe1500" * 12 + "ca1500f0ff"
    + bytes(range(256)).hex(): b"The quick brown fox. " * 40 + bytes(range(256)),
}  # fmt: skip


@pytest.mark.parametrize("packed", SNAPPY)
def test_snappy(packed: str) -> None:
    assert decompress(bytes.fromhex(packed)) == SNAPPY[packed]


@pytest.mark.parametrize("packed", list(SNAPPY)[1:])
def test_damaged_snappy_is_refused_or_of_the_right_length(packed: str) -> None:
    data = bytes.fromhex(packed)
    for end in range(len(data)):
        with pytest.raises(WireError):
            decompress(data[:end])
    rng = random.Random(0)
    for _ in range(300):
        broken = bytearray(data)
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        try:
            out = decompress(bytes(broken))
        except WireError:
            continue
        assert number(len(out)) == bytes(broken[: len(number(len(out)))])


def test_snappy_does_not_allocate_what_a_header_claims() -> None:
    with pytest.raises(WireError, match="bytes"):
        decompress(number(1 << 40) + b"\0a")


# -- damage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PARTS)
def test_every_flipped_bit_and_every_cut_is_noticed(name: str, tmp_path: Path) -> None:
    """Each byte lies under a checksum, or is one, or says where others are; padding is exempt."""
    whole = {part: (TF / part).read_bytes() for part in PARTS}
    for part, data in whole.items():
        (tmp_path / part).write_bytes(data)
    truth = everything(TF / name)
    data, rng = whole[name], random.Random(0)
    refused: list[str] = []
    for case in range(CASES):
        broken = bytearray(data)
        at = rng.randrange(len(data)) if case % 3 else len(data) - 1 - rng.randrange(64)
        if case % 2:
            broken[at] ^= 1 << rng.randrange(8)
        else:
            del broken[at:]
        (tmp_path / name).write_bytes(broken)
        try:
            found = everything(tmp_path / name)
        except CheckpointError as error:
            refused.append(str(error))
            continue
        assert found.keys() == truth.keys()  # the footer's padding was hit
        assert all(np.array_equal(found[key], truth[key]) for key in truth)
    assert len(refused) > CASES * 0.8
    assert all(str(tmp_path) in line and "\n" not in line for line in refused)


def resealed(folder: Path, change: dict[bytes, bytes]) -> Path:
    """The checkpoint with other entries in its index, under checksums that are right."""
    items = dict(Table.open(TF / PARTS[0]).items()) | change
    write_table(folder / "m.index", items)
    (folder / "m.data-00000-of-00001").write_bytes((TF / PARTS[1]).read_bytes())
    return folder / "m"


def entry(**changes: int | bytes) -> bytes:
    values = {"dtype": 1, "shape": field(2, field(1, 2)), "shard": 0, "offset": 0, "size": 8}
    values |= changes
    return b"".join(field(i, value) for i, value in enumerate(values.values(), 1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({b"x": entry(dtype=7)}, "type number 7"),
        ({b"x": entry(slices=b"") + field(7, b"")}, "x is stored in slices"),
        ({b"x": entry(size=12)}, r"12 bytes for shape \(2,\)"),
        ({b"x": entry(size=1 << 40)}, "bytes for shape"),
        ({b"x": entry(offset=1 << 40)}, "cut off"),
        ({b"x": entry(offset=-8)}, "negative place"),
        ({b"x": entry(shard=3)}, "data-00003-of-00001 can't be read"),
        ({b"x": entry()}, "fails its CRC32C"),
        ({b"x": b"\xff" * 9}, "damaged"),
        ({b"x": entry(shape=field(2, field(1, -1)))}, "shape"),
        ({b"x": entry(shape=field(3, 1))}, "shape"),
        ({b"\xff\xfe": entry()}, "utf-8"),
        ({b"": field(1, 1) + field(2, 1)}, "little-endian"),
        ({b"": b""}, "header"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_entries_that_lie_are_refused(
    change: dict[bytes, bytes], words: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=words):
        everything(resealed(tmp_path, change))


def test_a_table_that_lies_in_the_older_format_is_refused(tmp_path: Path) -> None:
    items = dict(Table.open(OLD).items())
    first = next(key for key in items if b"conv1_1/biases" in key)
    other = next(key for key in items if b"conv1_2/biases" in key)
    for change, words in (
        ({other: items[first]}, "under the key of"),
        ({first: b"\xff" * 5}, "damaged"),
        ({b"": b""}, "lists no tensors"),
        ({b"": b"\xff"}, "damaged"),
    ):
        write_table(tmp_path / "m", items | change)
        with pytest.raises(CheckpointError, match=words):
            everything(tmp_path / "m")
    write_table(tmp_path / "m", {key: value for key, value in items.items() if key != first})
    with pytest.raises(CheckpointError, match="listed but not there"):
        everything(tmp_path / "m")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "there is no nothing.index"),
        ("empty", "no TensorFlow checkpoint"),
        ("text", "no TensorFlow checkpoint"),
        ("folder", "there is none"),
    ],
)
def test_what_is_no_checkpoint(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("some text " * 20)
    (tmp_path / "folder").mkdir()
    with pytest.raises(CheckpointError, match=words):
        open_checkpoint(tmp_path / name)
    with pytest.raises(CheckpointError, match=r"such as .*vgg_16_v2.ckpt"):
        open_checkpoint(TF)
