"""The networks reproduce every output recorded from the original within 2e-4 relative."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from recorded import arrays, batch, networks, relative_error

from farframe.interop.tf_checkpoint import load_variables, to_original, variables
from farframe.models.hierarchical import HierarchicalModel

BAR = 2e-4
CONTEXT, HORIZON = 2, 4


def outputs(name: str) -> dict[str, torch.Tensor]:
    """Everything recorded, computed by the four verbs."""
    model, discriminator = networks(name)
    model.eval()
    given = batch(name)
    with torch.no_grad():
        enc = model.encode(given.frames)
        rollout = model.rollout(enc, given.actions, context_frames=CONTEXT, horizon=HORIZON)
        anchor = model.anchor(given.frames[:, 0], enc[:, 0])
        van = model.decode(anchor, rollout.enc_pred)
        on_enc = model.decode(anchor, enc)
        maps = [f.permute(0, 1, 3, 4, 2).flatten(2) for f in on_enc.features]
        result = {
            "out/enc_out_all": enc,
            "out/pred_out_all": rollout.enc_pred,
            "out/van_out_all": van.frames,
            "out/mask_out_all": van.masks / van.masks.amax((2, 3, 4), keepdim=True),
            "out/van_on_enc_all": on_enc.frames[:, 1:],
            "out/van_higher_on_enc_all": torch.cat([enc, *maps], 2),
        }
        if discriminator is not None:
            fake = [
                torch.cat((real[:, :1], made), 1)
                for real, made in zip(on_enc.features, van.features, strict=True)
            ]
            fake_enc = torch.cat((enc[:, :1], rollout.enc_pred), 1)
            result["gan/d_real"] = discriminator(enc, on_enc.features)
            result["gan/d_fake"] = discriminator(fake_enc, (fake[0], fake[1]))
    return result


@pytest.mark.parametrize("name", ["epev", "epev_gan"])
def test_every_recorded_output(name: str) -> None:
    computed = outputs(name)
    recorded = {k: v for k, v in arrays(name).items() if k in computed or k.startswith("out/")}
    assert recorded.keys() == computed.keys()
    errors = {key: relative_error(computed[key], value) for key, value in recorded.items()}
    assert {k: e for k, e in errors.items() if e > BAR} == {}


def test_variables_go_back_unchanged() -> None:
    model, discriminator = networks("epev_gan")
    recorded = arrays("epev_gan")
    for name, parameter, axes in variables(model, discriminator):
        np.testing.assert_array_equal(to_original(parameter, axes), recorded[f"var/{name}"])


def test_loading_is_strict() -> None:
    model, _ = networks("epev")
    values = {k[4:]: v for k, v in arrays("epev").items() if k.startswith("var/")}
    name = "timestep/predict/dense/bias"
    with pytest.raises(ValueError, match=rf"1 missing .*{name}"):
        load_variables({k: v for k, v in values.items() if k != name}, model)
    with pytest.raises(ValueError, match=r"1 unknown .*surplus"):
        load_variables({**values, "surplus": np.zeros(3, np.float32)}, model)
    with pytest.raises(ValueError, match=f"{name} has shape"):
        load_variables({**values, name: np.zeros(3, np.float32)}, model)


def test_every_parameter_has_a_variable() -> None:
    model, discriminator = networks("epev_gan")
    assert discriminator is not None
    mapped = {id(parameter) for _, parameter, _ in variables(model, discriminator)}
    ours = {id(p) for net in (model, discriminator) for p in net.parameters()}
    assert mapped == ours


def test_original_size_has_the_original_number_of_parameters() -> None:
    from farframe.config import ModelConfig

    with torch.device("meta"):
        model = HierarchicalModel(ModelConfig())
    millions = {
        name: sum(p.numel() for p in net.parameters()) / 1e6 for name, net in model.named_children()
    }
    assert millions == {
        "encoder": pytest.approx(14.8, abs=0.05),
        "predictor": pytest.approx(1.15, abs=0.05),
        "decoder": pytest.approx(7.6, abs=0.05),
    }
