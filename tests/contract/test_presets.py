"""What every preset promises: it survives being written down, and it trains."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from farframe.data.source import open_source
from farframe.data.tfrecord_writer import write_tfrecords
from farframe.presets import PRESETS
from farframe.run import RunConfig, load_any, load_config
from farframe.training.loop import train
from farframe.video import pictures, write_video
from farframe.worlds.shapes import ShapesSource

CONFIGS = [preset.config for preset in PRESETS.values()]
configs = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What a user brings along, by the kind of data that a preset wants."""
    folder = tmp_path_factory.mktemp("data")
    clip = ShapesSource(clips=1, length=90, frame_size=32, seed=0).read(0, range(90))
    write_video(folder / "video.mp4", pictures(clip.frames), 10.0)
    for name, widths in {"records": (5, 12), "joints": (0, 34)}.items():
        (folder / name).mkdir()
        actions, poses = (np.ones((90, width), np.float32) for width in widths)
        acting = replace(clip, actions=actions, poses=poses)
        for split in ("train", "validation"):
            write_tfrecords(folder / name / f"{split}.tfrecord", [acting] * 2)
    records, joints = folder / "records", folder / "joints"
    return {"auto": folder / "video.mp4", "tfrecord": records, "12": records, "34": joints}


def shrunk(config: RunConfig, brought: dict[str, Path]) -> RunConfig:
    """The same run with everything that only costs time made small, starting from chance."""
    context, kind = config.model.context_frames, config.data.kind
    if kind == "auto" and config.mode.pose_dim:
        kind = str(config.mode.pose_dim)  # a video has no poses
    small = {"frame_size": 32, "width": 2, "enc_size": config.mode.pose_dim or 4, "pred_cells": 3}
    small |= {"units": 4, "noise_size": 2}
    known = {field.name for field in fields(config.model)}
    return replace(
        config,
        model=replace(config.model, **{k: v for k, v in small.items() if k in known}),
        data=replace(
            config.data,
            path=config.data.path or str(brought[kind]),
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
            encoder_weights="",
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
def test_its_shrunk_version_trains(
    config: RunConfig, brought: dict[str, Path], tmp_path: Path
) -> None:
    small = shrunk(config, brought)
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
    model = load_any(out)
    source = open_source(small.data, 32)
    clip = source.read(0, range(small.model.context_frames + 3))
    context = clip.frames[: small.model.context_frames]
    actions = clip.actions if small.model.action_dim else None
    assert bool(model.predict(context, actions, horizon=3).frames.isfinite().all())
