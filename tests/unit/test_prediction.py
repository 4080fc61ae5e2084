import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import lerobot_truth as truth
import numpy as np
import pytest
import torch
from dialect_files import write_push, write_softmotion
from PIL import Image
from robomimic_files import write_demos

from farframe import prediction_files, video
from farframe.config import DataConfig, ModelConfig
from farframe.data.source import DataError, open_source
from farframe.data.splits import segments
from farframe.data.tfrecord_writer import write_tfrecords
from farframe.models.hierarchical import HierarchicalModel
from farframe.prediction import predict_file
from farframe.prediction_input import read_input
from farframe.prediction_options import PredictOptions
from farframe.types import Clip

SIZE = 32
INPUTS = {
    *("clip.mp4", "one.mp4", "clip.gif", "frames", "push.tfrecord", "text.mp4", "empty.mp4"),
    *("empty.tfrecord", "nothing", "file", "google.tfrecord", "bair.tfrecord", "demos.hdf5"),
}
FILES = ("prediction.mp4", "masks.mp4", "comparison.mp4", "strip.png", "prediction.json")


def tiny(**changes: Any) -> HierarchicalModel:
    torch.manual_seed(3)
    sizes = {"frame_size": SIZE, "width": 4, "enc_size": 8, "action_dim": 0, "pred_cells": 3}
    return HierarchicalModel(ModelConfig(**(sizes | changes)))


@pytest.fixture(scope="module")
def model() -> HierarchicalModel:
    return tiny()


def moving(count: int, height: int = 40, width: int = 48) -> np.ndarray:
    """Pictures "t h w 3" with a bright square that moves."""
    out = np.full((count, height, width, 3), (30, 60, 90), np.uint8)
    for t in range(count):
        x = 2 * t % (width - 12)
        out[t, 10:22, x : x + 12] = (250, 200, 40)
    return out


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an input of every kind, 20 frames each, and with broken ones."""
    root = tmp_path_factory.mktemp("inputs")
    pictures = moving(20)
    video.write_video(root / "clip.mp4", pictures, 12.5)
    video.write_video(root / "one.mp4", pictures[:1], 12.5)
    video.write_gif(root / "clip.gif", pictures, 10.0)
    (root / "frames").mkdir()
    for t, picture in enumerate(pictures):
        Image.fromarray(picture).save(root / "frames" / f"img{t}.png")
    squares = np.ascontiguousarray(pictures[:, :32, :32].transpose(0, 3, 1, 2))
    rng = np.random.default_rng(0)
    clips = [
        Clip(
            frames=np.roll(squares, shift, 2),
            actions=rng.random((20, 5), np.float32),
            poses=np.zeros((20, 12), np.float32),
            fps=1.0,
            id=str(shift),
        )
        for shift in range(3)
    ]
    write_tfrecords(root / "push.tfrecord", clips)
    write_push(root / "google.tfrecord", clips)
    write_softmotion(root / "bair.tfrecord", clips)
    write_demos(root / "demos.hdf5", clips, cameras=("front", "wrist"))
    (root / "text.mp4").write_text("this is a note, not a video\n" * 50)
    (root / "empty.mp4").touch()
    (root / "empty.tfrecord").touch()
    (root / "nothing").mkdir()
    (root / "file").write_text("a file")
    return root


def decoded(path: Path) -> tuple[np.ndarray, float]:
    """Pictures and rate of a video."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate
        assert rate is not None
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(stream)]), float(
            rate
        )


def borders(path: Path) -> str:
    """Green or red for every picture of a video, from the pixels of its lowest row."""
    shown = decoded(path)[0][:, -2, 4:-4].astype(int).mean(1)
    return "".join("g" if g > 2 * r else "r" if r > 2 * g else "?" for r, g, _ in shown)


def test_a_video(model: HierarchicalModel, inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "er" / "out"
    options = PredictOptions(horizon=30, npz=True)
    outputs = predict_file(model, inputs / "clip.mp4", out, options=options)
    assert {p.name for p in out.iterdir()} == {*FILES, "prediction.npz"}
    assert {p.name for p in outputs.files} == {*FILES, "prediction.npz"}
    assert (outputs.context_frames, outputs.true_frames) == (2, 18)
    assert outputs.times == tuple(range(1, 31))
    assert outputs.fps == pytest.approx(12.5)

    frames, rate = decoded(out / "prediction.mp4")
    assert rate == pytest.approx(12.5)
    assert frames.shape == (32, 264, 264, 3)
    assert borders(out / "prediction.mp4") == "gg" + 30 * "r"
    assert borders(out / "masks.mp4") == "gg" + 30 * "r"
    assert borders(out / "comparison.mp4") == "gg" + 18 * "r"

    # The numbers are the model's own on the input's first two frames, ...
    clip = read_input(inputs / "clip.mp4", SIZE, options, 32)
    assert clip.frames.shape == (20, 3, SIZE, SIZE)
    expected = model.predict(clip.frames[:2], horizon=30)
    with np.load(out / "prediction.npz") as arrays:
        assert set(arrays.files) == {"frames", "masks", "enc_pred", "times"}
        assert (arrays["frames"] == expected.frames.numpy()).all()
        assert (arrays["masks"] == expected.masks.numpy()).all()
        assert (arrays["enc_pred"] == expected.enc_pred.numpy()).all()
        assert arrays["times"].tolist() == list(range(1, 31))
    # ... and what the videos show is what the numbers say: pixel (y, x) is 8x8 pixels there.
    shown = frames[:, 8:-4:8, 8:-4:8].astype(int)
    true = np.concatenate((clip.frames[:2], video.to_uint8(expected.frames.numpy())[0]))
    assert np.abs(shown - true.transpose(0, 2, 3, 1)).mean() < 12

    report = json.loads((out / "prediction.json").read_text())
    assert report["input"] == str(inputs / "clip.mp4")
    assert report["options"]["horizon"] == 30
    assert report["times"] == list(range(1, 31))
    assert report["files"] == [p.name for p in outputs.files]
    assert report["playback_fps"] == outputs.fps
    with Image.open(out / "strip.png") as strip:
        assert strip.width > 12 * 96


@pytest.mark.parametrize(
    ("source", "options", "fps"),
    [
        ("clip.mp4", {}, 12.5),
        ("clip.mp4", {"fps": 6.25}, 6.25),
        ("clip.gif", {}, 10.0),
        ("frames", {}, 10.0),
        ("frames", {"fps": 24.0, "crop": "stretch"}, 24.0),
        ("push.tfrecord", {"clip": 2}, 10.0),
        ("google.tfrecord", {"clip": 2, "crop": "stretch"}, 10.0),
        ("bair.tfrecord", {"camera": "image_main", "fps": 5.0}, 5.0),
        ("demos.hdf5", {"camera": "wrist", "clip": 1}, 20.0),
        ("shapes:5", {}, 10.0),
    ],
)
def test_every_kind_of_input(
    model: HierarchicalModel,
    inputs: Path,
    tmp_path: Path,
    source: str,
    options: dict[str, Any],
    fps: float,
) -> None:
    path = Path(source) if ":" in source else inputs / source
    chosen = PredictOptions(horizon=6, start=1, **options)
    outputs = predict_file(model, path, tmp_path / "out", options=chosen)
    assert {p.name for p in (tmp_path / "out").iterdir()} == set(FILES)
    assert outputs.fps == pytest.approx(fps)
    assert outputs.true_frames == 6
    assert borders(tmp_path / "out" / "comparison.mp4") == "ggrrrrrr"


def test_start_and_context_choose_the_given_frames(
    model: HierarchicalModel, inputs: Path, tmp_path: Path
) -> None:
    options = PredictOptions(horizon=3, start=7, context=5, npz=True)
    outputs = predict_file(model, inputs / "frames", tmp_path / "out", options=options)
    assert (outputs.context_frames, outputs.true_frames) == (5, 3)
    whole = read_input(inputs / "frames", SIZE, replace(options, start=0), 20).frames
    expected = model.predict(whole[7:12], horizon=3)
    with np.load(tmp_path / "out" / "prediction.npz") as arrays:
        assert (arrays["frames"] == expected.frames.numpy()).all()
    assert borders(tmp_path / "out" / "prediction.mp4") == "gggggrrr"


def test_truth_is_shown_beside_its_own_frame(
    model: HierarchicalModel, inputs: Path, tmp_path: Path
) -> None:
    options = PredictOptions(horizon=15, every=5)
    predict_file(model, inputs / "clip.mp4", tmp_path / "out", options=options)
    clip = read_input(inputs / "clip.mp4", SIZE, options, 20)
    shown, _ = decoded(tmp_path / "out" / "comparison.mp4")
    true = shown[:, -162:-4:5, 6:164:5]
    for picture, number in zip(true, (0, 1, 6, 11, 16), strict=True):
        distances = [
            np.abs(picture.astype(int) - frame.transpose(1, 2, 0)).mean() for frame in clip.frames
        ]
        assert int(np.argmin(distances)) == number


def test_every_and_at_draw_only_what_is_asked(
    model: HierarchicalModel, inputs: Path, tmp_path: Path
) -> None:
    every = predict_file(
        model, inputs / "clip.mp4", tmp_path / "a", options=PredictOptions(horizon=50, every=5)
    )
    assert every.times == tuple(range(5, 51, 5))
    assert every.fps == pytest.approx(2.5)
    assert every.true_frames == 3
    assert borders(tmp_path / "a" / "prediction.mp4") == "gg" + 10 * "r"
    options = PredictOptions(horizon=300, at=(300, 3, 3), npz=True)
    at = predict_file(model, inputs / "clip.mp4", tmp_path / "b", options=options)
    assert at.times == (3, 300)
    assert at.fps == 1.0
    assert at.true_frames == 1
    assert borders(tmp_path / "b" / "prediction.mp4") == "ggrr"
    clip = read_input(inputs / "clip.mp4", SIZE, options, 2)
    expected = model.predict(clip.frames, horizon=300).frames[:, 299]
    with np.load(tmp_path / "b" / "prediction.npz") as arrays:
        np.testing.assert_allclose(arrays["frames"][:, 1], expected.numpy(), atol=1e-5)


def test_without_truth_there_is_no_comparison(
    model: HierarchicalModel, inputs: Path, tmp_path: Path
) -> None:
    options = PredictOptions(horizon=4, start=18)
    outputs = predict_file(model, inputs / "clip.mp4", tmp_path / "out", options=options)
    assert outputs.true_frames == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == set(FILES) - {"comparison.mp4"}


def test_samples_are_shown_in_a_grid(inputs: Path, tmp_path: Path) -> None:
    noisy = tiny(pred_noise_std=5.0)
    options = PredictOptions(horizon=3, samples=3, npz=True)
    predict_file(noisy, inputs / "clip.mp4", tmp_path / "out", options=options)
    frames, _ = decoded(tmp_path / "out" / "prediction.mp4")
    assert frames.shape[1:3] == (2 * (264 + 16) + 6, 2 * 264 + 6)
    with np.load(tmp_path / "out" / "prediction.npz") as arrays:
        assert arrays["frames"].shape == (3, 3, 3, SIZE, SIZE)
        assert not (arrays["enc_pred"][0] == arrays["enc_pred"][1]).all()


def test_a_shapes_clip_is_one_that_no_run_trains_on() -> None:
    options = PredictOptions(horizon=1)
    tested = {read_input(Path(f"shapes:{i}"), SIZE, options, 3).id for i in range(5)}
    assert len(tested) == 5
    data = DataConfig(path="shapes", clips=1000)
    source = open_source(data, SIZE)
    ids = {
        split: {source.recordings[s.recording].id for s in segments(source, data, split)}
        for split in ("train", "test")
    }
    assert tested <= ids["test"]
    assert not tested & ids["train"]


def test_overwrite(model: HierarchicalModel, inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    first = PredictOptions(horizon=4, npz=True)
    predict_file(model, inputs / "clip.mp4", out, options=first)
    before = (out / "prediction.mp4").read_bytes()
    with pytest.raises(ValueError, match=r"holds a prediction already .*prediction\.mp4.*--overwr"):
        predict_file(model, inputs / "clip.mp4", out, options=first)
    assert (out / "prediction.mp4").read_bytes() == before
    # What the second one doesn't write must not be mistaken for its own.
    second = PredictOptions(horizon=4, start=18, overwrite=True)
    predict_file(model, inputs / "clip.mp4", out, options=second)
    assert {p.name for p in out.iterdir()} == {*FILES, "notes.txt"} - {"comparison.mp4"}
    assert (out / "prediction.mp4").read_bytes() != before
    assert json.loads((out / "prediction.json").read_text())["options"]["start"] == 18


@pytest.mark.parametrize("exists", [True, False])
def test_a_failure_half_way_leaves_everything_as_it_was(
    model: HierarchicalModel,
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    exists: bool,
) -> None:
    out = tmp_path / "deep" / "out"
    if exists:
        predict_file(model, inputs / "clip.mp4", out, options=PredictOptions(horizon=2))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    def fail(path: Path, picture: np.ndarray) -> None:
        assert len(list(path.parent.iterdir())) == 3, "the videos were there"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prediction_files.video, "write_png", fail)
    options = PredictOptions(horizon=3, overwrite=True)
    with pytest.raises(ValueError, match=r"--out .*can't be written \(No space left on device\)"):
        predict_file(model, inputs / "clip.mp4", out, options=options)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    assert list(tmp_path.iterdir()) == ([tmp_path / "deep"] if exists else [])


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"horizon": 0}, "--horizon is 0: must be at least 1"),
        ({"horizon": -3}, "--horizon is -3: must be at least 1"),
        ({"horizon": 5, "every": 0}, "--every is 0: must be at least 1"),
        ({"horizon": 5, "every": 6}, "--every is 6: must lie in 1 to 5, the horizon"),
        ({"horizon": 5, "at": (3, 0, 6)}, "--at is '0,6': predicted frames are numbered 1 to 5"),
        ({"horizon": 5, "at": (3,), "every": 2}, "--every is 2: excludes --at"),
        ({"horizon": 5, "start": -1}, "--start is -1: must be at least 0"),
        ({"horizon": 5, "samples": 0}, "--samples is 0: must be at least 1"),
        ({"horizon": 5, "fps": float("nan")}, "--fps is nan: must be at least 0"),
        ({"horizon": 5, "fps": float("inf")}, "--fps is inf: must be a finite number"),
    ],
)
def test_options_are_checked_at_once(wish: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="^" + message) as caught:
        PredictOptions(**wish)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "wish", "message"),
    [
        ("missing.mp4", {}, r"missing\.mp4: there is no such file or folder"),
        ("shapes:x", {}, "shapes:x: there is no such file"),
        ("text.mp4", {}, r"text\.mp4"),
        ("empty.mp4", {}, r"empty\.mp4"),
        ("empty.tfrecord", {}, r"empty\.tfrecord"),
        ("nothing", {}, "nothing holds no images"),
        ("one.mp4", {}, r"one\.mp4 has 1 frame\(s\) from frame 0 on: 2 are needed as context"),
        ("clip.mp4", {"start": 19}, r"has 1 frame\(s\) from frame 19 on: 2 are needed"),
        ("clip.mp4", {"start": 20}, "has 20 frames"),
        ("frames", {"start": 19}, r"has 1 frame\(s\) from frame 19 on: 2 are needed"),
        ("push.tfrecord", {"start": 25}, r"has 0 frame\(s\) from frame 25 on: 2 are needed"),
        ("push.tfrecord", {"clip": 3}, r"no readable record 3: its 3 .* are numbered 0 to 2"),
        ("push.tfrecord", {"crop": "stretch"}, "--crop is 'stretch': means nothing for"),
        ("push.tfrecord", {"camera": "front"}, "camera is front: .*one camera only"),
        ("clip.mp4", {"camera": "front"}, "--camera is 'front': means nothing for"),
        ("demos.hdf5", {}, "several cameras: choose one of front, wrist"),
        ("demos.hdf5", {"clip": 3, "camera": "wrist"}, "no readable record 3: .* 0 to 2; choose"),
        ("clip.mp4", {"clip": 1}, "--clip is 1: means nothing for"),
        ("shapes:0", {"fps": 5.0}, "--fps is 5.0: means nothing for shapes:0"),
        ("clip.mp4", {"crop": "middle"}, "crop is 'middle': must be center"),
        ("clip.mp4", {"context": 1}, "--context is 1: this model needs 2 frames or more"),
        ("clip.mp4", {"context": 21}, r"has 20 frame\(s\) from frame 0 on: 21 are needed"),
        ("clip.mp4", {"samples": 2}, "samples is 2: must be 1 for a deterministic model"),
        ("clip.mp4", {"actions": Path("a.csv")}, "--actions is .*a.csv.*: this model was trained "),
    ],
)
def test_mistakes_give_one_line_and_write_nothing(
    model: HierarchicalModel,
    inputs: Path,
    tmp_path: Path,
    source: str,
    wish: dict[str, Any],
    message: str,
) -> None:
    path = Path(source) if source == "shapes:0" else inputs / source
    options = PredictOptions(horizon=5, **wish)
    with pytest.raises(ValueError, match=message) as caught:
        predict_file(model, path, tmp_path / "deep" / "out", options=options)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert {p.name for p in inputs.iterdir()} == INPUTS, "nothing beside the input either"


def test_out_must_be_a_folder(model: HierarchicalModel, inputs: Path) -> None:
    for out in (inputs / "file", inputs / "file" / "below"):
        with pytest.raises(ValueError, match=r"--out .*file.* is a file; name a folder"):
            predict_file(model, inputs / "clip.mp4", out, options=PredictOptions(horizon=2))
    assert (inputs / "file").read_text() == "a file"


def test_predictions_that_are_not_finite_are_refused(inputs: Path, tmp_path: Path) -> None:
    broken = tiny()
    with torch.no_grad():
        broken.decoder.get_parameter(next(iter(dict(broken.decoder.named_parameters())))).fill_(
            float("nan")
        )
    with pytest.raises(ValueError, match="not finite"):
        predict_file(
            broken, inputs / "clip.mp4", tmp_path / "out", options=PredictOptions(horizon=2)
        )
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def acting() -> HierarchicalModel:
    return tiny(action_dim=5)


def arrays(folder: Path) -> np.ndarray:
    with np.load(folder / "prediction.npz") as found:
        return found["enc_pred"]


def test_actions_from_a_file(acting: HierarchicalModel, inputs: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(0, 3, (14, 5)).astype(np.float32)
    names = "x,y,z,pitch,yaw\n"
    text = names + "".join(",".join(f"{value:.9g}" for value in row) + "\n" for row in rows)
    (tmp_path / "a.csv").write_text(text)
    np.save(tmp_path / "a.npy", rows.astype(np.float64))
    np.savez(tmp_path / "a.npz", actions=rows, other=np.zeros(3))
    options = PredictOptions(horizon=10, start=3, npz=True)
    results: list[np.ndarray] = []
    for name in ("a.csv", "a.npy", "a.npz"):
        out = tmp_path / name.replace(".", "-")
        chosen = replace(options, actions=tmp_path / name)
        predict_file(acting, inputs / "clip.mp4", out, options=chosen)
        results.append(arrays(out))
    # Row r belongs to frame r of the input: the first three are skipped with their frames.
    clip = read_input(inputs / "clip.mp4", SIZE, options, 2)
    expected = acting.predict(clip.frames, rows[3:], horizon=10).enc_pred.numpy()
    unlike = acting.predict(clip.frames, rows[:11], horizon=10).enc_pred.numpy()
    assert np.abs(expected - unlike).max() > 0, "actions matter"
    for result in results:
        assert (result == expected).all()


def test_actions_from_the_record(acting: HierarchicalModel, inputs: Path, tmp_path: Path) -> None:
    options = PredictOptions(horizon=17, start=2, clip=1, npz=True)
    predict_file(acting, inputs / "push.tfrecord", tmp_path / "out", options=options)
    clip = read_input(inputs / "push.tfrecord", SIZE, options, 18)
    assert clip.actions.any()
    expected = acting.predict(clip.frames[:2], clip.actions, horizon=17)
    assert (arrays(tmp_path / "out") == expected.enc_pred.numpy()).all()


def test_actions_beside_pictures_go_on_into_the_future(
    acting: HierarchicalModel, inputs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "frames"
    shutil.copytree(inputs / "frames", folder)
    rows = np.random.default_rng(2).random((40, 5), np.float32)
    np.save(folder / "actions.npy", rows)
    options = PredictOptions(horizon=30, start=3, npz=True)
    predict_file(acting, folder, tmp_path / "out", options=options)
    clip = read_input(folder, SIZE, options, 2)
    expected = acting.predict(clip.frames, rows[3:34], horizon=30).enc_pred.numpy()
    assert (arrays(tmp_path / "out") == expected).all()
    np.save(folder / "actions.npy", rows[:20])
    with pytest.raises(DataError, match=r"actions\.npy has 20 actions: 34 are needed"):
        predict_file(acting, folder, tmp_path / "other", options=options)


@pytest.mark.parametrize(
    ("source", "rows", "horizon", "message"),
    [
        ("clip.mp4", None, 6, "has no actions.*trained with 5 numbers.*give --actions FILE with 8"),
        ("clip.mp4", (20, 4), 6, "has actions of 4 numbers: this model was trained with 5"),
        ("clip.mp4", (7, 5), 6, "has 7 actions: 8 are needed for 2 context frames and a horizon"),
        ("bair.tfrecord", None, 6, "has actions of 4 numbers: this model was trained with 5"),
        ("push.tfrecord", None, 20, "has 19 actions: 21 are needed for 2 context frames"),
    ],
)
def test_actions_that_do_not_fit(
    acting: HierarchicalModel,
    inputs: Path,
    tmp_path: Path,
    source: str,
    rows: tuple[int, int] | None,
    horizon: int,
    message: str,
) -> None:
    path = None
    if rows:
        path = tmp_path / "a.npy"
        np.save(path, np.zeros(rows, np.float32))
    options = PredictOptions(horizon=horizon, start=1, actions=path)
    with pytest.raises(ValueError, match=message):
        predict_file(acting, inputs / source, tmp_path / "out", options=options)
    assert not (tmp_path / "out").exists()


def test_the_table_beside_a_video_has_its_actions(inputs: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes((inputs / "clip.mp4").read_bytes())
    rng = np.random.default_rng(0)
    actions = rng.random((20, 3), np.float32)
    np.savez(tmp_path / "clip.npz", actions=actions, poses=np.zeros((20, 1)))
    model = tiny(action_dim=3)
    options = PredictOptions(horizon=9, start=4, npz=True)
    predict_file(model, path, tmp_path / "out", options=options)
    clip = read_input(path, SIZE, options, 11)
    assert clip.actions.shape == (11, 0)  # a model without actions doesn't look for a table
    expected = model.predict(clip.frames[:2], actions[4:14], horizon=9)
    with np.load(tmp_path / "out" / "prediction.npz") as arrays:
        assert (arrays["frames"] == expected.frames.numpy()).all()
    for changes, message in (
        ({"horizon": 19}, r"has 20 actions: 20 are needed|has 16 actions: 20 are needed"),
        ({"camera": "front"}, "--camera is 'front': means nothing"),
    ):
        with pytest.raises(ValueError, match=message):
            predict_file(model, path, tmp_path / "no", options=replace(options, **changes))
    with pytest.raises(ValueError, match="has actions of 3 numbers: this model was trained with 5"):
        predict_file(tiny(action_dim=5), path, tmp_path / "no", options=options)
    (tmp_path / "clip.npz").write_bytes(b"no table")
    with pytest.raises(ValueError, match=r"clip\.npz: is no file of plain numbers"):
        predict_file(model, path, tmp_path / "no", options=options)
    np.save(tmp_path / "other.npy", actions)
    chosen = replace(options, actions=tmp_path / "other.npy")
    predict_file(model, path, tmp_path / "other", options=chosen)  # the broken table is not read


def test_an_episode_of_a_lerobot_folder(tmp_path: Path) -> None:
    path, model = truth.DATA / "lerobot-v3", tiny(action_dim=3)
    options = PredictOptions(horizon=8, clip=1, camera="wrist", crop="0,0,32", npz=True)
    predict_file(model, path, tmp_path / "out", options=options)
    clip = read_input(path, SIZE, options, 10)
    np.testing.assert_array_equal(clip.actions, truth.actions(1))
    expected = model.predict(clip.frames[:2], clip.actions, horizon=8)
    with np.load(tmp_path / "out" / "prediction.npz") as arrays:
        assert (arrays["frames"] == expected.frames.numpy()).all()
    for changes, message in (
        ({"clip": 3}, "has no episode 3: its 3 episodes are numbered 0 to 2; choose another"),
        ({"camera": ""}, "has 2 cameras"),
        ({"start": 9}, r"has 0 frame\(s\) from frame 9 on"),
        ({"crop": "round"}, "crop"),
        ({"horizon": 9}, "has 9 actions: 10 are needed"),
    ):
        with pytest.raises(ValueError, match=message):
            predict_file(model, path, tmp_path / "no", options=replace(options, **changes))
