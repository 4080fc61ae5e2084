"""One video file: indexing, jumping, times, geometry and colours, on files made here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from random import Random

import av
import numpy as np
import pytest
from video_files import AVI, MKV, MP4, RECIPES, Recipe, code, decode, make_sound, make_video

from farframe.data.square import Crop, Turn, View
from farframe.data.video_picture import Picture
from farframe.data.video_reader import packet_rate
from farframe.data.video_scan import scan
from farframe.data.video_seek import FrameReader
from farframe.data.video_times import VideoError, trusted_times
from farframe.data.video_track import Track

RGB = Recipe(name="rgb.mkv", codec="ffv1", pix_fmt="bgr0")  # lossless to the bit
COUNT = 40


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    return {r.name: make_video(folder / r.name, r, count=COUNT) for r in RECIPES}


@pytest.fixture(params=RECIPES, ids=lambda r: r.name)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return request.param


def squares(path: Path, track: Track, crop: str = "center", size: int = 32) -> np.ndarray:
    view = View(Crop.parse(crop), size, track.aspect, track.turn)
    with closing(FrameReader(path, track)) as reader:
        return np.stack(list(reader.squares(range(track.length), view)))


def track_of(times: list[float], rate: float) -> Track:
    """A track without a file, for arithmetic on its times."""
    pts = np.array([round(t * 1_000_000) for t in times])
    return Track(
        length=len(times),
        pts=pts,
        tick=Fraction(1, 1_000_000),
        rate=rate,
        keys=np.array([0]),
        imprints=np.zeros(len(times), np.uint32),
        sizes=((4, 4),),
        aspect=1.0,
        turn=Turn(),
    )


def test_every_frame_is_found_in_order(videos: dict[str, Path], recipe: Recipe) -> None:
    track = scan(videos[recipe.name])
    assert (track.length, track.rate, track.damage) == (COUNT, 25.0, "")
    assert decode(squares(videos[recipe.name], track)) == list(range(COUNT))


def test_jumps_give_the_same_pixels_as_decoding_on(videos: dict[str, Path], recipe: Recipe) -> None:
    path = videos[recipe.name]
    track = scan(path)
    picture, random = Picture(), Random(0)
    with closing(FrameReader(path, track)) as reader:
        straight = [picture.rgb(reader.frame(n)) for n in range(track.length)]
    with closing(FrameReader(path, track)) as reader:
        for number in random.choices(range(track.length), k=60):
            np.testing.assert_array_equal(picture.rgb(reader.frame(number)), straight[number])
        assert reader.seekable == recipe.seeks


def test_jumps_save_decoding(videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path, given = videos["b-frames.mp4"], 0
    track = scan(path)

    def counted(*arguments: object) -> Iterator[av.VideoFrame]:
        nonlocal given
        for frame in decoded(*arguments):
            given += 1
            yield frame

    from farframe.data import video_seek

    decoded = video_seek.decoded
    monkeypatch.setattr(video_seek, "decoded", counted)
    with closing(FrameReader(path, track)) as reader:
        reader.frame(38)
        assert given <= 12
        reader.frame(39)
        reader.frame(39)
        assert given <= 13


@pytest.mark.parametrize("lie", ["imprint", "time", "late"])
def test_a_jump_that_lands_wrong_is_noticed(videos: dict[str, Path], lie: str) -> None:
    """The index is made to expect something else of the frame jumped to, or of a later one."""
    path = videos["divx.avi"]
    track = scan(path)
    key = int(track.keys[2])
    if lie == "time":
        pts = track.pts.copy()
        pts[key:] += 1  # the file can't know: every jump behind the key lands elsewhere
        changed = replace(track, pts=pts)
        with closing(FrameReader(path, changed)) as reader:
            with pytest.raises(VideoError, match="changed since it was indexed"):
                reader.frame(key + 2)
            return
    imprints = track.imprints.copy()
    imprints[key if lie == "imprint" else key + 2] ^= 1
    with closing(FrameReader(path, replace(track, imprints=imprints))) as reader:
        view = View(Crop("center"), 32)
        frames = np.stack(list(reader.squares([key + 2, key + 3], view)))
        assert not reader.seekable
    assert decode(frames) == [key + 2, key + 3]


def test_a_file_that_shrank_since_is_an_error(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", MKV)
    track = scan(path)
    make_video(path, MKV, count=20)
    with (
        closing(FrameReader(path, track)) as reader,
        pytest.raises(VideoError, match="no frame 20"),
    ):
        reader.frame(30)
    path.unlink()
    with closing(FrameReader(path, track)) as reader, pytest.raises(VideoError, match="changed"):
        reader.frame(0)


@pytest.mark.parametrize("name", ["b-frames.mp4", "h264.avi", "vfr", "one"])
def test_tracks_survive_json(videos: dict[str, Path], tmp_path: Path, name: str) -> None:
    if name == "vfr":
        path = make_video(tmp_path / "v.mkv", times=[0, 7, 40, 41, 90], count=5)
    else:
        path = videos[name] if name != "one" else make_video(tmp_path / "one.mp4", count=1)
    track = scan(path)
    data = track.to_json()
    again = Track.from_json(json.loads(json.dumps(data)))
    assert again.to_json() == data
    np.testing.assert_array_equal(again.times, track.times)
    np.testing.assert_array_equal(again.imprints, track.imprints)


def test_resampling_takes_the_nearest_frame() -> None:
    track = track_of([n / 30 for n in range(31)], 30.0)
    assert track.resampled(0.0) == (30.0, 31)
    assert track.resampled(10.0) == (10, 11)
    assert track.nearest(range(11), 10.0).tolist() == list(range(0, 31, 3))
    assert track.resampled(60.0) == (60, 61)
    # Of two equally near frames always the earlier.
    assert track.nearest(range(6), 60.0).tolist() == [0, 0, 1, 1, 2, 2]
    assert track.nearest(range(10, 0, -5), 10.0).tolist() == [30, 15]


@pytest.mark.parametrize("fps", [3.0, 10.0, 24.0, 29.97, 100.0])
def test_resampling_of_uneven_times_is_what_a_search_finds(fps: float) -> None:
    times = np.cumsum(np.random.default_rng(1).uniform(0.004, 0.2, 50)).tolist()
    track = track_of(times, 10.0)
    rate, length = track.resampled(fps)
    found = track.nearest(range(length), rate).tolist()
    known = [p / 1_000_000 - track.pts[0] / 1_000_000 for p in track.pts.tolist()]
    expected = [min(range(50), key=lambda i: abs(known[i] - k / fps)) for k in range(length)]
    assert found == expected
    assert (length - 1) / fps <= known[-1] + 0.025 < length / fps


def test_absurd_resampling_is_refused() -> None:
    slow = track_of([0.0, 3600.0], 1 / 3600)
    assert slow.resampled(0.0) == (1 / 3600, 2)
    with pytest.raises(VideoError, match=r"2 frames span 3600 s.*--data\.fps"):
        slow.resampled(30.0)
    with pytest.raises(VideoError):
        track_of([0.0], 10.0).resampled(float("inf"))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_variable_rates_become_their_average(tmp_path: Path, suffix: str) -> None:
    times = np.cumsum(np.random.default_rng(0).integers(15, 160, COUNT)).tolist()
    path = make_video(tmp_path / f"v.{suffix}", times=times)
    track = scan(path)
    rate, length = track.resampled(0.0)
    assert rate == pytest.approx(1000 * (COUNT - 1) / (times[-1] - times[0]), rel=1e-3)
    assert length == COUNT
    assert packet_rate(path) == rate
    seconds = [(t - times[0]) / 1000 for t in times]
    expected = [
        min(range(COUNT), key=lambda i: (abs(seconds[i] - k / rate), i)) for k in range(length)
    ]
    numbers = track.nearest(range(length), rate).tolist()
    assert numbers == expected
    assert numbers != list(range(COUNT))


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(25), Fraction(12)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_constant_rates_are_kept_exactly(tmp_path: Path, name: str, rate: Fraction) -> None:
    recipe = {"a.mp4": MP4, "a.mkv": MKV, "a.avi": AVI}[name]
    track = scan(make_video(tmp_path / name, recipe, rate=rate))
    assert track.rate == pytest.approx(float(rate), rel=1e-9)
    assert track.nearest(range(COUNT), track.rate).tolist() == list(range(COUNT))


def test_times_that_make_no_sense() -> None:
    tick = Fraction(1, 1000)
    with pytest.raises(VideoError, match="times make no sense: 2 frames in"):
        trusted_times([0, 10**10], tick, None)
    with pytest.raises(VideoError, match="neither times nor a frame rate"):
        trusted_times([None, None], tick, None)
    with pytest.raises(VideoError, match="times make no sense: 1e\\+09 frames a second"):
        trusted_times([5, 3], tick, Fraction(10**9))
    assert trusted_times([5, 3, 8], tick, Fraction(20)) == (None, 20.0)
    assert trusted_times([7, 7, 7], tick, Fraction(20)) == (None, 20.0)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_metadata_is_honoured(tmp_path: Path, degrees: int, mirrored: bool) -> None:
    picture = np.random.default_rng(0).integers(70, 190, (3, 4, 3), dtype=np.uint8)
    picture = picture.repeat(16, 0).repeat(16, 1)
    plain = make_video(tmp_path / "a.mov", RECIPES[12], pictures=[picture])
    turned = make_video(
        tmp_path / "b.mov", RECIPES[12], pictures=[picture], rotation=degrees, mirrored=mirrored
    )
    stored, upright = scan(plain), scan(turned)
    # FFmpeg's matrix turns counter-clockwise and then mirrors.
    expected = np.rot90(picture, degrees // 90)
    expected = expected[:, ::-1] if mirrored else expected
    height, width = expected.shape[:2]
    assert View(Crop("center"), 32, 1.0, upright.turn).upright(64, 48) == (width, height)
    for crop in ("stretch", "center", f"3,5,{min(width, height) - 9}"):
        direct = View(Crop.parse(crop), 32).square(np.ascontiguousarray(expected), width, height)
        np.testing.assert_allclose(
            squares(turned, upright, crop)[0].astype(int), direct.astype(int), atol=3
        )
    assert stored.turn == Turn()


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    """Stored 32x48 with pixels twice as wide as high: shown as 64x48."""
    wide = np.stack([code(77, 64, 48)[:, ::2]])
    track = scan(make_video(tmp_path / "a.mp4", size=(32, 48), pictures=wide, aspect=Fraction(2)))
    assert track.aspect == 2.0
    view = View(Crop("center"), 32, track.aspect)
    assert view.upright(32, 48) == (64, 48)
    assert view.box(32, 48) == (4, 0, 28, 48)
    assert decode(squares(tmp_path / "a.mp4", track)) == [77]
    assert decode(squares(tmp_path / "a.mp4", track, "8,0,48")) == [77]
    assert "56x49, the picture is 64x48" in View(Crop.parse("8,1,48"), 32, 2.0).complaint(32, 48)


@pytest.mark.parametrize("size", [(63, 47), (47, 63), (33, 33), (9, 200)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = make_video(tmp_path / "a.mkv", RGB, size=size, count=12)
    track = scan(path)
    assert track.sizes == (size,)
    assert squares(path, track, "stretch").shape == (12, 3, 32, 32)
    assert decode(squares(path, track)) == list(range(12))


def test_colours_keep_their_matrix(tmp_path: Path) -> None:
    """The same red through BT.709 and BT.601 comes back red, for each file says which."""
    red = np.full((48, 64, 3), (200, 40, 60), np.uint8)
    for name, space in (("a.mkv", 1), ("b.mkv", 5)):
        path = make_video(tmp_path / name, MKV, pictures=[red, red], colorspace=space)
        pixel = squares(path, scan(path))[0, :, 16, 16].astype(int)
        np.testing.assert_allclose(pixel, (200, 40, 60), atol=4)


def test_grey_and_ten_bit_are_rgb(videos: dict[str, Path]) -> None:
    grey = squares(videos["grey.mkv"], scan(videos["grey.mkv"]))
    np.testing.assert_array_equal(grey[:, 0], grey[:, 1])
    np.testing.assert_array_equal(grey[:, 0], grey[:, 2])
    deep, plain = (squares(videos[n], scan(videos[n])) for n in ("ten-bit.mkv", "b-frames.mp4"))
    assert np.abs(deep.astype(int) - plain.astype(int)).mean() < 4
    assert tuple(deep[0, :, -6, -6] > 110) == (True, False, False)


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    picture = np.zeros((48, 64, 4), np.uint8)
    picture[..., 0] = 200
    picture[:, :32, 3] = 255
    picture[24:, 32:, 3] = 102
    path = make_video(tmp_path / "a.mov", RECIPES[12], pictures=[picture])
    square = squares(path, scan(path), "stretch")[0]
    assert square[:, 8, 8].tolist() == [200, 0, 0]
    assert square[:, 8, 24].tolist() == [255, 255, 255]
    assert square[:, 24, 24].tolist() == [233, 153, 153]  # 0.4 of it and 0.6 of white


def test_a_transparent_gif_is_white_where_nothing_was_drawn(tmp_path: Path) -> None:
    from PIL import Image

    images = []
    for number in range(3):
        image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
        image.paste((0, 0, 250, 255), (0, 0, 20, 10 * (number + 1)))
        images.append(image)
    images[0].save(
        tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=100, disposal=2
    )
    track = scan(tmp_path / "a.gif")
    frames = squares(tmp_path / "a.gif", track, size=40)
    assert (track.length, track.rate) == (3, 10.0)
    assert frames[:, :, 35, 30].tolist() == [[255] * 3] * 3
    assert frames[:, :, 25, 5].tolist() == [[255] * 3, [255] * 3, [0, 0, 250]]


@pytest.mark.parametrize("size", [32, 64])
def test_shrinking_a_lot_is_antialiased(tmp_path: Path, size: int) -> None:
    """Stripes too fine for the square become grey, and a slope stays where it was."""
    x = np.arange(768)
    stripes = np.where(x % 2, 230, 20).astype(np.uint8)
    ramp = (x / 768 * 255).astype(np.uint8)
    pictures = [np.broadcast_to(row[None, :, None], (576, 768, 3)) for row in (stripes, ramp)]
    path = make_video(tmp_path / "a.mkv", RGB, size=(768, 576), pictures=pictures)
    fine, slope = squares(path, scan(path), size=size)[:, 0].astype(float)
    assert np.abs(fine[:, 2:-2] - 125).max() <= 3
    middles = 96 + (np.arange(size) + 0.5) * 576 / size
    np.testing.assert_allclose(slope[size // 2], (middles - 0.5) / 768 * 255, atol=1.5)


def test_two_step_shrinking_is_close_to_one_step() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    pixels = pixels.repeat(40, 0).repeat(40, 1)
    view = View(Crop("center"), 64)
    height, width = pixels.shape[:2]
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    assert view.shrink(width, height) == 7
    twice = Picture().square(frame, view).astype(int)
    once = view.square(pixels, width, height).astype(int)
    assert np.abs(twice - once).mean() < 1.5


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"hello, this is text\n" * 100, "FFmpeg can't open it"),
        (b"#EXTM3U\n#EXTINF:9,\n/etc/hostname\n#EXT-X-ENDLIST\n", "FFmpeg can't open it"),
        (b"ffconcat version 1.0\nfile b-frames.mp4\n", "FFmpeg can't open it"),
        (bytes(5000), "FFmpeg can't open it"),
    ],
)
def test_what_is_no_video(videos: dict[str, Path], content: bytes, reason: str) -> None:
    path = videos["b-frames.mp4"].with_name("fake.mp4")
    path.write_bytes(content)
    with pytest.raises(VideoError, match=reason) as caught:
        scan(path)
    assert "\n" not in str(caught.value)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no video in it, only audio"):
        scan(make_sound(tmp_path / "a.mp4"))
    with pytest.raises(VideoError, match="no video in it, only a cover picture and audio"):
        scan(make_sound(tmp_path / "b.mp4", cover=True))
    with pytest.raises(VideoError, match="No such file"):
        scan(tmp_path / "missing.mp4")


def test_a_picture_larger_than_memory_is_refused(tmp_path: Path) -> None:
    """A GIF may claim 65535x65535 in ten bytes."""
    data = bytearray(make_video(tmp_path / "a.gif", RECIPES[11], count=2).read_bytes())
    data[6:10] = b"\xff\xff\xff\xff"
    (tmp_path / "a.gif").write_bytes(data)
    with pytest.raises(VideoError):
        scan(tmp_path / "a.gif")


def test_a_file_can_not_hold_more_than_itself(tmp_path: Path) -> None:
    """Every sample of an MP4 may claim the same bytes: a small file with days of video."""
    path = make_video(
        tmp_path / "a.mp4", Recipe(name="m.mp4", codec="mjpeg", pix_fmt="yuvj420p"), count=250
    )
    data = bytearray(path.read_bytes())
    at = {name: data.index(name) for name in (b"mdat", b"stsz", b"stsc", b"stco")}
    first = (at[b"mdat"] + 4).to_bytes(4, "big")
    size = at[b"stsz"] - at[b"mdat"] - 100
    data[at[b"stsz"] + 8 : at[b"stsz"] + 12] = size.to_bytes(4, "big")  # of every sample
    data[at[b"stsc"] + 16 : at[b"stsc"] + 20] = (1).to_bytes(4, "big")  # samples in a chunk
    chunks = (250).to_bytes(4, "big") + first * 250
    data[at[b"stco"] + 8 : at[b"stco"] + 16] = chunks
    for box in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stco"):
        head = slice(data.index(box) - 4, data.index(box))
        data[head] = (int.from_bytes(data[head], "big") + len(chunks) - 8).to_bytes(4, "big")
    path.write_bytes(data)
    track = scan(path)
    assert 50 < track.length < 150
    assert track.damage == "it declares more than it holds"


@pytest.mark.parametrize("recipe", [AVI, MKV, RECIPES[11]], ids=lambda r: r.name)
def test_a_cut_file_keeps_its_beginning(tmp_path: Path, recipe: Recipe) -> None:
    path = make_video(tmp_path / recipe.name, recipe, count=100)
    whole = squares(path, scan(path))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    track = scan(path)
    assert 40 <= track.length <= 62
    frames = squares(path, track)
    np.testing.assert_array_equal(frames[:-1], whole[: track.length - 1])
    if recipe is not RECIPES[11]:  # FFmpeg draws half a GIF frame without a word
        np.testing.assert_array_equal(frames[-1], whole[track.length - 1])
        assert track.damage


def test_a_hole_ends_the_good_part(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", AVI, count=60)
    data = bytearray(path.read_bytes())
    middle = data.index(b"00dc", len(data) // 2)
    data[middle + 8 : middle + 300] = bytes(292)
    path.write_bytes(data)
    track = scan(path)
    assert 20 < track.length < 40
    assert track.damage == "Invalid data found when processing input"
    assert decode(squares(path, track)) == list(range(track.length))


def test_pictures_may_change_their_size(tmp_path: Path) -> None:
    raw = RECIPES[17]
    small = make_video(tmp_path / "a.h264", raw, count=20).read_bytes()
    large = make_video(tmp_path / "b.h264", raw, count=20, size=(96, 96)).read_bytes()
    path = tmp_path / "c.h264"
    path.write_bytes(small + large)
    track = scan(path)
    assert track.sizes == ((64, 48), (96, 96))
    assert decode(squares(path, track)) == [*range(20), *range(20)]


@pytest.mark.parametrize("cut", [188 * 20, 188 * 20 + 77])
def test_a_recording_that_starts_anywhere(
    videos: dict[str, Path], tmp_path: Path, cut: int
) -> None:
    """Frames that need what was cut away are passed over, not shown broken."""
    path = tmp_path / "cut.ts"
    path.write_bytes(videos["broadcast.ts"].read_bytes()[cut:])
    track = scan(path)
    assert 20 <= track.length < COUNT
    assert not track.damage
    assert decode(squares(path, track)) == list(range(COUNT - track.length, COUNT))
