"""A LeRobotDataset (v2.0, v2.1, v3) as a source of clips: one camera, its actions and states."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from farframe.data.arrow import ParquetError, parquet
from farframe.data.concurrency import locked, side_by_side
from farframe.data.files import is_regular
from farframe.data.frame_store import Decoder, FrameStore, StoredSource
from farframe.data.lerobot_episodes import Episode, Rows, complaint, episodes_of, read_rows
from farframe.data.lerobot_images import ImagePiece, ParquetImages
from farframe.data.lerobot_info import INFO, Info, read_info
from farframe.data.progress import progress
from farframe.data.source import DataError, Recording, Split
from farframe.data.square import Crop, View
from farframe.data.video_index import ends, index_videos
from farframe.data.video_pieces import Piece, VideoPieces
from farframe.data.video_times import VideoError
from farframe.data.video_track import Track, resampled

logger = logging.getLogger("farframe")

_READING = "lerobot 1"  # part of the fingerprint: change it when the same files give other clips


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """An episode that can be used: ``rows`` of its table are the frames of its recording."""

    episode: Episode
    rows: Rows
    shown: Int[np.ndarray, " n"]
    fps: float
    split: Split | None
    piece: Piece | ImagePiece


class LeRobotSource(StoredSource):
    """Every good episode of a LeRobotDataset, seen by one camera.

    ``action`` gives the actions, ``observation.state`` the poses, of any width. With ``data.fps``
    output frame k is the row whose time is nearest to ``k / fps`` seconds after the first (the
    earlier of two), and its action and state come along. Frames become squares as videos do.
    """

    kind = "lerobot"

    def __init__(
        self, chosen: Sequence[_Chosen], decoder: Decoder, frame_size: int, told: str
    ) -> None:
        self.frame_size = frame_size
        recordings = tuple(
            Recording(
                id=c.episode.id,
                file=c.episode.video or c.episode.data,
                length=len(c.shown),
                fps=c.fps,
                split=c.split,
            )
            for c in chosen
        )
        actions = np.concatenate([c.rows.actions[c.shown] for c in chosen])
        poses = np.concatenate([c.rows.poses[c.shown] for c in chosen])
        super().__init__(recordings, FrameStore(decoder, frame_size), actions, poses)
        digest = hashlib.sha256(told.encode("utf-8", "surrogateescape"))
        for recording, c in zip(recordings, chosen, strict=True):
            digest.update(repr((recording.id, recording.length, recording.split)).encode())
            digest.update(c.piece.numbers.astype("<i8").tobytes())
        digest.update(actions.astype("<f4").tobytes())
        digest.update(poses.astype("<f4").tobytes())
        self._fingerprint = digest.hexdigest()

    @classmethod
    def open(
        cls,
        path: Path,
        frame_size: int,
        *,
        camera: str = "",
        fps: float = 0.0,
        crop: str = "center",
        controls: str = "auto",
        strict: bool = False,
        cache: bool = True,
        cache_dir: Path | None = None,
        only: int | None = None,
    ) -> LeRobotSource:
        """Read a data set's tables, index its videos, decode them into ``cache_dir`` if ``cache``.

        ``camera`` is the name of one, with or without ``observation.images.`` before it ("": the
        only one); the others are as in ``DataConfig``. Episodes that can't be read are left out
        with a warning, unless ``strict``. ``only`` is the number of an episode to do without the
        others.

        Raises:
            ValueError: if ``crop`` is none.
            DataError: one line for whatever is wrong with the data set or the wish.
        """
        shape = Crop.parse(crop)
        parquet()
        info = read_info(path, controls != "zeros")
        name = info.camera(camera)
        if controls == "read" and not (info.actions and info.poses):
            lacking = "observation.state" if info.actions else "action"
            raise DataError(f"{path} has no {lacking}, which --data.controls read demands")
        episodes = episodes_of(info, name)
        if only is not None:
            episodes = _one(info, episodes, only)
        elif info.says_splits:
            episodes = _within_splits(info, episodes)
        opening = _Opening(info, name, View(shape, frame_size), fps, cache_dir)
        with locked(cache_dir):
            chosen = opening.chosen(episodes)
            _tell(path, opening.complaints, strict, bool(chosen))
            source = cls(chosen, opening.decoder(chosen), frame_size, opening.told(chosen))
            if cache and cache_dir is not None:
                source._store.keep(cache_dir, source.fingerprint())
        return source

    def fingerprint(self) -> str:
        """Changes with the tables, the camera's files, and how they are read."""
        return self._fingerprint


@dataclass
class _Opening:
    """What opening finds out about one data set."""

    info: Info
    camera: str
    view: View
    fps: float
    cache_dir: Path | None
    complaints: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    digests: dict[str, str] = field(default_factory=dict[str, str])

    def chosen(self, episodes: Sequence[Episode]) -> list[_Chosen]:
        """The episodes that can be used."""
        tables = self._tables(list(dict.fromkeys(e.data for e in episodes)))
        videos = list(dict.fromkeys(e.video for e in episodes if e.video))
        entries = index_videos({v: self.info.root / v for v in videos}, self.cache_dir)
        self.digests |= {v: f"{e.size}\0{e.digest}" for v, e in entries.items()}
        found: list[_Chosen] = []
        for episode in episodes:
            table = tables[episode.data]
            split = self.info.split_of(episode.number) if self.info.says_splits else None
            try:
                if isinstance(table, str):
                    raise VideoError(f"{episode.data}: {table}")
                rows = table.get(episode.number)
                if (why := complaint(episode, rows)) or rows is None:
                    raise VideoError(why)
                track = None
                if episode.video and (track := entries[episode.video].track) is None:
                    raise VideoError(f"{episode.video}: {entries[episode.video].error}")
                found.append(self._usable(episode, rows, track, split))
            except VideoError as error:
                self.complaints.setdefault(str(error), []).append(episode.id)
        return found

    def _tables(self, files: Sequence[str]) -> dict[str, Mapping[int, Rows] | str]:
        """The rows of each Parquet file, or why it can't be read."""
        stop = threading.Event()
        with progress("reading", len(files), "tables") as advance:

            def work(number: int) -> Mapping[int, Rows] | str:
                try:
                    if not is_regular(self.info.root / files[number]):
                        return "it is missing"
                    return read_rows(self.info, files[number])
                except ParquetError as error:
                    return str(error)
                finally:
                    advance(1)

            return dict(zip(files, side_by_side(len(files), work, stop), strict=True))

    def _usable(
        self, episode: Episode, rows: Rows, track: Track | None, split: Split | None
    ) -> _Chosen:
        """The frames of an episode.

        Raises:
            VideoError: if its video hasn't got them, or the crop or rate don't fit.
        """
        times = rows.times - rows.times[0]
        shown, fps = np.arange(len(times)), self.info.fps
        if self.fps:
            fps, shown = self.fps, resampled(times, self.info.fps, self.fps)
        if track is None:
            piece = ImagePiece(
                name=episode.data, path=self.info.root / episode.data, numbers=rows.place[shown]
            )
        else:
            numbers = self._stored(episode, rows.times[shown], track)
            piece = Piece(
                name=episode.video,
                path=self.info.root / episode.video,
                track=track,
                crop=self.view.crop,
                numbers=numbers,
            )
        return _Chosen(episode=episode, rows=rows, shown=shown, fps=fps, split=split, piece=piece)

    def _stored(
        self, episode: Episode, times: Float[np.ndarray, " n"], track: Track
    ) -> Int[np.ndarray, " n"]:
        """The stored frames nearest to times of an episode."""
        view = View(self.view.crop, self.view.frame_size, track.aspect, track.turn)
        for size in track.sizes:
            if why := view.complaint(*size):
                raise VideoError(f"{episode.video}: {why}")
        numbers = track.at(episode.start + times)
        off = np.abs(track.times[numbers] - episode.start - times)
        if off.max() > 0.75 / self.info.fps:
            late = float(times[off.argmax()])
            why = f" ({track.damage})" if track.damage else ""
            raise VideoError(f"{episode.video} has no picture {late:.6g} s into the episode{why}")
        return numbers

    def decoder(self, chosen: Sequence[_Chosen]) -> Decoder:
        """Of the camera's pictures."""
        stored = [c.piece for c in chosen if isinstance(c.piece, Piece)]
        if stored:
            return VideoPieces(stored, self.view.frame_size)
        return ParquetImages(
            [c.piece for c in chosen if isinstance(c.piece, ImagePiece)], self.camera, self.view
        )

    def told(self, chosen: Sequence[_Chosen]) -> str:
        """What the fingerprint needs besides the tables: files, and how they are read."""
        files = dict.fromkeys(c.piece.name for c in chosen)
        digests = [f"{n}\0{self.digests.get(n) or ends(self.info.root / n)}" for n in files]
        view = f"{self.view.frame_size}\0{self.view.crop}"
        return "\n".join([f"{_READING}\0{view}\0{self.camera}\0{self.fps!r}", *digests])


def _one(info: Info, episodes: Sequence[Episode], number: int) -> list[Episode]:
    """Episode ``number`` alone."""
    found = [episode for episode in episodes if episode.number == number]
    if not found:
        raise DataError(
            f"{info.root} has no episode {number}: its {len(episodes)} episodes are numbered "
            f"{episodes[0].number} to {episodes[-1].number}; choose another --clip"
        )
    return found


def _within_splits(info: Info, episodes: Sequence[Episode]) -> list[Episode]:
    """The episodes that a split of info.json has."""
    found = [e for e in episodes if info.split_of(e.number)]
    left = [e.id for e in episodes if not info.split_of(e.number)]
    if left:
        text = f"{len(left)} episode(s) are in no train, validation or test split of {INFO}"
        if not found:
            raise DataError(f"{info.root}: all {text}: mend it")
        logger.warning("%s: %s and are left out (the first: %s)", info.root, text, left[0])
    return found


def _tell(path: Path, complaints: Mapping[str, Sequence[str]], strict: bool, some: bool) -> None:
    """Warn of episodes that are left out, once a reason; an error if none is left."""
    for why, ids in complaints.items():
        whose = ids[0] if len(ids) == 1 else f"{len(ids)} episodes (the first: {ids[0]})"
        if strict:
            raise DataError(f"{path}: {whose}: {why}; mend it, or drop --data.strict")
        if not some:
            raise DataError(f"{path} holds no readable episode: {whose}: {why}")
        logger.warning("%s: skipping %s: %s", path, whose, why)
