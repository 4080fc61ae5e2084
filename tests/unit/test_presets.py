"""Presets as values: named as they are called, and possible as they are."""

from __future__ import annotations

import pytest

from farframe.presets import PRESETS, Preset

presets = pytest.mark.parametrize(("name", "preset"), PRESETS.items(), ids=list(PRESETS))


def test_the_promised_ones_are_there() -> None:
    assert {"shapes-tiny", "video-small", "video", "debug"} <= PRESETS.keys()


@presets
def test_a_preset_is_called_what_its_run_is_called(name: str, preset: Preset) -> None:
    assert preset.config.name == name


@presets
def test_a_summary_is_one_short_line(name: str, preset: Preset) -> None:
    assert 10 <= len(preset.summary) <= 80
    assert preset.summary == preset.summary.strip()
    assert "\n" not in preset.summary


@presets
def test_the_world_comes_along_and_videos_are_the_users(name: str, preset: Preset) -> None:
    assert preset.config.data.path == (
        "shapes" if name in ("shapes", "shapes-tiny", "debug", "svg-tiny") else ""
    )


@presets
def test_clips_of_a_world_are_long_enough(name: str, preset: Preset) -> None:
    config = preset.config
    if config.data.path == "shapes":
        context, data = config.model.context_frames, config.data
        needed = max(data.sequence_length, context + config.train.evaluate_horizon)
        assert data.clip_length > (needed - 1) * data.stride


@presets
def test_the_warm_up_ends_before_the_training(name: str, preset: Preset) -> None:
    assert preset.config.train.warmup_steps < preset.config.train.steps


def test_the_demo_can_be_judged_at_frame_100() -> None:
    config = PRESETS["shapes-tiny"].config
    assert config.data.clip_length >= config.model.context_frames + 100


def test_debug_takes_seconds() -> None:
    config = PRESETS["debug"].config
    assert config.train.steps <= 10
    assert config.model.width <= 8
