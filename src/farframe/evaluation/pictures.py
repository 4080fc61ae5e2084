"""Pictures of single clips for the report: sheets that players cut, and strips of a few frames."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from farframe.models.video_model import Predicted
from farframe.types import Clip
from farframe.video import panels

MOST_FRAMES = 160  # of a player: a longer horizon is shown in steps
_COLUMNS = 24


@dataclass(frozen=True)
class Example:
    """A clip as the report shows it.

    ``panels`` are truth, prediction, mask (where the model has masks) and error by these names,
    each "t h w 3" with the given frames first; ``times`` numbers their frames, 1 being the first
    predicted one.
    """

    title: str
    note: str
    fps: float
    times: tuple[int, ...]
    panels: Mapping[str, UInt8[np.ndarray, "t h w 3"]]

    @staticmethod
    def of(
        title: str, note: str, clip: Clip, drawn: Predicted, context: int, fps: float
    ) -> Example:
        """From a clip and what was predicted of it."""
        horizon = drawn.frames.shape[1]
        shown = panels(clip.frames[: context + horizon], *arrays(drawn))
        whole = Example(title, note, fps, tuple(range(1 - context, horizon + 1)), shown)
        return whole.at(_thinned(context, horizon))

    def at(self, times: Sequence[int]) -> Example:
        """The same at some times only."""
        where = [self.times.index(t) for t in times]
        panels = {name: panel[where] for name, panel in self.panels.items()}
        return Example(self.title, self.note, self.fps, tuple(times), panels)

    def sheet(self) -> tuple[str, int]:
        """All frames of all panels in one picture, and the number of its columns.

        Frame i of panel p of n lies in column i % columns of row n (i // columns) + p.
        """
        count, deep, size = len(self.times), len(self.panels), self.panels["truth"].shape[1]
        columns = min(_COLUMNS, count)
        rows = math.ceil(count / columns)
        sheet = np.zeros((rows * deep * size, columns * size, 3), np.uint8)
        for p, panel in enumerate(self.panels.values()):
            for i, picture in enumerate(panel):
                y, x = (deep * (i // columns) + p) * size, (i % columns) * size
                sheet[y : y + size, x : x + size] = picture
        return png(sheet), columns


def strip(frames: Sequence[UInt8[np.ndarray, "h w 3"]]) -> str:
    """Pictures side by side with a transparent line between, as an image's address."""
    solid = [np.pad(f, ((0, 0), (0, 0), (0, 1)), constant_values=255) for f in frames]
    return png(np.concatenate([np.pad(f, ((0, 0), (0, 1), (0, 0))) for f in solid], 1)[:, :-1])


def png(picture: UInt8[np.ndarray, "h w c"]) -> str:
    """A picture (RGB, or with opacity) as the address of an image that lies in the page itself."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def arrays(
    drawn: Predicted,
) -> tuple[Float[np.ndarray, "n c h w"], Float[np.ndarray, "n 1 h w"] | None]:
    """Frames of a prediction's first clip, and its masks where the model has any."""
    frames, masks = drawn.frames, drawn.masks
    shown = None if masks is None else masks[0].float().cpu().numpy()
    return frames[0].float().cpu().numpy(), shown


def _thinned(context: int, horizon: int) -> list[int]:
    """All given frames and every k-th predicted one, the last included."""
    step = math.ceil(horizon / MOST_FRAMES)
    return [*range(1 - context, 1), *sorted({1, *range(step, horizon + 1, step), horizon})]
