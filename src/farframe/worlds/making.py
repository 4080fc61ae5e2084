"""`farframe data make`: a world written to files, or a look at it first."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path

from farframe.config import check
from farframe.data.contact_sheet import contact_sheet
from farframe.data.formats import AnyFormat
from farframe.data.shards import plan
from farframe.data.splits import Segment
from farframe.data.writing import WriteOptions, Written, write_dataset
from farframe.video import beside, enlarge, pictures, write_png, write_video
from farframe.worlds.catalogue import AnyWorld
from farframe.worlds.world_source import WorldSource

_PREVIEWED, _COLUMNS = 8, 10  # scenes and frames of a contact sheet


@dataclass(frozen=True, kw_only=True)
class MakeOptions(WriteOptions):
    """How much of a world to make."""

    clips: int = 1000
    """Training clips."""
    held_out: int | None = None
    """Clips of each other split (None: a tenth of the training clips, at least one)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.clips >= 1, "--clips", self.clips, "must be at least 1")
        check(self.held_out is None or self.held_out >= 0, "--held-out", self.held_out, "negative")

    def counts(self, world: AnyWorld) -> dict[str, int]:
        """Split -> clips."""
        rest = math.ceil(self.clips / 10) if self.held_out is None else self.held_out
        first, *others = world.splits
        return {first: self.clips} | {split: rest for split in others if rest}


def make(world: AnyWorld, form: AnyFormat, out: Path, options: MakeOptions) -> Written:
    """Write the clips of a world into ``out``; begun before, it goes on where it stopped.

    Raises:
        ValueError: if ``out`` holds something else, or a package that the world needs is missing.
        OSError: if a file can't be written.
    """
    counts = options.counts(world)
    parts: dict[str, list[Segment]] = {}
    at = 0
    for split, count in counts.items():
        parts[split] = [Segment(at + i, 0, world.clip_length) for i in range(count)]
        at += count
    shards = plan(parts, options.shard_clips, world.clips_per_scene)
    origin = {"world": world.name, **asdict(world)}
    return write_dataset(
        WorldSource(world, counts),
        shards,
        form,
        out,
        name=world.name,
        origin=origin,
        processes=options.processes,
    )


def preview(world: AnyWorld, out: Path) -> tuple[Path, ...]:
    """Write a contact sheet and a video of the first clips of the first split.

    Raises:
        ValueError: if ``out`` is a file, or a package that the world needs is missing.
        OSError: if a file can't be written.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: give a folder as --out")
    clips = [next(world.scene(world.splits[0], number)) for number in range(_PREVIEWED)]
    out.mkdir(parents=True, exist_ok=True)
    sheet, film = out / "contact-sheet.png", out / "preview.mp4"
    write_png(sheet, contact_sheet([(clip.id, clip.frames) for clip in clips], _COLUMNS))
    panels = {clip.id: enlarge(pictures(clip.frames), 128) for clip in clips}
    write_video(film, beside(panels, columns=4), world.fps)
    return sheet, film
