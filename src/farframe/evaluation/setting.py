"""All that an evaluation needs before its first clip is predicted: found, loaded and checked."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from farframe.config import DataConfig
from farframe.data.clips import ClipWindows
from farframe.data.source import ClipSource, DataError, open_source
from farframe.data.splits import Segment, segments
from farframe.evaluation.features import Features
from farframe.evaluation.finder import Finder, thing_of
from farframe.evaluation.fvd import FVD, check_clips, pieces
from farframe.evaluation.measure import Measuring
from farframe.evaluation.options import PROTOCOLS, EvaluateOptions
from farframe.evaluation.subjects import baselines_of, hierarchical
from farframe.evaluation.tally import REPLICATES
from farframe.models.video_model import VideoModel
from farframe.run import Found, find, load_config

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A model, clips, and what is measured of them."""

    found: Found
    options: EvaluateOptions
    protocol: str
    model: VideoModel
    data: DataConfig
    source: ClipSource
    windows: ClipWindows
    indices: list[int]
    context: int
    what: Measuring

    @staticmethod
    def of(
        run: Path, options: EvaluateOptions, protocol: str, device: str, cache: Path | None = None
    ) -> Setting:
        """Open a run and data as the options say; ``cache`` is for decoded frames (None: RUN's).

        Raises:
            ValueError: if weights that a metric needs are missing, or options don't fit the model.
            DataError: if the data can't be read, or its clips are too short for the horizon.
        """
        found = find(run)
        data = _data(found.folder, options, protocol)
        model = found.load(device)
        context = _context(options, model)
        what = _measuring(options, model, context)
        source = open_source(
            data, model.config.frame_size, cache_dir=cache or found.folder / "cache"
        )
        _check_actions(source, model, data)
        windows = _windows(source, data, options, context)
        indices = windows.spread(options.clips)
        thing = thing_of(source.read(windows.locate(indices[0])[0], range(1)).labels)
        if thing:
            what = replace(what, finder=Finder.load(thing, model.device))
        if what.fvd:
            check_clips(len(indices))
        setting = Setting(
            found=found,
            options=options,
            protocol=protocol,
            model=model,
            data=data,
            source=source,
            windows=windows,
            indices=indices,
            context=context,
            what=what,
        )
        setting.check_rate()
        return setting

    @property
    def fps(self) -> float:
        """Frames per second of the clips, after the stride."""
        return self.source.recordings[self.windows.locate(0)[0]].fps / self.data.stride

    def check_rate(self) -> None:
        """Tell of clips at another rate than the protocol means."""
        wanted = PROTOCOLS[self.protocol].fps if self.protocol else 0.0
        if wanted not in (0.0, self.fps):
            said = "protocol %s means %g frames/s, these clips have %g"
            logger.warning(said, self.protocol, wanted, self.fps)


def _data(folder: Path, options: EvaluateOptions, protocol: str) -> DataConfig:
    """The data of the options, else the run's, as the protocol wants it."""
    data = load_config(folder).data
    if options.data:
        data = replace(data, path=options.data, kind="auto")
    if options.stride:
        data = replace(data, stride=options.stride)
    if not data.path:
        raise ValueError(f"{folder} has no data of its own: name data to evaluate on with --data")
    if protocol:
        wanted = PROTOCOLS[protocol]
        if wanted.world and data.path != wanted.world:
            raise ValueError(
                f"protocol {protocol} is about the world {wanted.world}, not {data.path}: give "
                f"--data {wanted.world}"
            )
        data = replace(data, **wanted.data)
    return data


def _context(options: EvaluateOptions, model: VideoModel) -> int:
    least = model.config.context_frames
    if 0 < options.context < least:
        raise ValueError(
            f"--context is {options.context}: this model was trained with {least} given frames "
            "and needs as many"
        )
    return options.context or least


def _measuring(options: EvaluateOptions, model: VideoModel, context: int) -> Measuring:
    """Networks that measure are loaded here, before the data is touched."""
    features = Features.load(options.metrics, model.device)
    fvd = None
    if features.i3d is not None:
        length = options.horizon + (context if options.fvd_context else 0)
        fvd = FVD(features.i3d, pieces(length, options.fvd_frames))
    samples = options.samples
    if samples > 1 and not model.config.stochastic:
        logger.info("every sample of this model is the same: 1 is drawn instead of %d", samples)
        samples = 1
    return Measuring(
        metrics=features.metrics,
        baselines=baselines_of(model),
        samples=samples,
        seed=options.seed,
        replicates=REPLICATES,
        encodings=hierarchical(model) is not None,
        fvd=fvd,
        fvd_context=options.fvd_context,
    )


def _check_actions(source: ClipSource, model: VideoModel, data: DataConfig) -> None:
    if model.config.action_dim not in (0, source.action_dim):
        raise DataError(
            f"{data.path}: its actions have {source.action_dim} numbers, but the model was trained "
            f"with actions of {model.config.action_dim}: evaluate it on data with the same actions"
        )


def _windows(
    source: ClipSource, data: DataConfig, options: EvaluateOptions, context: int
) -> ClipWindows:
    """All windows of ``context + horizon`` frames of a split; one clear error if there is none."""
    split, needed = options.split, context + options.horizon
    if split == "all":
        parts = [Segment(i, 0, r.length) for i, r in enumerate(source.recordings)]
    else:
        parts = segments(source, data, split)
    available = (max(part.stop - part.start for part in parts) - 1) // data.stride + 1
    if available < needed:
        way_out = (
            f"lower --horizon to {available - context} or less"
            if available > context
            else "give longer recordings"
        )
        raise DataError(
            f"{data.path}: the longest clip (split: {split}) has {available} frames, but context "
            f"{context} + horizon {options.horizon} needs {needed}: {way_out}"
        )
    drawn = split == "test" and data.split == "srvp"  # its clips are to begin where they begin
    return ClipWindows(source, parts, needed, data.stride, first=drawn)
