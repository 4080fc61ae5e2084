"""Turned colours, held against Python's own HSV, and what they promise to training."""

from __future__ import annotations

import colorsys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from memory_source import MemorySource, recordings
from tiny_run import contents, differing, tiny

from farframe.config import DataConfig
from farframe.data.hue import recoloured, turned
from farframe.data.reader import collate
from farframe.training.loop import train
from farframe.types import Batch


def by_colorsys(frames: np.ndarray, turns: list[float]) -> np.ndarray:
    out = np.empty_like(frames)
    for clip, turn in enumerate(turns):
        for t, _, y, x in np.ndindex(frames.shape[1], 1, *frames.shape[3:]):
            hue, saturation, value = colorsys.rgb_to_hsv(*frames[clip, t, :, y, x].tolist())
            out[clip, t, :, y, x] = colorsys.hsv_to_rgb((hue + turn) % 1.0, saturation, value)
    return out


def test_it_is_what_an_independent_hsv_makes_of_it() -> None:
    frames = torch.rand(5, 2, 3, 6, 6)
    frames[:, 0, :, 0] = frames[:, 0, :1, 0]  # grey
    frames[:, 0, 1, 1] = frames[:, 0, 0, 1]  # two channels tie
    frames[:, 0, :, 2] = torch.tensor([0.0, 1.0, 0.0])[None, :, None]
    frames[:, 0, :, 3] = 0.0
    turns = [-0.5, -0.123, 0.0, 0.3, 0.5]
    found = turned(frames, torch.tensor(turns))
    np.testing.assert_allclose(found, by_colorsys(frames.numpy(), turns), atol=2e-6)


def test_value_and_grey_stay_and_pure_colours_go_round() -> None:
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 1, 3, 1, 1)
    assert turned(red, torch.tensor([1 / 3])).flatten().tolist() == pytest.approx([0, 1, 0])
    assert turned(red, torch.tensor([-1 / 3])).flatten().tolist() == pytest.approx([0, 0, 1])
    frames = torch.rand(2, 3, 3, 4, 4)
    found = turned(frames, torch.tensor([0.2, -0.4]))
    torch.testing.assert_close(found.amax(2), frames.amax(2))
    torch.testing.assert_close(found.amin(2), frames.amin(2))


def batch_of(count: int) -> Batch:
    source = MemorySource(recordings(*[4] * count))
    return collate([source.read(i, range(4)) for i in range(count)])


def test_the_angle_depends_on_seed_and_clip_alone() -> None:
    """One process or two, from the start or resumed: the same colours."""
    frames = torch.rand(1, 2, 3, 4, 4).expand(6, -1, -1, -1, -1)
    batch = replace(batch_of(6), frames=frames)
    whole = recoloured(batch, 0.5, seed=3, first=12).frames
    half = replace(batch, frames=frames[:3], ids=batch.ids[:3])
    parts = [recoloured(half, 0.5, seed=3, first=first).frames for first in (12, 15)]
    assert torch.equal(whole, torch.cat(parts))
    assert len({tuple(clip.flatten().tolist()) for clip in whole}) == 6
    assert not torch.equal(whole, recoloured(batch, 0.5, seed=4, first=12).frames)
    assert not torch.equal(whole[0], frames[0])


def test_angles_fill_the_circle_evenly() -> None:
    from farframe.data.hue import _share

    shares = np.array([_share(0, k) for k in range(4000)])
    counts, _ = np.histogram(shares, 10, (0, 1))
    assert counts.min() > 340
    assert counts.max() < 460


def test_without_jitter_nothing_is_touched() -> None:
    batch = batch_of(2)
    assert recoloured(batch, 0.0, seed=0, first=0) is batch


def test_a_jitter_beyond_half_the_circle_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data.hue_jitter is 0.6: must be from 0 to 0.5"):
        DataConfig(hue_jitter=0.6)


def test_training_with_it_differs_and_resumes_bit_for_bit(tmp_path: Path) -> None:
    data = {"hue_jitter": 0.5}
    train(tiny(), tmp_path / "plain")
    train(tiny(data=data), tmp_path / "whole")
    train(tiny(data=data, steps=2), tmp_path / "parts")
    train(tiny(data=data), tmp_path / "parts", resume=True)
    assert differing(contents(tmp_path / "plain"), contents(tmp_path / "whole"))
    assert differing(contents(tmp_path / "whole"), contents(tmp_path / "parts")) == []
