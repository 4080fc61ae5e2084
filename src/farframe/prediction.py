"""What ``farframe predict RUN INPUT`` does: read the context, predict, draw, write a folder.

Frames are counted from the end of the context, as in ``HierarchicalModel.predict``: 1 is the
first predicted frame, 0 the last given one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from farframe import __version__
from farframe.config import check
from farframe.data.source import DataError
from farframe.models.video_model import VideoModel
from farframe.prediction_files import check_out, draw, staged, write_files
from farframe.prediction_input import Actions, actions_for, read_input
from farframe.prediction_options import PredictOptions
from farframe.prediction_world import WorldClip
from farframe.types import Clip


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
    said: tuple[str, ...] = ()
    """What to know of the input, a line each: whose actions, which frames."""


def predict_file(
    model: VideoModel, source: Path, out: Path, *, options: PredictOptions, stride: int = 1
) -> PredictOutputs:
    """Predict what follows on some frames of ``source`` and write it into the folder ``out``.

    ``source`` is a video file, a GIF, a folder of pictures, a TFRecord or HDF5 file, a
    LeRobotDataset, or a test clip of a world, made now: ``shapes:0``, ``robot-push:3``; of these
    every ``stride``-th frame is taken, as the model was trained. Frames of it after the context
    are truth to compare with. The files in ``out`` appear together, at the end.

    Raises:
        ValueError: for a mistake in the options, or an ``out`` that is a file, can't be written
            or holds a prediction already. Nothing is written.
        DataError: if ``source`` or the actions can't be read, or have too few frames.
    """
    needed = model.config.context_frames
    context = options.context or needed
    check(context >= needed, "--context", context, f"this model needs {needed} frames or more")
    check_out(out, options.overwrite)
    controls = bool(model.config.action_dim) and options.actions is None
    size, count = model.config.frame_size, context + options.horizon
    clip = read_input(source, size, options, count, controls=controls, stride=stride)
    _check_length(clip, context, source, options)
    actions = actions_for(clip, source, model.config.action_dim, options, context)
    prediction = model.predict(
        clip.frames[:context],
        actions.values,
        horizon=options.horizon,
        every=options.every,
        at=sorted(set(options.at)) or None,
        samples=options.samples,
        int8=options.int8,
    )
    clip = replace(clip, fps=clip.fps / stride) if WorldClip.named(source) else clip
    drawing, fps = draw(clip, context, prediction), _playback_fps(clip, options)
    report = {
        "farframe": __version__,
        "input": str(source),
        "clip": clip.id,
        "input_fps": clip.fps,
        "actions": actions.origin,
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
        said=tuple(_said(source, actions, stride, bool(len(drawing.truth)))),
    )


def _check_length(clip: Clip, context: int, source: Path, options: PredictOptions) -> None:
    if len(clip) < context:
        raise DataError(
            f"{source} has {len(clip)} frame(s) from frame {options.start} on: {context} are "
            "needed as context; choose an earlier --start or a longer input"
        )


def _said(source: Path, actions: Actions, stride: int, compared: bool) -> Iterator[str]:
    """What is not in the command: whose actions were taken, and which frames of a world."""
    if actions.origin == str(source):
        yield f"actions: those of {source} itself (--actions FILE replaces them)"
    elif actions.origin:
        own = f"; the true frames came about under {source}'s own" if actions.replaced else ""
        yield f"actions: {actions.origin}{own if compared else ''}"
    if WorldClip.named(source) and stride > 1:
        yield f"frames: one of {stride} of {source}, as in the training"


def _playback_fps(clip: Clip, options: PredictOptions) -> float:
    """The input's rate divided by ``every``, at least one frame a second; with ``at`` just one."""
    slowest = min(clip.fps, 1.0)
    return slowest if options.at else max(clip.fps / options.every, slowest)
