"""What ``farframe predict RUN INPUT`` does: read the context, predict, draw, write a folder.

Frames are counted from the end of the context, as in ``HierarchicalModel.predict``: 1 is the
first predicted frame, 0 the last given one.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from farframe import __version__
from farframe.config import DataConfig, check
from farframe.data.actions import read_actions
from farframe.data.source import ClipSource, DataError
from farframe.data.tables import file_beside
from farframe.models.hierarchical import HierarchicalModel
from farframe.prediction_files import check_out, draw, staged, write_files
from farframe.types import Clip

_UNKNOWN_FPS = 10.0  # rate of pictures and TFRecords whose files tell none: Robot Push's
_NUMBER = re.compile(r"\d+$")
_WORLD = re.compile(r"shapes:(\d{1,6})")


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """What to predict, and from which part of the input."""

    horizon: int
    """Frames to predict after the context."""
    every: int = 1
    """Draw every n-th of them only."""
    at: tuple[int, ...] = ()
    """Draw only these, counted from 1 after the context: 1000 is the 1,000th predicted frame."""
    start: int = 0
    """Frame of the input, counted from 0 (and after --fps), at which the context starts."""
    context: int = 0
    """Frames given to the model (0: as many as it was trained with)."""
    fps: float = 0.0
    """Resample a video to this rate first (0: its own). For pictures, TFRecords and HDF5 it only
    sets how fast the result plays (0: what the file says, or 10)."""
    crop: str = "center"
    """Videos, pictures, HDF5, Google's push: center, stretch, or X,Y,SIDE in pixels."""
    camera: str = ""
    """TFRecords and HDF5 with several cameras: which one."""
    actions: Path | None = None
    """CSV, .npy or .npz with one action for each frame of the input and on into the future (a
    folder of pictures: actions.csv, .npy or .npz in it)."""
    samples: int = 1
    """Futures to draw from a stochastic model."""
    npz: bool = False
    """Also write the numbers: frames, masks, encodings and times."""
    clip: int = 0
    """TFRecords and HDF5: number of the record, or of the demonstration, in the file."""
    overwrite: bool = False
    """Replace an earlier prediction in the same folder."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            check(getattr(self, name) >= least, f"--{name}", getattr(self, name), _at_least(least))
        check(math.isfinite(self.fps), "--fps", self.fps, "must be a finite number")
        last = self.horizon
        check(self.every <= last, "--every", self.every, f"must lie in 1 to {last}, the horizon")
        wrong = [frame for frame in self.at if not 1 <= frame <= last]
        rule = f"predicted frames are numbered 1 to {last}, the horizon; raise --horizon for later"
        check(not wrong, "--at", ",".join(map(str, wrong)), rule)
        check(not self.at or self.every == 1, "--every", self.every, "excludes --at: give one")


_LEAST = {"horizon": 1, "every": 1, "start": 0, "context": 0, "fps": 0, "samples": 1, "clip": 0}


def _at_least(least: int) -> str:
    return f"must be at least {least}"


@dataclass(frozen=True, kw_only=True)
class PredictOutputs:
    """What was written."""

    folder: Path
    files: tuple[Path, ...]
    times: tuple[int, ...]
    """Frames drawn, counted from 1 after the context."""
    context_frames: int
    true_frames: int
    """How many of the drawn frames the input holds too; there is a comparison if any."""
    fps: float
    """Playback rate of the videos."""


def predict_file(
    model: HierarchicalModel, source: Path, out: Path, *, options: PredictOptions
) -> PredictOutputs:
    """Predict what follows on some frames of ``source`` and write it into the folder ``out``.

    ``source`` is a video file, a GIF, a folder of pictures, a TFRecord or HDF5 file, or
    ``shapes:INDEX``, a test clip of the shapes world. Frames of it after the context are truth to
    compare with. Videos play at the input's rate divided by ``every`` and at least one frame a
    second; with ``at`` they show one frame a second. The files in ``out`` appear together, at the
    end.

    Raises:
        ValueError: for a mistake in the options, or an ``out`` that is a file, can't be written
            or holds a prediction already. Nothing is written.
        DataError: if ``source`` or the actions can't be read, or have too few frames.
    """
    needed = model.config.context_frames
    context = options.context or needed
    check(context >= needed, "--context", context, f"this model needs {needed} frames or more")
    check_out(out, options.overwrite)
    clip = read_input(source, model.config.frame_size, options, context + options.horizon)
    if len(clip) < context:
        raise DataError(
            f"{source} has {len(clip)} frame(s) from frame {options.start} on: {context} are "
            "needed as context; choose an earlier --start or a longer input"
        )
    prediction = model.predict(
        clip.frames[:context],
        _actions(clip, source, model.config.action_dim, options, context),
        horizon=options.horizon,
        every=options.every,
        at=sorted(set(options.at)) or None,
        samples=options.samples,
    )
    drawing = draw(clip, context, prediction)
    slowest = min(clip.fps, 1.0)
    fps = slowest if options.at else max(clip.fps / options.every, slowest)
    report = {
        "farframe": __version__,
        "input": str(source),
        "clip": clip.id,
        "input_fps": clip.fps,
        "playback_fps": fps,
        "frame_size": model.config.frame_size,
        "context_frames": context,
        "true_frames": len(drawing.truth),
        "times": drawing.times,
        "options": asdict(options),
    }
    with staged(out) as folder:
        names = write_files(folder, drawing, fps, prediction if options.npz else None, report)
    return PredictOutputs(
        folder=out,
        files=tuple(out / name for name in names),
        times=drawing.times,
        context_frames=context,
        true_frames=len(drawing.truth),
        fps=fps,
    )


def read_input(source: Path, frame_size: int, options: PredictOptions, count: int) -> Clip:
    """Read up to ``count`` frames of ``source`` from ``options.start`` on.

    Raises:
        DataError: if it is missing, of no known kind or broken, or ends before ``start``.
        ValueError: if an option is given that this kind of input has no use for.
    """
    from farframe.data.files import is_regular
    from farframe.data.hdf5_files import is_hdf5
    from farframe.data.tfrecord_file import is_tfrecord

    world = _WORLD.fullmatch(str(source))
    if world and not os.path.exists(source):
        _refuse(source, options, "clip", "fps", "crop", "camera")
        return _test_clip(int(world[1]), frame_size, options.start, count)
    if not (os.path.isdir(source) or is_regular(source)):
        raise DataError(
            f"{source}: there is no such file or folder; give a video, a GIF, a folder of "
            "pictures, a TFRecord or HDF5 file, or shapes:0 (shapes:1, ...) for a generated clip"
        )
    if is_hdf5(source) or is_tfrecord(source):
        return _record(source, frame_size, options, count)
    from farframe.data.image_folder import read_frames_folder
    from farframe.data.video_clip import read_video

    _refuse(source, options, "clip", "camera")
    folder = source.is_dir()
    return (read_frames_folder if folder else read_video)(
        source,
        frame_size=frame_size,
        fps=options.fps or (_UNKNOWN_FPS if folder else 0.0),
        crop=options.crop,
        start=options.start,
        count=count,
        partial=True,
    )


def _refuse(source: Path, options: PredictOptions, *names: str) -> None:
    """Complain about options that would be ignored in silence."""
    for name in names:
        value = getattr(options, name)
        unset = value == getattr(PredictOptions, name)
        check(unset, f"--{name}", value, f"means nothing for {source}; leave it out")


def _test_clip(index: int, frame_size: int, start: int, count: int) -> Clip:
    """Clip ``index`` of the shapes world's test split, which no run is ever trained on."""
    from farframe.data.splits import segments
    from farframe.worlds.shapes import ShapesSource

    clips = 20 * index + 200  # a tenth of them are test clips
    source = ShapesSource(clips=clips, length=start + count, frame_size=frame_size, seed=0)
    chosen = segments(source, DataConfig(path="shapes", split="hash"), "test")[index]
    return source.read(chosen.recording, range(start, start + count))


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
    index = numbers[options.clip]
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


def _actions(
    clip: Clip, source: Path, action_dim: int, options: PredictOptions, context: int
) -> Float[np.ndarray, "t a"] | None:
    """An action for every step of the rollout, from the file or from the input itself.

    Row r of a file belongs to frame r of the input, so that ``start`` skips rows too.
    """
    steps = context + options.horizon - 1
    if not action_dim:
        rule = "this model was trained without actions; leave it out"
        check(options.actions is None, "--actions", str(options.actions), rule)
        return None
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
    return given[rows - steps : rows]
