"""The few video files that a process keeps open while it streams."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from farframe.data.video_seek import FrameReader
from farframe.data.video_track import Track

KEPT_OPEN = 4  # files of one source in one process


class OpenFiles:
    """The files that one process has open for one source, the last few used.

    A pickled copy starts with none. A forked one does too: it can't share the parent's place in a
    file, and closing here would wait for decoding threads that exist only in the parent.
    """

    def __init__(self) -> None:
        self._process, self._lock = os.getpid(), threading.Lock()
        self._readers: OrderedDict[Path, FrameReader] = OrderedDict()
        self._inherited: list[OrderedDict[Path, FrameReader]] = []

    def __getstate__(self) -> dict[str, object]:
        return {}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__()

    @contextmanager
    def reader(self, path: Path, track: Track) -> Generator[FrameReader]:
        """A file's reader, for one thread at a time. After an error it is closed."""
        if os.getpid() != self._process:
            inherited = [*self._inherited, self._readers]
            self.__init__()
            self._inherited = inherited  # never used, never closed
        with self._lock:
            reader = self._readers.pop(path, None)
            if reader is None:
                # Loader workers are processes side by side: more threads would only compete.
                alone = multiprocessing.parent_process() is None
                reader = FrameReader(path, track, threads=0 if alone else 1)
            try:
                yield reader
            except BaseException:
                reader.close()
                raise
            self._readers[path] = reader
            while len(self._readers) > KEPT_OPEN:
                self._readers.popitem(last=False)[1].close()
