"""Finders: what they see in true and in spoilt frames, and what evaluation makes of it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_run import tiny

from farframe.data.reader import collate
from farframe.data.tfrecord import TFRecordSource
from farframe.evaluation.finder import THINGS, Finder, FinderNet, thing_of
from farframe.evaluation.finder_pictures import Shots, blurred, empty_scene, stored
from farframe.evaluation.finder_training import main
from farframe.evaluation.found import Sought
from farframe.evaluation.options import EvaluateOptions
from farframe.evaluation.report import evaluate_run
from farframe.training.loop import train
from farframe.types import Clip

CPU = torch.device("cpu")
RECORDS = Path(__file__).parents[1] / "data" / "finder"
"""Three test clips of four frames of each world, 64x64."""
FILES = {"arm": RECORDS / "robot-push-test.tfrecord", "person": RECORDS / "humans-test.tfrecord"}
things = pytest.mark.parametrize("thing", THINGS)


@cache
def clips(thing: str, size: int = 64) -> list[Clip]:
    source = TFRecordSource.open(FILES[thing], size, store_index=False)
    return [source.read(n, range(4)) for n in range(3)]


def scenes(thing: str, size: int = 64) -> torch.Tensor:
    masks = [THINGS[thing].truth(clip.labels) for clip in clips(thing, size)]
    empty = [empty_scene(c.frames, m) for c, m in zip(clips(thing, size), masks, strict=True)]
    return torch.from_numpy(np.stack(empty)).float() / 255


def overlap(thing: str, frames: torch.Tensor, size: int = 64) -> float:
    truth = np.stack([THINGS[thing].truth(clip.labels) for clip in clips(thing, size)])
    found = Finder.load(thing, CPU)(frames, scenes(thing, size)).numpy()
    return float(((found & truth).sum((2, 3)) / (found | truth).sum((2, 3)).clip(1)).mean())


@things
def test_what_is_there_is_found_and_what_is_faint_is_not(thing: str) -> None:
    frames = collate(clips(thing)).images()
    assert overlap(thing, frames) > 0.75
    assert overlap(thing, collate(clips(thing, 32)).images(), 32) > 0.6
    soft = blurred(frames.flatten(0, 1), torch.full((12,), 1.0)).view(frames.shape)
    assert overlap(thing, soft) > 0.65
    behind = scenes(thing)[:, None]
    assert overlap(thing, 0.75 * frames + 0.25 * behind) > 0.65
    assert overlap(thing, 0.25 * frames + 0.75 * behind) < 0.2


def test_a_world_is_known_by_its_labels() -> None:
    assert {thing: thing_of(clips(thing)[0].labels) for thing in THINGS} == {t: t for t in THINGS}
    assert thing_of({"mask", "kind", "colour", "position", "size"}) == ""
    assert thing_of({"joints"}) == ""  # Human3.6M's


class Bright(FinderNet):
    """Finds what is bright."""

    def forward(self, frames: torch.Tensor, scenes: torch.Tensor) -> torch.Tensor:
        assert (scenes < 0.01).all()  # what is bright is the person, behind whom all is black
        return frames.mean(1) - 0.5


def bright_clip(*areas: int) -> tuple[Clip, Clip]:
    """A person of so many pixels in each frame of the truth, and again as pictures."""
    shown = np.zeros((len(areas), 64 * 64), bool)
    for row, area in zip(shown, areas, strict=True):
        row[:area] = True
    shown = shown.reshape(-1, 64, 64)
    empty = np.zeros((len(areas), 0), np.float32)
    frames = np.repeat(shown[:, None], 3, 1).astype(np.uint8) * 255
    labels = {"mask": shown.astype(np.uint8) * 255, "joints": np.zeros((len(areas), 34))}
    clip = Clip(frames=frames, actions=empty, poses=empty, fps=1.0, id="", labels=labels)
    return clip, replace(clip, labels={})


def test_quantities_count_only_where_the_truth_has_a_person() -> None:
    truth, unlabelled = bright_clip(0, 100, 100, 100, 100, 100, 10)
    shown, _ = bright_clip(0, 100, 50, 49, 200, 201, 100)
    finder, frames = Finder("person", Bright(), ""), collate([shown, shown]).images()[:, 1:]
    found = Sought.of(finder, [truth, unlabelled], 1, frames).measured(frames)
    nan = np.nan
    expected = {
        "person_iou": [1, 0.5, 0.49, 0.5, 100 / 201, nan],
        "person_area": [1, 1, 0, 1, 0, nan],
        "person_found": [1, 1, 1, 1, 1, nan],
    }
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name][0], values, rtol=1e-5, err_msg=name)
        assert found[name][1].isnan().all()
    gone = Sought.of(finder, [truth], 1, frames[:1]).measured(torch.zeros(1, 6, 3, 64, 64))
    assert gone["person_found"][0, :5].sum() == gone["person_area"][0, :5].sum() == 0


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finder") / "run"
    train(tiny(steps=1, data={"sequence_length": 3}), folder)
    return folder


@things
def test_an_evaluation_says_where_the_thing_is(thing: str, run: Path, tmp_path: Path) -> None:
    options = EvaluateOptions(
        data=str(FILES[thing]), split="all", context=2, horizon=2, clips=3, batch_size=2
    )
    report = evaluate_run(run, options, out=tmp_path, device="cpu")
    content = json.loads((tmp_path / "evaluation.json").read_text())
    assert content["card"]["features"]["finder"]["weights"] == Finder.load(thing, CPU).digest
    curves = content["curves"][f"{thing}_iou"]
    assert curves.keys() == {"model", "copy_last", "oracle", "truth"}
    assert np.mean(curves["truth"]["mean"]) > 0.6
    assert np.mean(curves["model"]["mean"]) < np.mean(curves["truth"]["mean"])
    row = report.rows[-1]
    assert row.clips == 3
    with (tmp_path / "clips.csv").open() as file:
        rows = list(csv.DictReader(file))
    means = [float(r[f"truth/{thing}_iou"]) for r in rows]
    assert np.mean(means) == pytest.approx(np.mean(curves["truth"]["mean"]), rel=1e-4)
    if thing == "person":
        assert {"person_area", "person_found"} <= content["curves"].keys()
        assert "person_area" not in content["confidence_horizon"]
    page = (tmp_path / "report.html").read_text()
    assert "of 3 clips at least; true frames" in page


def test_blends_say_what_is_to_be_found() -> None:
    frames = np.zeros((2, 6, 3, 64, 64), np.uint8)
    masks = np.zeros((2, 6, 64, 64), bool)
    for t in range(6):
        masks[:, t, 20:40, 8 * t : 8 * t + 12] = True
    frames[:] = np.where(masks[:, :, None], 255, 0)
    shots = Shots.of(frames, masks)
    assert shots.scenes.max() < 10
    pictures, _, there = shots.draw(200, np.random.default_rng(0))
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    bright, dark = pictures.mean(1)[there > 0], pictures.mean(1)[there == 0]
    assert bright.median() > 0.8
    assert dark.median() < 0.1
    assert 0.1 < (there.sum((1, 2)) == 0).float().mean() < 0.3  # the faint ones
    picture = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(stored(picture, torch.zeros(1)), picture, atol=1e-3, rtol=0)
    assert (stored(picture, torch.full((1,), 0.5)) - picture).abs().mean() > 0.05
    torch.testing.assert_close(blurred(picture, torch.zeros(1)), picture)


def test_training_writes_weights_that_can_be_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for split in ("train", "validation"):
        (tmp_path / f"robot-push-{split}.tfrecord").write_bytes(FILES["arm"].read_bytes())
    out = tmp_path / "arm.safetensors"
    assert main([str(tmp_path), "--out", str(out), "--steps", "2"]) == 0
    finder = Finder.of("arm", out.read_bytes(), CPU)
    seen = finder(torch.rand(2, 1, 3, 64, 64), torch.rand(2, 3, 64, 64))
    assert seen.shape == (2, 1, 64, 64)
    assert finder.digest != Finder.load("arm", CPU).digest
    caplog.clear()
    assert main(["shapes", "--out", str(out)]) == 2
    assert "arm, person" in caplog.text


def test_the_weights_are_small() -> None:
    folder = Path(__file__).parents[2] / "src" / "farframe" / "evaluation"
    for thing in THINGS:
        assert (folder / f"finder_{thing}.safetensors").stat().st_size < 150_000
    assert sum(p.numel() for p in FinderNet().parameters()) < 60_000
