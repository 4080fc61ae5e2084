"""The original's TensorFlow variables <-> farframe's parameters, strict both ways.

The original names layers by order of creation within a scope (``conv2d``, ``conv2d_1``, ...), and
so the map is made by walking our layers in that order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from farframe.models.cells import Conv, ConvTranspose, LayerNorm, LSTMCell
from farframe.models.decoder import Decoder
from farframe.models.discriminator import Discriminator
from farframe.models.encoder import VGG16, Encoder
from farframe.models.hierarchical import HierarchicalModel
from farframe.models.predictor import Predictor

Variable = tuple[str, Tensor, str]  # the original's name, our parameter, how axes map

# the order of the axes of our parameter in terms of the original's
_AXES = {"conv": (3, 2, 0, 1), "conv_transpose": (3, 2, 0, 1), "dense": (1, 0), "vector": (0,)}
_KINDS = ((Conv, "conv2d"), (ConvTranspose, "conv2d_transpose"), (LayerNorm, "LayerNorm"))


def variables(
    model: HierarchicalModel, discriminator: Discriminator | None = None
) -> Iterator[Variable]:
    """Every variable of the original that these networks have."""
    yield from _encoder("timestep/encoder", model.encoder)
    yield from _predictor("timestep/predict", model.predictor)
    yield from _decoder("timestep/van", model.decoder)
    if discriminator is not None:
        yield from _discriminator("Discriminator", discriminator)


def load_variables(
    arrays: Mapping[str, Float[np.ndarray, ...]],
    model: HierarchicalModel,
    discriminator: Discriminator | None = None,
) -> None:
    """Copy the original's variables into the networks.

    Raises:
        ValueError: if a variable is missing, left over, or of the wrong shape.
    """
    wanted = {name: (parameter, axes) for name, parameter, axes in variables(model, discriminator)}
    missing, extra = sorted(wanted.keys() - arrays), sorted(arrays.keys() - wanted.keys())
    if missing or extra:
        raise ValueError(
            f"the original's variables don't fit: {len(missing)} missing {missing[:3]}, "
            f"{len(extra)} unknown {extra[:3]}"
        )
    with torch.no_grad():
        for name, (parameter, axes) in wanted.items():
            value = np.transpose(arrays[name], _AXES[axes])
            if value.shape != parameter.shape:
                raise ValueError(
                    f"variable {name} has shape {arrays[name].shape}, which becomes {value.shape}: "
                    f"the model's is {tuple(parameter.shape)}"
                )
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))


def to_original(value: Float[Tensor, ...], axes: str) -> Float[np.ndarray, ...]:
    """A tensor laid out as one of ours (a parameter, its gradient), in the original's layout."""
    return np.transpose(value.detach().cpu().numpy(), np.argsort(_AXES[axes]))


def _layer(scope: str, layer: nn.Module, weight: str, bias: str, axes: str) -> Iterator[Variable]:
    yield f"{scope}/{weight}", layer.get_parameter("weight"), axes
    yield f"{scope}/{bias}", layer.get_parameter("bias"), "vector"


def _numbered(scope: str, layers: list[nn.Module]) -> Iterator[Variable]:
    """Layers in the original's order of creation, numbered per kind."""
    seen: dict[str, int] = {}
    for layer in layers:
        kind = next((kind for cls, kind in _KINDS if isinstance(layer, cls)), None)
        if kind is None:
            continue
        count = seen.get(kind, 0)
        seen[kind] = count + 1
        path = f"{scope}/{kind}" + (f"_{count}" if count else "")
        if kind == "LayerNorm":
            yield from _layer(path, layer, "gamma", "beta", "vector")
        else:
            axes = "conv_transpose" if kind == "conv2d_transpose" else "conv"
            yield from _layer(path, layer, "kernel", "bias", axes)


def _flat(*nets: nn.Module) -> list[nn.Module]:
    return [layer for net in nets for layer in net.modules()]


def _encoder(scope: str, encoder: Encoder) -> Iterator[Variable]:
    convs = iter(layer for layer in encoder.features.modules() if isinstance(layer, Conv))
    for block, multiples in enumerate(VGG16, 1):
        for n in range(1, len(multiples) + 1):
            path = f"{scope}/vgg_16/conv{block}/conv{block}_{n}"
            yield from _layer(path, next(convs), "weights", "biases", "conv")
    yield from _layer(f"{scope}/dense", encoder.dense, "kernel", "bias", "dense")


def _cells(scope: str, cells: nn.ModuleList) -> Iterator[Variable]:
    for n, cell in enumerate(cells):
        assert isinstance(cell, LSTMCell)
        path = f"{scope}/LSTMCell" + (f"_{n}" if n else "")
        yield f"{path}/W_0", cell.gates.weight, "dense"
        yield f"{path}/B", cell.gates.bias, "vector"
        yield f"{path}/W_P_0", cell.project.weight, "dense"
        yield f"{path}/W_I_diag", cell.peephole_i, "vector"
        yield f"{path}/W_F_diag", cell.peephole_f, "vector"
        yield f"{path}/W_O_diag", cell.peephole_o, "vector"


def _predictor(scope: str, predictor: Predictor) -> Iterator[Variable]:
    yield f"{scope}/back_connect_init", predictor.back_connect_init, "vector"
    denses = (predictor.pre, *((predictor.noise,) if predictor.noise else ()), predictor.out)
    for n, layer in enumerate(denses):
        path = f"{scope}/dense" + (f"_{n}" if n else "")
        yield from _layer(path, layer, "kernel", "bias", "dense")
    yield from _cells(scope, predictor.cells)
    yield from _numbered(scope, list(predictor.norms))


def _decoder(scope: str, decoder: Decoder) -> Iterator[Variable]:
    f_enc = decoder.enc_encoder
    yield from _layer(f"{scope}/van_enc/dense", f_enc.dense[0], "kernel", "bias", "dense")
    analogy = decoder.analogy
    parts = (analogy.conv_first, analogy.conv_this, analogy.joint, analogy.rest)
    yield from _numbered(f"{scope}/van_image_enc", _flat(decoder.image_encoder))
    yield from _numbered(f"{scope}/van_enc", _flat(f_enc.dense, f_enc.low, f_enc.high))
    yield from _numbered(f"{scope}/analogy_computation", _flat(*parts))
    yield from _numbered(f"{scope}/van_dec", _flat(decoder.drawer))


def _discriminator(scope: str, net: Discriminator) -> Iterator[Variable]:
    yield from _numbered(f"{scope}/timestep", _flat(net.low, net.high, net.norms))
    yield from _cells(f"{scope}/timestep", net.cells)
    yield from _layer(f"{scope}/dense", net.score, "kernel", "bias", "dense")
