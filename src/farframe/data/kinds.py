"""The kinds of data there are: what a path of each looks like, and how it is opened.

A new kind is a row of ``KINDS``, its name in ``DataConfig.kind``, and a file with its
``ClipSource``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from farframe.config import DataConfig
from farframe.data.files import exists, is_image, is_regular, is_video, walk
from farframe.data.hdf5_files import is_hdf5
from farframe.data.human36m_files import is_human36m
from farframe.data.lerobot_info import INFO, is_lerobot
from farframe.data.remote import located
from farframe.data.source import ClipSource, DataError
from farframe.data.tfrecord_file import NAMES, is_tfrecord


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of data.

    A kind is told either by a mark that a whole folder bears (``marks``: a file that no other kind
    has) or by its single files (``holds``). Neither opens more than a file's first bytes.
    """

    looks: str
    """What a path of it holds, for messages."""
    open: Callable[[DataConfig, int, Path | None], ClipSource]
    """From a configuration, a frame size and a folder for caches."""
    action_dim: Callable[[DataConfig], int]
    """Numbers in an action, found without indexing."""
    marks: Callable[[Path], bool] = lambda path: False
    holds: Callable[[Path], bool] = lambda path: False
    remote: bool = False
    """Whether it is read from remote places, too."""


def kind_of(path: Path) -> str:
    """The name of what a path holds, from names and, where they tell nothing, from first bytes.

    Raises:
        DataError: if the path is missing, empty, of no known kind, or of several.
    """
    if not exists(path):
        raise DataError(missing(path))
    for name, kind in KINDS.items():
        if kind.marks(path):
            return name
    if path.is_dir():
        return _folder(path)
    if not is_regular(path):
        raise DataError(f"{path} is neither a file nor a folder: name one that is")
    if not path.stat().st_size:
        raise DataError(f"{path} is empty (0 bytes): copy it here again, or name another file")
    # A single file may have any name: what no other kind knows is for FFmpeg to judge.
    return next((n for n, kind in KINDS.items() if n != "video" and kind.holds(path)), "video")


def missing(path: Path) -> str:
    """The one line about a path that is not there."""
    return (
        f"{path} does not exist: name a video file, a folder of videos, pictures or TFRecords, "
        "another kind of data of docs/data.md, or shapes for the generated world"
    )


def _folder(folder: Path) -> str:
    try:
        files = list(walk(folder))
    except OSError as error:
        raise DataError(f"{error.filename or folder} can't be listed: {error.strerror}") from error
    counts = _counts(files)
    images = counts.pop("frames", 0)  # pictures beside other data are thumbnails and posters
    if len(counts) > 1:
        held = " and ".join(f"{count} {_ONE[name]}" for name, count in counts.items())
        chosen = " or ".join(f"--data.kind {name}" for name in counts)
        raise DataError(
            f"{folder} holds both {held}: choose with {chosen}, or name a folder with one kind"
        )
    if counts or images:
        return next(iter(counts), "frames")
    looked = "; ".join(kind.looks for kind in KINDS.values() if kind.looks)
    raise DataError(
        f"{folder} holds no data that farframe knows among {len(files)} file(s): looked for "
        f"{looked}; name another file or folder, or shapes"
    )


def _counts(files: Sequence[Path]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for file in files:
        name = next((n for n, kind in KINDS.items() if kind.holds(file)), None)
        if name is not None:
            counts[name] = counts.get(name, 0) + 1
    return counts


_ONE = {"tfrecord": "TFRecord file(s)", "video": "video(s)", "hdf5": "HDF5 file(s)"}


def _open_tfrecord(data: DataConfig, frame_size: int, cache_dir: Path | None) -> ClipSource:
    from farframe.data.tfrecord import TFRecordSource

    return TFRecordSource.open(
        located(data.path),
        frame_size,
        fps=data.fps,
        strict=data.strict,
        controls=data.controls,
        camera=data.camera,
        crop=data.crop,
        cache_dir=cache_dir,
    )


def _tfrecord_actions(data: DataConfig) -> int:
    from farframe.data.tfrecord_find import first_action_dim

    return first_action_dim(located(data.path), data.controls)


def _open_lerobot(data: DataConfig, frame_size: int, cache_dir: Path | None) -> ClipSource:
    from farframe.data.lerobot import LeRobotSource

    return LeRobotSource.open(
        Path(data.path).expanduser(),
        frame_size,
        camera=data.camera,
        fps=float(data.fps),
        crop=data.crop,
        controls=data.controls,
        strict=data.strict,
        cache=data.cache == "on",
        cache_dir=cache_dir,
    )


def _lerobot_actions(data: DataConfig) -> int:
    from farframe.data.lerobot_info import read_info

    actions = read_info(Path(data.path).expanduser(), data.controls != "zeros").actions
    return actions[1] if actions else 0


def _open_video(data: DataConfig, frame_size: int, cache_dir: Path | None) -> ClipSource:
    from farframe.data.video_folder import VideoFolder

    return VideoFolder.open(data, frame_size, cache_dir)


def _video_actions(data: DataConfig) -> int:
    from farframe.data.video_choice import find_videos, tables_of
    from farframe.data.video_table import read_table

    tables = tables_of(find_videos(Path(data.path).expanduser()), data.controls)
    if not tables:
        return 0
    return read_table(next(iter(tables.values()))).actions.shape[1]


def _open_frames(data: DataConfig, frame_size: int, cache_dir: Path | None) -> ClipSource:
    from farframe.data.frames_folder import FramesFolder

    return FramesFolder.open(data, frame_size, cache_dir)


def _frames_actions(data: DataConfig) -> int:
    from farframe.data.frames_choice import first_action_dim

    return first_action_dim(data)


def _open_hdf5(data: DataConfig, frame_size: int, cache_dir: Path | None) -> ClipSource:
    from farframe.data.hdf5 import Hdf5Source

    return Hdf5Source.open(data, frame_size)


def _hdf5_actions(data: DataConfig) -> int:
    from farframe.data.hdf5_choice import first_action_dim

    return first_action_dim(data)


def _open_shapes(data: DataConfig, frame_size: int, cache_dir: Path | None) -> ClipSource:
    from farframe.worlds.shapes import ShapesSource

    return ShapesSource(
        clips=data.clips, length=data.clip_length, frame_size=frame_size, seed=data.world_seed
    )


def _open_human36m(data: DataConfig, frame_size: int, cache_dir: Path | None) -> ClipSource:
    from farframe.data.human36m import Human36M

    return Human36M.open(data, frame_size, cache_dir)


def _no_actions(data: DataConfig) -> int:
    return 0


KINDS: Mapping[str, Kind] = {
    "lerobot": Kind(
        looks=f"a LeRobotDataset ({INFO})",
        open=_open_lerobot,
        action_dim=_lerobot_actions,
        marks=is_lerobot,
    ),
    "tfrecord": Kind(
        looks=f"TFRecords ({NAMES})",
        open=_open_tfrecord,
        action_dim=_tfrecord_actions,
        holds=lambda path: not is_video(path) and not is_image(path) and is_tfrecord(path),
        remote=True,
    ),
    "human36m": Kind(
        looks="Human3.6M (S1/Videos, S5/Videos, ...)",
        open=_open_human36m,
        action_dim=_no_actions,
        marks=is_human36m,
    ),
    "video": Kind(
        looks="videos (.mp4, .avi, .mkv, .webm, .gif, ...)",
        open=_open_video,
        action_dim=_video_actions,
        holds=is_video,
    ),
    "frames": Kind(
        looks="pictures (.png, .jpg, ...)",
        open=_open_frames,
        action_dim=_frames_actions,
        holds=is_image,
    ),
    "hdf5": Kind(
        looks="HDF5 files (.hdf5, .h5)",
        open=_open_hdf5,
        action_dim=_hdf5_actions,
        holds=is_hdf5,
    ),
    "shapes": Kind(looks="", open=_open_shapes, action_dim=_no_actions),
}
"""Name -> kind, in the order in which a path is asked. The first that knows it takes it."""
