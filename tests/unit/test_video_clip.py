"""Clips from a path that a user names: part of a video, or a folder of images."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from video_files import MKV, code, decode, make_sound, make_video

from farframe.config import DataConfig
from farframe.data import video_clip
from farframe.data.image_folder import read_frames_folder
from farframe.data.source import DataError
from farframe.data.video_clip import read_video
from farframe.data.video_folder import VideoFolder

SIZE = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("videos")
    make_video(path / "even.mp4", count=60)
    times = np.cumsum(np.random.default_rng(0).integers(15, 160, 60)).tolist()
    make_video(path / "uneven.mkv", times=times, count=60)
    return path


@pytest.mark.parametrize("fps", [0.0, 7.5, 40.0])
@pytest.mark.parametrize("name", ["even.mp4", "uneven.mkv"])
def test_the_same_frames_as_in_training(folder: Path, name: str, fps: float) -> None:
    source = VideoFolder.open(DataConfig(path=str(folder / name), fps=fps), SIZE, None)
    (recording,) = source.recordings
    everything = read_video(folder / name, frame_size=SIZE, fps=fps)
    assert (everything.id, everything.fps, len(everything)) == (
        name, recording.fps, recording.length,
    )  # fmt: skip
    np.testing.assert_array_equal(everything.frames, source.read(0, range(recording.length)).frames)
    for start, count in ((0, 1), (0, 5), (3, 9), (recording.length - 2, 2)):
        part = read_video(folder / name, frame_size=SIZE, fps=fps, start=start, count=count)
        np.testing.assert_array_equal(part.frames, everything.frames[start : start + count])
        assert part.fps == everything.fps
        assert part.actions.shape == part.poses.shape == (count, 0)
    rest = read_video(folder / name, frame_size=SIZE, fps=fps, start=4)
    np.testing.assert_array_equal(rest.frames, everything.frames[4:])


def test_no_more_is_decoded_than_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    scan = video_clip.scan

    def counted(path: Path, until: float) -> object:
        track = scan(path, until)
        lengths.append(track.length)
        return track

    monkeypatch.setattr(video_clip, "scan", counted)
    assert decode(read_video(folder / "even.mp4", frame_size=SIZE, count=4).frames) == [0, 1, 2, 3]
    assert lengths[0] < 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"start": 60},
            "has 60 frames at 25 frames a second, numbered from 0: from frame 60 can't",
        ),
        ({"start": 55, "count": 6}, "has 60 frames .* frames 55 to 60 can't be had"),
        ({"fps": 5.0, "count": 20}, "has 12 frames at 5 frames a second"),
        ({"start": -1}, "start is -1: must be 0"),
        ({"count": 0}, "count is 0: must be 1"),
        ({"fps": -1.0}, "fps is -1.0: must be 0"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"fps": float("inf")}, "fps is inf"),
        ({"fps": 1e9}, "would be repeated more than 1000 times"),
        ({"crop": "middle"}, r"data\.crop is 'middle': must be center"),
        ({"crop": "30,0,48"}, "crop 30,0,48 reaches to 78x48, the picture is 64x48"),
    ],
)
def test_mistakes_get_one_line(folder: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_video(folder / "even.mp4", frame_size=SIZE, **options)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_video(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello\n" * 99)
    make_sound(tmp_path / "sound.mp4")
    for path, message in (
        (folder / "nowhere.mp4", "nowhere.mp4 does not exist"),
        (folder, "is a folder: name a video"),
        (tmp_path / "text.mp4", "text.mp4: FFmpeg can't open it"),
        (tmp_path / "sound.mp4", "sound.mp4: no video in it, only audio"),
    ):
        for count in (None, 3):
            with pytest.raises(DataError, match=message):
                read_video(path, frame_size=SIZE, count=count)


def test_the_beginning_of_a_cut_video_is_read(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", MKV, count=60)
    path.write_bytes(path.read_bytes()[:-6000])
    assert decode(read_video(path, frame_size=SIZE, count=9).frames) == list(range(9))
    with pytest.raises(DataError, match=r"has \d\d frames"):
        read_video(path, frame_size=SIZE, count=60)
    part = read_video(path, frame_size=SIZE, start=2, count=60, partial=True)
    assert decode(part.frames) == list(range(2, 2 + len(part)))
    assert 10 < len(part) < 58
    with pytest.raises(DataError, match="frames 60 to 63 can't be had"):
        read_video(path, frame_size=SIZE, start=60, count=4, partial=True)


def write_images(folder: Path, names: list[str], mode: str = "RGB") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.fromarray(code(number, 64, 48)).convert(mode).save(folder / name)
    return folder


def test_images_come_in_natural_order(tmp_path: Path) -> None:
    names = ["img1.png", "img2.jpg", "IMG3.PNG", "img10.png", "img010b.jpeg", "img100.bmp"]
    folder = write_images(tmp_path / "f", names)
    (folder / "notes.txt").write_text("hello")
    (folder / "._img1.png").write_bytes(b"hello")
    clip = read_frames_folder(folder, frame_size=SIZE, fps=12.5)
    assert decode(clip.frames) == list(range(6))
    assert (clip.fps, clip.id, clip.actions.shape) == (12.5, "f", (6, 0))
    part = read_frames_folder(folder, frame_size=SIZE, start=2, count=3)
    np.testing.assert_array_equal(part.frames, clip.frames[2:5])
    rest = read_frames_folder(folder, frame_size=SIZE, start=4, count=9, partial=True)
    assert decode(rest.frames) == [4, 5]


def test_images_are_cropped_as_videos_are(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "f", ["0.png", "1.png", "2.png"])
    pictures = [code(n, 64, 48) for n in range(3)]
    video = make_video(tmp_path / "v.mkv", MKV, pictures=pictures)
    for crop in ("center", "stretch", "8,0,48"):
        images = read_frames_folder(folder, frame_size=SIZE, crop=crop).frames.astype(int)
        frames = read_video(video, frame_size=SIZE, crop=crop).frames.astype(int)
        assert np.abs(images - frames).mean() < 8  # the video's colours are subsampled


def test_all_modes_of_images_become_rgb(tmp_path: Path) -> None:
    for mode in ("L", "P", "RGBA", "LA", "1"):
        frames = read_frames_folder(
            write_images(tmp_path / mode, ["5.png"] * 6, mode), frame_size=SIZE
        )
        assert decode(frames.frames) == [5]
    deep = (code(9, 64, 48)[..., 1].astype(np.uint16)) * 257
    (tmp_path / "deep").mkdir()
    Image.fromarray(deep).save(tmp_path / "deep" / "a.png")
    assert decode(read_frames_folder(tmp_path / "deep", frame_size=SIZE).frames) == [9]
    clear = np.zeros((48, 64, 4), np.uint8)
    (tmp_path / "clear").mkdir()
    Image.fromarray(clear).save(tmp_path / "clear" / "a.png")
    assert read_frames_folder(tmp_path / "clear", frame_size=SIZE).frames.min() == 255


def test_exif_orientation_is_honoured(tmp_path: Path) -> None:
    image = Image.fromarray(np.ascontiguousarray(np.rot90(code(21, 64, 48))))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter counter-clockwise: show it turned clockwise
    (tmp_path / "f").mkdir()
    image.save(tmp_path / "f" / "a.jpg", exif=exif, quality=95)
    assert decode(read_frames_folder(tmp_path / "f", frame_size=SIZE).frames) == [21]


def test_mistakes_with_images_get_one_line(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "f", ["1.png", "2.png", "3.png"])
    for options, message in (
        ({"start": 3}, "has 3 frames, numbered from 0: from frame 3 can't be had"),
        ({"count": 4}, "has 3 frames, numbered from 0: frames 0 to 3 can't be had"),
        ({"crop": "60,0,9"}, "1.png: crop 60,0,9 reaches to 69x9, the picture is 64x48"),
        ({"crop": "x"}, "must be center, stretch or X,Y,SIDE"),
        ({"start": -2}, "start is -2"),
    ):
        with pytest.raises(DataError, match=message):
            read_frames_folder(folder, frame_size=SIZE, **options)
    Image.new("RGB", (64, 47)).save(folder / "2.png")
    with pytest.raises(
        DataError, match=r"2\.png is 64x47, 1\.png is 64x48: all images of a folder"
    ):
        read_frames_folder(folder, frame_size=SIZE)
    for content in (b"", b"hello" * 99, (folder / "1.png").read_bytes()[:70]):
        (folder / "2.png").write_bytes(content)
        with pytest.raises(DataError, match=r"2\.png can't be decoded .*: remove it") as caught:
            read_frames_folder(folder, frame_size=SIZE)
        assert "\n" not in str(caught.value)
    for path, message in (
        (tmp_path / "nowhere", "nowhere does not exist"),
        (folder / "1.png", "is no folder"),
        (tmp_path, "holds no images: looked for"),
    ):
        with pytest.raises(DataError, match=message):
            read_frames_folder(path, frame_size=SIZE)


def test_an_image_larger_than_memory_is_refused(tmp_path: Path) -> None:
    data = bytearray(write_images(tmp_path / "f", ["1.png"]).joinpath("1.png").read_bytes())
    data[16:24] = (100_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (tmp_path / "f" / "1.png").write_bytes(data)
    with pytest.raises(DataError, match=r"1\.png (is too large|can't be decoded)"):
        read_frames_folder(tmp_path / "f", frame_size=SIZE)
