"""Every window of every recording as one long sequence of clips, none of them stored."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from farframe.config import check
from farframe.data.source import ClipSource, DataError
from farframe.data.splits import Segment
from farframe.types import Clip

logger = logging.getLogger(__name__)


class TooShortError(DataError):
    """A recording without a single window, and how many frames it has."""

    def __init__(self, message: str, recording: str, length: int) -> None:
        super().__init__(message)
        self.recording = recording
        self.length = length


class ClipWindows:
    """Clip ``i`` of all windows of ``sequence_length`` frames, ``stride`` frames apart.

    A window starts at every frame of a segment from which it fits, or with ``first`` only where the
    segment starts; windows are numbered segment by segment, then in time. Only three numbers a
    segment are kept: a source may have 1e8 windows. Segments without a window are left out with a
    warning, unless ``strict``.

    Raises:
        TooShortError: if no segment is long enough for a single window, or with ``strict`` if one
            isn't.
        DataError: if there is no segment.
        ValueError: if ``sequence_length`` or ``stride`` is below 1.
    """

    def __init__(
        self,
        source: ClipSource,
        segments: Sequence[Segment],
        sequence_length: int,
        stride: int = 1,
        *,
        first: bool = False,
        strict: bool = False,
    ) -> None:
        check(sequence_length >= 1, "data.sequence_length", sequence_length, "must be >= 1")
        check(stride >= 1, "data.stride", stride, "must be >= 1")
        self.source = source
        self.sequence_length = sequence_length
        self.stride = stride
        table = np.array([(s.recording, s.start, s.stop) for s in segments], np.int64)
        recording, start, stop = table.reshape(-1, 3).T
        counts = stop - start - self.span + 1
        fits = counts > 0
        if not segments:
            raise DataError("there are no recordings to cut clips from")
        if not fits.any() or (strict and not fits.all()):
            raise self._too_short(segments, strict)
        if first:
            counts = np.minimum(counts, 1)
        if not fits.all():
            logger.warning(
                "%d of %d recordings are shorter than the %d frames a clip needs and are left out "
                "(sequence_length %d, stride %d)",
                np.count_nonzero(~fits),
                len(fits),
                self.span,
                sequence_length,
                stride,
            )
        self._recording, self._start = recording[fits], start[fits]
        self._ends = np.cumsum(counts[fits])  # a segment's windows end before this number

    @property
    def span(self) -> int:
        """Frames of a recording that a window covers, those that the stride skips included."""
        return (self.sequence_length - 1) * self.stride + 1

    def __len__(self) -> int:
        return int(self._ends[-1])

    def locate(self, index: int) -> tuple[int, range]:
        """Number of the recording and the frames of it that window ``index`` reads.

        Raises:
            IndexError: if there is no such window.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        segment = int(np.searchsorted(self._ends, index, side="right"))
        before = int(self._ends[segment - 1]) if segment else 0
        first = int(self._start[segment]) + index - before
        return int(self._recording[segment]), range(first, first + self.span, self.stride)

    def name(self, index: int) -> str:
        """The file that window ``index`` is read from, or its recording where there is no file."""
        recording = self.source.recordings[self.locate(index)[0]]
        return recording.file or recording.id

    def clip_id(self, index: int) -> str:
        """Id of the clip of window ``index``: ``<recording id>@<first frame>``."""
        recording, frames = self.locate(index)
        return f"{self.source.recordings[recording].id}@{frames.start}"

    def __getitem__(self, index: int) -> Clip:
        """Read window ``index``; the clip's id is ``clip_id``.

        Raises:
            IndexError: if there is no such window.
            DataError: if its file has gone bad since it was indexed, or an action or a pose is
                not finite.
        """
        recording, frames = self.locate(index)
        clip = self.source.read(recording, frames)
        assert len(clip) == self.sequence_length
        for name, values in (("action", clip.actions), ("pose", clip.poses)):
            if not np.isfinite(values).all():
                first = frames[int(np.flatnonzero(~np.isfinite(values).all(1))[0])]
                raise DataError(
                    f"{self.name(index)}: the {name} at frame {first} of "
                    f"{self.source.recordings[recording].id} holds NaN or infinity; mend the data"
                )
        return replace(clip, id=self.clip_id(index))

    def spread(self, count: int) -> list[int]:
        """``count`` windows, all different, spread evenly over recordings and over time.

        Always the same ones, in ascending order; all windows if there are fewer than ``count``.
        Recordings count alike, however long: a long one gets more than its share only when the
        short ones have no windows left. Within a recording windows are equally far apart.
        """
        check(count >= 0, "count", count, "must be >= 0")
        capacity = np.diff(self._ends, prepend=0)
        shares = _even_shares(capacity, min(count, len(self)))
        used = np.flatnonzero(shares)
        shares, capacity = shares[used], capacity[used]
        firsts = self._ends[used] - capacity
        # Window q of a segment's n is number floor((q + phase) * capacity / n); phases follow the
        # golden ratio, so that single windows of many segments still cover all times evenly.
        phase = (capacity * (np.arange(1, len(used) + 1) * 0.6180339887498949 % 1)).astype(np.int64)
        rank = np.arange(int(shares.sum())) - np.repeat(np.cumsum(shares) - shares, shares)
        offset = rank * np.repeat(capacity, shares) + np.repeat(phase, shares)
        return (np.repeat(firsts, shares) + offset // np.repeat(shares, shares)).tolist()

    def _too_short(self, segments: Sequence[Segment], strict: bool) -> TooShortError:
        """Tell of the longest recording where none holds a window, with ``strict`` of the first."""
        short = next(s for s in segments if s.stop - s.start < self.span)
        chosen = short if strict else max(segments, key=lambda s: s.stop - s.start)
        recording = self.source.recordings[chosen.recording]
        length = chosen.stop - chosen.start
        part = "" if length == recording.length else f" (of {recording.length} in all splits)"
        among = "" if strict else f", the most of {len(segments)} recording(s)"
        return TooShortError(
            f"{recording.id if strict else recording.file or recording.id}: {length} "
            f"frames{part}{among}, but a clip needs {self.span} (sequence_length "
            f"{self.sequence_length}, stride {self.stride}): lower --data.sequence-length or "
            "--data.stride",
            recording.id,
            length,
        )


def _even_shares(
    capacity: Int64[np.ndarray, " segments"], count: int
) -> Int64[np.ndarray, " segments"]:
    """Deal out ``count`` (at most the sum of ``capacity``) as evenly as the capacities allow.

    Everyone gets ``level`` or what he can take; what is then left goes to every n-th of those who
    can take one more.
    """
    level, above = 0, int(capacity.max()) + 1
    while above - level > 1:
        middle = (level + above) // 2
        if int(np.minimum(capacity, middle).sum()) <= count:
            level = middle
        else:
            above = middle
    shares = np.minimum(capacity, level)
    left = count - int(shares.sum())
    if left:
        open_ = np.flatnonzero(capacity > level)
        shares[open_[(2 * np.arange(left) + 1) * len(open_) // (2 * left)]] += 1
    return shares
