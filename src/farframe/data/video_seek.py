"""Any frame of an indexed video file, without decoding what lies before it where that is safe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8

from farframe.data.square import View
from farframe.data.video_picture import Picture, imprint
from farframe.data.video_reader import DECODE_ERRORS, decoded, open_container, why
from farframe.data.video_times import VideoError
from farframe.data.video_track import Track

SEEK_GAIN = 16  # frames that a jump must save: it empties the decoder's pipeline
MAX_LEAD = 2


class FrameReader:
    """One open video file; frames are numbered as in its ``track``.

    Going forward decodes on; anything else jumps to the noted keyframe before the wanted frame.
    After a jump every frame must have its own time, and those that are given out their own picture
    (some containers land elsewhere, some codecs need more than their keyframe, damage goes on).
    Where that fails once, the file is decoded from its start each time.
    """

    def __init__(self, path: Path, track: Track, threads: int = 0) -> None:
        self._path, self._track = path, track
        # Where a file is damaged it depends on the threads what still comes out.
        self._threads = 1 if track.damage else threads
        self._picture = Picture()
        self._open: tuple[InputContainer, VideoStream] | None = None
        self._frames: Iterator[VideoFrame] = iter(())
        self._next = 0  # number of the frame that self._frames gives next
        self._latest: VideoFrame | None = None  # the one before that
        self._jumped = False
        self._lead = 0  # how many keyframes before the wanted one a jump must aim
        self.seekable = track.pts is not None and len(track.keys) > 1

    def squares(self, numbers: Sequence[int], view: View) -> Iterator[UInt8[np.ndarray, "3 s s"]]:
        """The frames, cropped and resized; repeated numbers are decoded once.

        Raises:
            VideoError: if the file has changed since it was indexed.
        """
        made = -1, np.empty((3, 0, 0), np.uint8)
        for number in numbers:
            if number != made[0]:
                made = number, self._picture.square(self.frame(number), view)
            yield made[1]

    def frame(self, number: int) -> VideoFrame:
        """Decode one frame.

        Raises:
            VideoError: if the file has changed since it was indexed.
        """
        if self._latest is not None and number == self._next - 1:
            return self._latest
        keys = self._track.keys
        key = int(np.searchsorted(keys, number, side="right")) - 1
        ahead = self._open is not None and number >= self._next
        far = not ahead or (self.seekable and keys[key] - self._next >= SEEK_GAIN)
        if far and not (self.seekable and key > 0 and self._jump(key)):
            self._restart()
        while self._next <= number:
            try:
                self._latest = self._advance(number)
            except VideoError as error:
                if not self._jumped:
                    raise VideoError(f"it has changed since it was indexed ({error})") from error
                self.seekable = False
                self._restart()
        assert self._latest is not None
        return self._latest

    def _advance(self, target: int) -> VideoFrame:
        frame = next(self._frames, None)
        if frame is None:
            raise VideoError(f"no frame {self._next}")
        pts = self._track.pts
        if pts is not None and frame.pts != pts[self._next]:
            raise VideoError(f"another frame {self._next}")
        if self._jumped and self._next == target and not self._same(frame, target):
            raise VideoError(f"another picture {self._next}")
        self._next += 1
        return frame

    def _same(self, frame: VideoFrame, number: int) -> bool:
        return imprint(frame) == int(self._track.imprints[number])

    def _jump(self, key: int) -> bool:
        """Stand behind keyframe ``key``; False (for good) if the file does not allow it."""
        while self._lead <= MAX_LEAD:
            if self._land(key, max(0, key - self._lead)):
                return True
            self._lead += 1  # MPEG streams land behind what is asked for: ask for an earlier one
        self.seekable = False
        return False

    def _land(self, key: int, target: int) -> bool:
        """Jump to keyframe ``target``, decode on to ``key`` and look at it."""
        pts, keys = self._track.pts, self._track.keys
        assert pts is not None
        wanted = int(pts[keys[key]])
        try:
            container, stream = self._open or open_container(self._path, self._threads)
            self._open, self._latest = (container, stream), None
            container.seek(int(pts[keys[target]]), stream=stream)
            self._frames, self._jumped = decoded(container, stream), True
            frame = next((f for f in self._frames if f.pts is None or f.pts >= wanted), None)
            if frame is None or frame.pts != wanted:
                return False
            self._latest, self._next = frame, int(keys[key]) + 1
            return self._same(frame, self._next - 1)
        except DECODE_ERRORS:
            return False  # decoding from the start will tell whether the file is good

    def _restart(self) -> None:
        # Opened anew, since not every container can go back to its start.
        self.close()
        try:
            container, stream = open_container(self._path, self._threads)
        except VideoError as error:
            raise VideoError(f"it has changed since it was indexed ({why(error)})") from error
        self._open, self._frames = (container, stream), decoded(container, stream)
        self._next, self._jumped = 0, False

    def close(self) -> None:
        """Let go of the file."""
        self._frames, self._latest = iter(()), None
        if self._open is not None:
            self._open[0].close()
            self._open = None
