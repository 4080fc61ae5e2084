from pathlib import Path

import numpy as np
import pytest

from farframe.data.actions import read_actions
from farframe.data.source import DataError

ROWS = np.array([[0.5, -1.25, 3e-3], [4.0, 5.0, 6.5], [-7.0, 8.0, 9.0]], np.float32)


@pytest.mark.parametrize(
    "text",
    [
        "0.5,-1.25,3e-3\n4,5,6.5\n-7,8,9\n",
        "x,y,z\n0.5, -1.25, 3e-3\n4, 5, 6.5\n-7, 8, 9",
        "\ufeffx;y;z\r\n0.5;-1.25;.003\r\n4;5;6.5\r\n\r\n-7;8;9\r\n",
        "# three numbers\n0.5\t-1.25\t3e-3\n4\t5\t6.5\n-7\t8\t9\n",
        "0.5 -1.25  3e-3\n 4 5 6.5\n-7 8 9\n",
        '"x","y","z"\n0.5,-1.25,3e-3,\n4,5,6.5,\n-7,8,9,\n',
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".txt"])
def test_text(tmp_path: Path, text: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text(text, "utf-8", newline="")
    found = read_actions(path)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, ROWS)


@pytest.mark.parametrize("kind", ["<f8", ">f4", "f2"])
def test_arrays(tmp_path: Path, kind: str) -> None:
    rows = ROWS.astype(kind)
    np.save(tmp_path / "a.npy", rows)
    np.savez_compressed(tmp_path / "a.npz", actions=rows, poses=rows[:1])
    for name in ("a.npy", "a.npz"):
        found = read_actions(tmp_path / name)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, rows.astype(np.float32))


def test_actions_of_one_number(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(4))
    (tmp_path / "a.csv").write_text("0\n1\n2\n3\n")
    for name in ("a.npy", "a.csv"):
        assert read_actions(tmp_path / name).tolist() == [[0], [1], [2], [3]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "holds no numbers"),
        ("a.csv", b"x,y\n", "holds no numbers"),
        ("a.csv", b"x,y\n1,2\nleft,3\n", r"line 3 is no row of numbers: 'left,3'"),
        ("a.csv", b"x,y\nu,v\n1,2\n", r"line 2 is no row of numbers: 'u,v'"),
        ("a.csv", b"1,2\n\n1,2,3\n", "line 3 has 3 numbers, others have 2"),
        ("a.csv", b"1,\n1,2\n", "line 2 has 2 numbers, others have 1"),
        ("a.csv", b"1,2\n1,nan\n", r"action 1 \(counted from 0\) holds NaN"),
        ("a.csv", b"1e300,2\n", r"action 0 \(counted from 0\) holds NaN or infinity"),
        ("a.csv", b"\xff\xfe\x00\x01\x80", "is no text"),
        ("a.json", b"[[1, 2]]", r"must be a file that ends in \.csv, \.txt, \.npy, \.npz"),
        ("a.npy", b"", r"is no \.npy file"),
        ("a.npy", b"1,2\n3,4\n", r"is no \.npy file"),
        ("a.npz", b"PK\x03\x04 and no more", r"is no \.npz file"),
    ],
)
def test_files_that_are_no_actions(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_actions(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_missing(tmp_path: Path) -> None:
    for path in (tmp_path / "a.csv", tmp_path):
        with pytest.raises(DataError, match="there is no such file of actions"):
            read_actions(path)


def test_arrays_that_are_no_actions(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for array, message in (
        (np.zeros((2, 3, 4)), r"shape \(2, 3, 4\), actions are \(frames, numbers\)"),
        (np.zeros((0, 4)), r"shape \(0, 4\)"),
        (np.array(3.0), r"shape \(\), actions"),
        (np.array([["a", "b"]]), "must hold numbers, not <U1"),
        (np.zeros((2, 2), complex), "must hold numbers, not complex128"),
        (np.full((2, 2), np.inf), "holds NaN or infinity"),
    ):
        np.save(path, array)
        with pytest.raises(DataError, match=message):
            read_actions(path)
    np.savez(tmp_path / "a.npz", states=np.zeros((2, 2)))
    with pytest.raises(DataError, match="has no array named actions, it holds states"):
        read_actions(tmp_path / "a.npz")


class Bomb:
    """Unpickling this would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([Bomb(tmp_path / "boom")], object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", actions=np.array([Bomb(tmp_path / "boom")], object))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(DataError, match="plain numbers"):
            read_actions(tmp_path / name)
    assert not (tmp_path / "boom").exists()


def test_flipped_and_truncated_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez_compressed(tmp_path / "good.npz", actions=rng.random((20, 5)))
    np.save(tmp_path / "good.npy", rng.random((20, 5)))
    complaints: list[str] = []
    for name in ("good.npz", "good.npy"):
        data = (tmp_path / name).read_bytes()
        for _ in range(150):
            broken = bytearray(data[: rng.integers(1, len(data)) if rng.random() < 0.3 else None])
            for _ in range(rng.integers(1, 4)):
                broken[rng.integers(min(len(broken), 300))] = rng.integers(256)
            path = tmp_path / f"bad{name[-4:]}"
            path.write_bytes(broken)
            try:
                assert read_actions(path).ndim == 2
            except DataError as error:
                complaints.append(str(error))
    assert len(complaints) > 100
    assert not any("\n" in complaint for complaint in complaints)
