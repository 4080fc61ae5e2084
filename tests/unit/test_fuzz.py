"""Files that say anything at all, 2,200 of them: our own error of one line, or a sane value.

Hypothesis draws them: random bytes and texts, and whole files of which parts were exchanged for
values that don't belong there, under checksums that are right.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import altered, cases, damaged, one_line
from hypothesis import given
from hypothesis import strategies as st
from tiny_run import ROBOT, tiny
from video_files import RECIPES, make_video

from farframe.data import video_index
from farframe.data.tfrecord_example import RecordError, parse_record
from farframe.data.tfrecord_file import FOOTER, HEADER, masked_crc
from farframe.data.tfrecord_index import SIDECARS, index_file
from farframe.data.video_index import INDEX_NAME, index_videos
from farframe.run import RunConfig, load_config, write_config
from farframe.training import checkpoint
from farframe.training.checkpoint import DamagedError

# -- configurations ------------------------------------------------------------------------------

WHOLE = tiny("epev_gan").to_dict()


@cases(600)
@given(st.one_of(altered(WHOLE).map(json.dumps), st.text(max_size=40)))
def test_configurations(text: str) -> None:
    try:
        config = RunConfig.from_json(text)
    except ValueError as error:
        one_line(error)
    else:
        assert RunConfig.from_json(config.to_json()) == config


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_config(folder, tiny(), "f00d")
    return folder


@cases(300)
@given(data=st.data())
def test_config_files(run: Path, data: st.DataObject) -> None:
    record = {"format": 1, "farframe": "0", "git": None, "data_fingerprint": "f00d", "run": WHOLE}
    text = json.dumps(record).encode()
    (run / "config.json").write_bytes(
        data.draw(st.one_of(altered(record).map(lambda r: json.dumps(r).encode()), damaged(text)))
    )
    try:
        assert isinstance(load_config(run), RunConfig)
    except ValueError as error:
        one_line(error, str(run))


@cases(250)
@given(data=st.data())
def test_lists_of_files_of_checkpoints(run: Path, data: st.DataObject) -> None:
    """``meta.json``, and never a look outside of the folder."""
    folder = run / "checkpoints" / "step-000000003"
    folder.mkdir(parents=True, exist_ok=True)
    sums = {"bytes": 3, "sha256": "0" * 64}
    meta = {"format": 1, "step": 3, "files": {"weights.safetensors": sums, "training.pt": sums}}
    (folder / "meta.json").write_bytes(
        data.draw(
            st.one_of(
                altered(meta).map(lambda m: json.dumps(m).encode()),
                damaged(json.dumps(meta).encode()),
            )
        )
    )
    with pytest.raises(DamagedError) as error:  # the files themselves are not there
        checkpoint.verify(folder)
    one_line(error.value)


# -- records and their index ---------------------------------------------------------------------


def records() -> list[bytes]:
    """The payloads of the tests' records, each cut to a few frames' worth of bytes."""
    found: list[bytes] = []
    for file in sorted(ROBOT.glob("*.tfrecord")):
        data = file.read_bytes()
        length = HEADER.unpack_from(data)[0]
        found.append(data[HEADER.size : HEADER.size + length])
    return found


RECORDS = records()


@cases(500)
@given(st.one_of(st.sampled_from(RECORDS).flatmap(damaged), st.binary(max_size=60)))
def test_records(payload: bytes) -> None:
    try:
        record = parse_record(payload)
    except RecordError as error:
        one_line(error)
    else:
        assert len(record.images) == len(record.actions) == len(record.poses) > 0
        assert np.isfinite(record.actions).all()


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, bytes]:
    """A file of records, its sidecar, and what the sidecar holds."""
    path = tmp_path_factory.mktemp("records") / "x.tfrecord"
    path.write_bytes(next(ROBOT.glob("robot*.tfrecord")).read_bytes())
    index_file(path)
    (sidecar,) = (path.parent / SIDECARS).iterdir()
    return path, sidecar, sidecar.read_bytes()


@cases(300)
@given(data=st.data())
def test_sidecars_of_records(indexed: tuple[Path, Path, bytes], data: st.DataObject) -> None:
    """A sidecar that isn't believed is made anew; one that is names places inside of the file."""
    path, sidecar, whole = indexed
    body = data.draw(damaged(whole[: -FOOTER.size]))
    sidecar.write_bytes(body + FOOTER.pack(masked_crc(body)))
    index = index_file(path)
    assert not index.problems
    ends = index.rows["offset"].astype(object) + index.rows["length"].astype(object)
    assert all(int(end) <= path.stat().st_size for end in ends)


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A video, and what its index says."""
    folder = tmp_path_factory.mktemp("films")
    path = make_video(folder / RECIPES[0].name, RECIPES[0], count=6)
    index_videos({"a": path}, folder)
    return path, json.loads((folder / INDEX_NAME).read_text())["files"]


@cases(250)
@given(data=st.data())
def test_indices_of_videos(filmed: tuple[Path, dict[str, Any]], data: st.DataObject) -> None:
    path, files = filmed
    said = data.draw(altered(files))
    text = json.dumps(
        {"version": video_index._version(), "sum": video_index._sum(said)} | {"files": said}
    )
    (path.parent / INDEX_NAME).write_text(text)
    found = index_videos({"a": path}, path.parent)
    track = found["a"].track
    assert track is not None
    assert track.length == len(track.imprints) > 0
    assert len(track.times) == track.length


def test_numbers_of_cases() -> None:
    """Two thousand in all, as the docstring says."""
    names = [
        name for name in globals() if name.startswith("test_") and name != "test_numbers_of_cases"
    ]
    total = sum(globals()[name]._hypothesis_internal_use_settings.max_examples for name in names)
    assert total == 2200
    assert struct.calcsize("<QI") == HEADER.size
