"""What a prediction starts from: a clip out of any file that people have, and its actions."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from farframe.config import DataConfig, check
from farframe.data.actions import read_actions
from farframe.data.source import ClipSource, DataError
from farframe.data.tables import file_beside
from farframe.prediction_options import PredictOptions
from farframe.prediction_world import WORLDS, WorldClip
from farframe.types import Clip

_UNKNOWN_FPS = 10.0  # rate of pictures and TFRecords whose files tell none: Robot Push's
_NUMBER = re.compile(r"\d+$")


def read_input(
    source: Path,
    frame_size: int,
    options: PredictOptions,
    count: int,
    *,
    controls: bool = False,
    stride: int = 1,
) -> Clip:
    """Read up to ``count`` frames of ``source`` from ``options.start`` on.

    With ``controls`` a video's actions are looked for beside it. ``stride`` is for worlds, whose
    rate is known: every n-th of their frames, as the model was trained.

    Raises:
        DataError: if it is missing, of no known kind or broken, or ends before ``start``.
        ValueError: if an option is given that this kind of input has no use for.
    """
    from farframe.data.files import is_regular
    from farframe.data.hdf5_files import is_hdf5
    from farframe.data.lerobot_info import is_lerobot
    from farframe.data.tfrecord_file import is_tfrecord

    world = WorldClip.named(source)
    if world:
        _refuse(source, options, "clip", "fps", "crop", "camera")
        return world.make(frame_size, options.start, count, stride)
    if not (os.path.isdir(source) or is_regular(source)):
        raise DataError(
            f"{source}: there is no such file or folder; give a video, a GIF, a folder of "
            "pictures, a TFRecord or HDF5 file, a LeRobot folder, or for a clip that is made now "
            f"a world and a number: {', '.join(f'{name}:0' for name in WORLDS)}"
        )
    if is_lerobot(source):
        return _episode(source, frame_size, options, count)
    if is_hdf5(source) or is_tfrecord(source):
        return _record(source, frame_size, options, count)
    from farframe.data.image_folder import read_frames_folder
    from farframe.data.video_clip import read_video

    _refuse(source, options, "clip", "camera")
    part: dict[str, Any] = {
        "start": options.start,
        "count": count,
        "partial": True,
        "crop": options.crop,
    }
    if source.is_dir():
        fps = options.fps or _UNKNOWN_FPS
        return read_frames_folder(source, frame_size=frame_size, fps=fps, **part)
    return read_video(source, frame_size=frame_size, fps=options.fps, controls=controls, **part)


def _refuse(source: Path, options: PredictOptions, *names: str) -> None:
    """Complain about options that would be ignored in silence."""
    for name in names:
        value = getattr(options, name)
        unset = value == getattr(PredictOptions, name)
        check(unset, f"--{name}", value, f"means nothing for {source}; leave it out")


def _record(path: Path, frame_size: int, options: PredictOptions, count: int) -> Clip:
    """Some frames of one record of a TFRecord file, or of one demonstration of an HDF5 file."""
    source = _source(path, frame_size, options)
    ends = (_NUMBER.search(recording.id) for recording in source.recordings)
    numbers = {int(end[0]): i for i, end in enumerate(ends) if end}
    if options.clip not in numbers:
        known = f"numbered {min(numbers)} to {max(numbers)}" if numbers else "not numbered"
        raise DataError(
            f"{path} has no readable record {options.clip}: its {len(source.recordings)} readable "
            f"records are {known}; choose another --clip"
        )
    return _part(source, numbers[options.clip], options, count)


def _episode(path: Path, frame_size: int, options: PredictOptions, count: int) -> Clip:
    """Some frames of one episode of a LeRobotDataset."""
    from farframe.data.lerobot import LeRobotSource
    from farframe.data.part import check_part, crop_of

    crop_of(options.crop)
    check_part(options.fps, options.start, count)
    source: ClipSource = LeRobotSource.open(
        path,
        frame_size,
        camera=options.camera,
        fps=options.fps,
        crop=options.crop,
        only=options.clip,
    )
    return _part(source, 0, options, count)


def _part(source: ClipSource, index: int, options: PredictOptions, count: int) -> Clip:
    """Frames of a recording, as many as there are."""
    stop = min(options.start + count, source.recordings[index].length)
    return source.read(index, range(min(options.start, stop), stop))


def _source(path: Path, frame_size: int, options: PredictOptions) -> ClipSource:
    from farframe.data.hdf5 import Hdf5Source
    from farframe.data.hdf5_files import is_hdf5
    from farframe.data.tfrecord import TFRecordSource

    crop, camera = options.crop, options.camera
    if is_hdf5(path):
        data = DataConfig(path=str(path), fps=options.fps, crop=crop, camera=camera)
        return Hdf5Source.open(data, frame_size)
    source = TFRecordSource.open(
        path,
        frame_size,
        fps=options.fps,
        default_fps=_UNKNOWN_FPS,
        camera=camera,
        crop=crop,
        store_index=False,
    )
    if not source.crops:
        _refuse(path, options, "crop")
    return source


@dataclass(frozen=True)
class Actions:
    """An action for every step of a rollout, and where they come from."""

    values: Float[np.ndarray, "t a"] | None = None
    origin: str = ""
    """A file, or the input; empty for a model without actions."""
    replaced: bool = False
    """Whether the input has other actions of its own, under which its frames came about."""


def actions_for(
    clip: Clip, source: Path, action_dim: int, options: PredictOptions, context: int
) -> Actions:
    """Actions from the file, or from the input itself.

    Row r of a file belongs to frame r of the input, so that ``start`` skips rows too.
    """
    steps = context + options.horizon - 1
    if not action_dim:
        rule = "this model was trained without actions; leave it out"
        check(options.actions is None, "--actions", str(options.actions), rule)
        return Actions()
    file = options.actions
    if file is None and source.is_dir():
        file = file_beside(source, "actions")
    given = clip.actions if file is None else read_actions(file)
    where = file or source
    rows = options.start + steps
    if not given.shape[1]:
        raise DataError(
            f"{source} has no actions, and this model was trained with {action_dim} numbers a "
            f"frame: give --actions FILE with {rows} rows"
        )
    if given.shape[1] != action_dim:
        raise DataError(
            f"{where} has actions of {given.shape[1]} numbers: this model was trained with "
            f"{action_dim}"
        )
    if file is None:
        rows = steps
    if len(given) < rows:
        raise DataError(
            f"{where} has {len(given)} actions: {rows} are needed for {context} context frames "
            f"and a horizon of {options.horizon}, starting at frame {options.start}; lower "
            "--horizon or give a longer file of --actions"
        )
    replaced = options.actions is not None and clip.actions.shape[1] > 0
    return Actions(given[rows - steps : rows], str(where), replaced)
