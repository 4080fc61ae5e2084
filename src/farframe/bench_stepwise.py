"""The yardstick of ``farframe bench``: the same networks, one time step after another."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from farframe.models.cells import LSTMCell, step_inputs
from farframe.models.decoder import joined
from farframe.models.hierarchical import HierarchicalModel
from farframe.models.predictor import Predictor, Stepper
from farframe.types import Anchor, Decoded, PredictorState


@dataclass(frozen=True, kw_only=True)
class First(Anchor):
    """An anchor with nothing computed: ``analogy`` is empty, ``enc`` the first encoding."""

    enc: Float[Tensor, "b e"]


class Stepwise(HierarchicalModel):
    """The same networks run as the original does: one time step after another.

    Frames are encoded and drawn one at a time, all that depends on the first frame alone is
    computed anew for each that is drawn, and the predictor's cells share nothing. What no loss
    needs is left out, as TensorFlow prunes it. Weights are those of ``model``; see ``yardstick``.
    """

    def __init__(self, model: HierarchicalModel) -> None:
        nn.Module.__init__(self)  # no weights of its own
        self.config, self.training = model.config, model.training
        self.encoder, self.decoder = model.encoder, model.decoder
        self.predictor = CellByCell(model.predictor)

    def encode(self, frames: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t e"]:
        """Encode frame after frame."""
        return torch.stack([self.encoder(frame) for frame in frames.unbind(1)], 1)

    def anchor(
        self, first_frame: Float[Tensor, "b c h w"], first_enc: Float[Tensor, "b e"]
    ) -> Anchor:
        """Only keep what an anchor is computed from."""
        empty = first_frame.new_empty(len(first_frame), 0, 0, 0)
        return First(frame=first_frame, analogy=empty, enc=first_enc)

    def decode(self, anchor: Anchor, enc: Float[Tensor, "b n e"]) -> Decoded:
        """Compute the anchor and draw, for frame after frame."""
        assert isinstance(anchor, First)
        drawn = [
            self.decoder(self.decoder.anchor(anchor.frame, anchor.enc), enc[:, t : t + 1])
            for t in range(enc.shape[1])
        ]
        return joined(drawn)


def yardstick(model: HierarchicalModel) -> Stepwise:
    """The networks as one would write them in torch: time steps apart, nothing laid out anew."""
    plain = copy.deepcopy(model)
    plain.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
    return Stepwise(plain)


class CellByCell(Predictor):
    """A predictor without noise, whose cells are run one by one, as they are told in the paper."""

    def __init__(self, predictor: Predictor) -> None:
        nn.Module.__init__(self)  # the weights are those of the other
        assert not predictor.config.stochastic
        self.config, self.training = predictor.config, predictor.training
        self.pre, self.out, self.noise = predictor.pre, predictor.out, None
        self.back_connect_init = predictor.back_connect_init
        self.cells, self.norms = predictor.cells, predictor.norms

    def stepper(self, state: PredictorState) -> Stepper:
        """Steps of this kind, with the cells' states apart."""
        return CellStepper(self, state)


class CellStepper:
    """See ``CellByCell``."""

    def __init__(self, predictor: CellByCell, state: PredictorState) -> None:
        self._predictor, self._back = predictor, state.back
        self._last, self._read = state.last, state.read
        joined = torch.cat((state.memory, state.output), 2)
        self._cells = list(joined.unbind(0))

    def step(self, enc: Float[Tensor, "b e"] | None, action: Float[Tensor, "b a"]) -> Tensor:
        """See ``Stepper``."""
        predictor, states = self._predictor, self._cells
        read = self._last if enc is None else enc
        assert read is not None
        cells = [cast(LSTMCell, cell) for cell in predictor.cells]
        kind = predictor.config.pred_residual
        inputs, base = step_inputs(kind, read, action, self._read)
        pre = F.relu(predictor.pre(torch.cat(inputs, 1)))
        m, states[0] = cells[0](torch.cat((pre, self._back), 1), states[0])
        h = predictor.norms[0](m)
        for n in range(1, len(cells), 2):
            m, states[n] = cells[n](h, states[n])
            h = h + m
            m, states[n + 1] = cells[n + 1](torch.cat((h, pre), 1), states[n + 1])
            h = h + predictor.norms[(n + 1) // 2](m)
        self._back = states[-3]
        out: Tensor = predictor.out(h) if kind == "none" else base + predictor.out(h)
        self._read = read
        self._last = F.normalize(out, dim=1) if predictor.config.enc_norm == "l2" else out
        return self._last

    def state(self) -> PredictorState:
        """See ``Stepper``."""
        memory, output = torch.stack(self._cells).chunk(2, 2)
        return PredictorState(memory, output, self._back, last=self._last, read=self._read)
