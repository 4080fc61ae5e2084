"""The ablation without the first frame: the decoder sees a blank one, and draws every pixel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_run import tiny

from farframe.config import ModelConfig
from farframe.models.hierarchical import HierarchicalModel
from farframe.run import CONFIG, load_config, write_config


def model(first: str) -> HierarchicalModel:
    torch.manual_seed(0)
    config = ModelConfig(
        frame_size=32, width=4, enc_size=4, action_dim=0, encoder="conv", pred_cells=3,
        decoder_first_frame=first,  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    return HierarchicalModel(config).eval()


@pytest.mark.parametrize(("first", "same"), [("seen", False), ("blank", True)])
def test_what_is_drawn_depends_on_the_encoding_alone(first: str, same: bool) -> None:
    net, enc = model(first), torch.randn(2, 3, 4)
    drawn = [net.decode(net.anchor(torch.rand(2, 3, 32, 32), torch.randn(2, 4)), enc) for _ in "ab"]
    assert torch.equal(drawn[0].frames, drawn[1].frames) == same
    assert bool((drawn[0].masks == 1).all()) == same
    assert not torch.equal(drawn[0].frames[:, 0], drawn[0].frames[:, 1])


def test_parts_have_nothing_to_move() -> None:
    with pytest.raises(
        ValueError, match=r"decoder_parts is 2: must be 0 with .*first_frame 'blank'"
    ):
        ModelConfig(decoder_first_frame="blank", decoder_parts=2)


def test_runs_from_before_there_was_a_choice_saw_it(tmp_path: Path) -> None:
    write_config(tmp_path, tiny(), "")
    record = json.loads((tmp_path / CONFIG).read_text())
    assert record["run"]["model"].pop("decoder_first_frame") == "seen"
    (tmp_path / CONFIG).write_text(json.dumps(record))
    assert load_config(tmp_path) == tiny()
    del record["run"]["model"]["width"]  # which every version has had
    (tmp_path / CONFIG).write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"missing key model\.width"):
        load_config(tmp_path)
