"""The folder that a prediction is written into: its videos, its strip, its numbers.

All files appear together when the last one is complete. Where they replace an earlier prediction,
``prediction.json`` is there only while all files are of one prediction.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from farframe import video
from farframe.atomic import sweep, temporary
from farframe.models.video_model import Predicted
from farframe.types import Clip

OUTPUTS = (
    "prediction.mp4",
    "masks.mp4",
    "comparison.mp4",
    "strip.png",
    "prediction.npz",
)
REPORT = "prediction.json"
"""Every file that a prediction may write, and the one that says how it was made."""

_CHUNK = 32  # pictures enlarged at once: 256-pixel videos of any length fit into memory
_STRIP_COLUMNS = 10
_STRIP_SAMPLES = 4


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Everything that is shown, as bytes; ``truth`` belongs to the first m drawn frames.

    ``masks`` is None for a model that has none.
    """

    given: UInt8[np.ndarray, "k 3 h w"]
    truth: UInt8[np.ndarray, "m 3 h w"]
    frames: UInt8[np.ndarray, "s n 3 h w"]
    masks: UInt8[np.ndarray, "s n 1 h w"] | None
    times: tuple[int, ...]

    def samples_of_masks(self) -> list[UInt8[np.ndarray, "n 1 h w"]]:
        """Each sample's masks; none for a model without."""
        return [] if self.masks is None else list(self.masks)


def draw(clip: Clip, context: int, prediction: Predicted) -> Drawing:
    """Turn a prediction on the first ``context`` frames of ``clip`` into bytes; find its truth."""
    masks = prediction.masks
    known = [t for t in prediction.times if context + t <= len(clip)]
    return Drawing(
        given=clip.frames[:context],
        truth=clip.frames[[context + t - 1 for t in known]],
        frames=video.to_uint8(prediction.frames.cpu().numpy()),
        masks=None if masks is None else video.to_uint8(masks.cpu().numpy()),
        times=prediction.times,
    )


def write_files(
    folder: Path,
    drawing: Drawing,
    fps: float,
    arrays: Predicted | None,
    report: Mapping[str, object],
) -> list[str]:
    """Write everything and name it: videos that play at ``fps``, numbers if ``arrays`` is given.

    ``report`` goes into ``prediction.json``.
    """
    given = len(drawing.given)
    black = np.zeros_like(drawing.given[:, :1])
    frames = [np.concatenate((drawing.given, sample)) for sample in drawing.frames]
    masks = [np.concatenate((black, sample)) for sample in drawing.samples_of_masks()]
    video.write_video(folder / "prediction.mp4", _side_by_side(frames, given), fps)
    if masks:
        video.write_video(folder / "masks.mp4", _side_by_side(masks, given), fps)
    if len(drawing.truth):
        truth = np.concatenate((drawing.given, drawing.truth))
        compared = _compared(truth, frames[0], masks[0] if masks else None, given)
        video.write_video(folder / "comparison.mp4", compared, fps)
    video.write_png(folder / "strip.png", _strip(drawing))
    if arrays is not None:
        _write_arrays(folder / "prediction.npz", arrays)
    names = [*(name for name in OUTPUTS if (folder / name).exists()), REPORT]
    text = json.dumps({**report, "files": names}, indent=1, default=str)  # str: paths
    (folder / REPORT).write_text(text + "\n", "utf-8")
    return names


def _side_by_side(
    samples: Sequence[UInt8[np.ndarray, "t c h w"]], given: int
) -> Iterator[UInt8[np.ndarray, "h2 w2 3"]]:
    """All samples enlarged and bordered, more than one of them in a grid."""
    columns = math.ceil(math.sqrt(len(samples)))
    for start in range(0, len(samples[0]), _CHUNK):
        parts = (video.pictures(sample[start : start + _CHUNK]) for sample in samples)
        framed = [video.bordered(video.enlarge(part), given - start) for part in parts]
        named = {f"sample {i}": panel for i, panel in enumerate(framed, 1)}
        yield from video.beside(named, columns) if len(framed) > 1 else framed[0]


def _compared(
    truth: UInt8[np.ndarray, "t c h w"],
    frames: UInt8[np.ndarray, "n c h w"],
    masks: UInt8[np.ndarray, "n 1 h w"] | None,
    given: int,
) -> Iterator[UInt8[np.ndarray, "h2 w2 3"]]:
    """The panels of ``video.comparison`` for as long as there is truth."""
    for start in range(0, len(truth), _CHUNK):
        part = slice(start, min(start + _CHUNK, len(truth)))
        panels = truth[part], frames[part], None if masks is None else masks[part]
        yield from video.comparison(*panels, context=given - start, least=160)


def _strip(drawing: Drawing) -> UInt8[np.ndarray, "h w 3"]:
    """The last given frames and some predicted ones, dense at first and sparse later."""
    given, drawn = len(drawing.given), len(drawing.times)
    tail = range(max(0, given - 3), given)
    columns = np.unique(np.rint(np.geomspace(1, drawn, min(drawn, _STRIP_COLUMNS))).astype(int)) - 1
    context = list(video.pictures(drawing.given[tail.start :]))
    empty: list[UInt8[np.ndarray, "h w 3"] | None] = [None] * len(tail)
    rows: dict[str, list[UInt8[np.ndarray, "h w 3"] | None]] = {}
    if len(drawing.truth):
        truth = video.pictures(drawing.truth)
        rows["truth"] = [*context, *(truth[i] if i < len(truth) else None for i in columns)]
    masks = drawing.samples_of_masks()
    for i, frames in enumerate(drawing.frames[:_STRIP_SAMPLES]):
        number = f" {i + 1}" if len(drawing.frames) > 1 else ""
        rows[f"prediction{number}"] = [*context, *video.pictures(frames[columns])]
        if masks:
            rows[f"mask{number}"] = [*empty, *video.pictures(masks[i][columns])]
    times = [*(i - given + 1 for i in tail), *(drawing.times[i] for i in columns)]
    return video.strip(rows, times)


def _write_arrays(path: Path, prediction: Predicted) -> None:
    """Write what ``predict`` returned, as float32; the first axis is the sample."""
    arrays = {name: getattr(prediction, name) for name in ("frames", "masks", "enc_pred")}
    arrays = {name: array for name, array in arrays.items() if array is not None}
    np.savez(
        path,
        times=np.array(prediction.times),
        **{name: array.float().cpu().numpy() for name, array in arrays.items()},
    )


def check_out(out: Path, overwrite: bool) -> None:
    """Find out before hours of work whether the results can be put there."""
    for path in (out, *out.parents):
        if path.exists() and not path.is_dir():
            raise ValueError(f"--out {out}: {path} is a file; name a folder")
    check_writable(out)
    found = [name for name in (*OUTPUTS, REPORT) if (out / name).exists()]
    if found and not overwrite:
        raise ValueError(
            f"--out {out} holds a prediction already ({', '.join(found)}): name another folder, "
            "or replace it with --overwrite"
        )


def check_writable(out: Path) -> None:
    """Complain about a place where no file can be made, on a read-only disk for example."""
    nearest = next(path for path in (out, *out.absolute().parents) if path.is_dir())
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ValueError(f"--out {out}: {nearest} can't be written to; name another folder")


@contextmanager
def staged(out: Path) -> Generator[Path, None, None]:
    """Give a temporary folder; on success its files move to ``out``, on failure it vanishes.

    It lies in ``out``, or in the nearest folder above that exists, and so on the same disk. What
    an earlier prediction left in ``out`` and this one didn't write is removed. Whenever ``out``
    holds a report, the files beside it are those that it tells of: the old one goes first, the new
    one comes last.
    """
    home = next(path for path in (out, *out.absolute().parents) if path.is_dir())
    for folder in {home, out.absolute().parent}:
        sweep(folder)
    folder = temporary(home / out.name)
    try:
        folder.mkdir()
        yield folder
        if home != out:
            out.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(out)
        else:
            written = {path.name for path in folder.iterdir()}
            (out / REPORT).unlink(missing_ok=True)
            for name in (*OUTPUTS, REPORT):
                if name in written:
                    (folder / name).replace(out / name)
                else:
                    (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(f"--out {out}: can't be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
