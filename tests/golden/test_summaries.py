"""What eval writes of the recorded batch equals the losses that the original computed of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from recorded import arrays, batch, flags, networks

from farframe.config import DataConfig, TrainConfig
from farframe.data.clips import ClipWindows
from farframe.data.splits import Segment
from farframe.evaluation.summaries import Summaries
from farframe.modes import E2E, EPEV, Mode, Networks
from farframe.modes.individual import Individual
from farframe.run import RunConfig
from farframe.types import Batch
from farframe.worlds.shapes import ShapesSource

LOSSES = ("van", "van_on_enc", "enc_pred")
POSES = ("pose_from_enc", "pose_from_pred")


class OfTheRecording(Summaries):
    """Summaries of the recorded batch, whatever the windows."""

    def _batches(self) -> Iterator[Batch]:
        yield batch(self.config.name)


def measured(name: str, mode: Mode, **data: str) -> dict[str, float]:
    model, _ = networks(name)
    config = RunConfig(
        name=name,
        model=model.config,
        data=replace(DataConfig(path="d", sequence_length=6, batch_size=2), **data),
        train=TrainConfig(),
        mode=mode,
    )
    source = ShapesSource(clips=2, length=6, frame_size=64, seed=0)
    found = OfTheRecording(
        config=config,
        nets=Networks(model, {}),
        windows=ClipWindows(source, [Segment(i, 0, 6) for i in range(2)], 6),
        indices=range(2),
    )
    assert flags(name)["global_step_before"] == 100
    return found.scalars(100)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("epev", EPEV(enc_pred_weight=1.0)),
        ("epev", E2E()),
        ("individual", Individual()),
        ("individual", E2E()),
    ],
    ids=lambda x: x if isinstance(x, str) else x.tag,
)
def test_every_loss_that_the_original_summarised(name: str, mode: Mode) -> None:
    """All of them, whatever the mode trains on."""
    values, recorded = measured(name, mode, controls="read"), arrays(name)
    posed = ("van_on_pose",) if name == "individual" else ()
    quants = (*POSES, "pose_from_pred_on_pose") if name == "individual" else POSES
    expected = {f"{n}_loss/loss": n for n in (*LOSSES, *posed)}
    expected |= {f"{n}_loss_quant/loss": n for n in quants}
    assert {tag for tag in values if tag.endswith("/loss")} == set(expected)
    for tag, loss in expected.items():
        assert values[tag] == pytest.approx(float(recorded[f"loss/{loss}"]), rel=1e-3), tag
    for way in ("van", "van_on_enc"):
        errors = (recorded[f"out/{way}_all" if way == "van_on_enc" else "out/van_out_all"]
                  - recorded["in/images"][:, 1:]) ** 2  # fmt: skip
        whole = -10 * np.log10(errors.mean((0, 2, 3, 4)))
        assert values[f"{way}_loss/psnr_all"] == pytest.approx(whole.mean(), rel=1e-4)
        frames = -10 * np.log10(errors.mean((2, 3, 4)))
        assert values[f"{way}_loss/psnr"] == pytest.approx(frames.mean(), rel=0.02)


def test_the_weighted_sum_is_what_the_optimizer_lowers() -> None:
    values, recorded = measured("epev", EPEV(enc_pred_weight=1.0)), arrays("epev")
    returned = float(recorded["train/returned_loss"][0])
    assert values["total_loss/all"] == pytest.approx(returned, rel=1e-3)


def test_zeros_in_the_place_of_poses_are_not_measured() -> None:
    for name in ("epev", "individual"):
        values = measured(name, E2E(), controls="zeros")
        assert not [tag for tag in values if "pose" in tag]
