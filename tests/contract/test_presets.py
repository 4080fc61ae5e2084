"""What every preset promises: it survives being written down, and it trains."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from pathlib import Path

import pytest

from farframe.data.source import open_source
from farframe.presets import PRESETS
from farframe.run import RunConfig, load, load_config
from farframe.training.loop import train
from farframe.video import pictures, write_video
from farframe.worlds.shapes import ShapesSource

CONFIGS = [preset.config for preset in PRESETS.values()]
configs = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a user brings along."""
    path = tmp_path_factory.mktemp("data") / "video.mp4"
    clip = ShapesSource(clips=1, length=90, frame_size=32, seed=0).read(0, range(90))
    write_video(path, pictures(clip.frames), 10.0)
    return path


def shrunk(config: RunConfig, video: Path) -> RunConfig:
    """The same run with everything that only costs time made small."""
    context = config.model.context_frames
    return replace(
        config,
        model=replace(config.model, frame_size=32, width=2, enc_size=4, pred_cells=3),
        data=replace(
            config.data,
            path=config.data.path or str(video),
            sequence_length=context + 2,
            batch_size=2,
            workers=0,
            clips=60,
            clip_length=context + 3,
        ),
        train=replace(
            config.train,
            steps=2,
            device="cpu",
            warmup_steps=min(1, config.train.warmup_steps),
            log_every=1,
            evaluate_every=2,
            evaluate_clips=1,
            evaluate_horizon=2,
            checkpoint_every=2,
        ),
    )


@configs
def test_a_preset_survives_json(config: RunConfig) -> None:
    again = RunConfig.from_json(config.to_json())
    assert again == config
    assert type(again.mode) is type(config.mode)
    for part in ("model", "data", "train", "mode"):  # 1 == 1.0, but it is another number in a file
        mine, theirs = getattr(config, part), getattr(again, part)
        for field in fields(mine):
            assert type(getattr(mine, field.name)) is type(getattr(theirs, field.name)), field.name


@configs
def test_its_shrunk_version_trains(config: RunConfig, video: Path, tmp_path: Path) -> None:
    small = shrunk(config, video)
    out = tmp_path / "run"
    last = train(small, out)
    assert last.step == 2
    assert load_config(out) == small
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    losses = [line for line in lines if any(name.startswith("loss/") for name in line)]
    assert [line["step"] for line in losses] == [1, 2]
    for line in losses:
        assert all(math.isfinite(v) for k, v in line.items() if k.startswith(("loss/", "lr/")))
    assert any("val/psnr" in line for line in lines)
    model = load(out)
    source = open_source(small.data, 32)
    context = source.read(0, range(small.model.context_frames)).frames
    assert bool(model.predict(context, horizon=3).frames.isfinite().all())
