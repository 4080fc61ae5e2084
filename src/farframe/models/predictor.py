"""The predictor: encoding, action and state -> next encoding and state (``lstm_func``)."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from farframe.config import ModelConfig
from farframe.models.cells import LayerNorm, LSTMCell, dense, truncated_normal_
from farframe.types import PredictorState

VELOCITY_SCALE = 4  # brings motion per frame to about the size of the encodings' spread
NOISE_SIZE = 100  # numbers of noise that the stochastic predictor reads a step


class Predictor(nn.Module):
    """A stack of LSTM cells with residual connections, layer norm and one connection back.

    ``config.units`` is the original's D, ``config.pred_cells`` its 21 (``lstm_func``).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        units, count = config.units, config.pred_cells
        velocity = config.enc_size if config.pred_residual == "velocity" else 0
        self.pre = dense(config.enc_size + config.action_dim + velocity, units, std=1e-2)
        self.noise = dense(NOISE_SIZE, units, std=1e-2) if config.pred_noise_std > 0 else None
        self.back_connect_init = nn.Parameter(truncated_normal_(torch.empty(2 * units), 1e-2))
        inputs = [3 * units] + [units, 2 * units] * (count // 2)
        self.cells = nn.ModuleList(LSTMCell(size, units) for size in inputs)
        self.norms = nn.ModuleList(LayerNorm(units) for _ in range(1 + count // 2))
        self.out = dense(units, config.enc_size, std=1e-2)
        if config.pred_init == "glorot":
            self._init_glorot()

    def _init_glorot(self) -> None:
        nn.init.xavier_uniform_(self.pre.weight)
        for cell in self.cells:
            assert isinstance(cell, LSTMCell)
            nn.init.xavier_uniform_(cell.gates.weight)
            nn.init.orthogonal_(cell.project.weight)

    def initial(self, batch: int) -> PredictorState:
        """State before the first step: zeros, and the learned vector for the connection back."""
        zeros = self.back_connect_init.new_zeros(batch, 2 * self.config.units)
        back = self.back_connect_init.expand(batch, -1)
        return PredictorState(cells=(zeros,) * len(self.cells), back=back)

    def forward(
        self,
        enc: Float[Tensor, "b e"],
        action: Float[Tensor, "b a"],
        state: PredictorState,
    ) -> tuple[Float[Tensor, "b e"], PredictorState]:
        """One step in time: the encoding of the next frame and the state after the step."""
        inputs, base = [enc, action], enc
        if self.config.pred_residual == "velocity":
            velocity = enc - (enc if state.read is None else state.read)
            inputs, base = [*inputs, velocity * VELOCITY_SCALE], enc + velocity
        pre = self.pre(torch.cat(inputs, 1))
        if self.noise is not None:
            noise = torch.randn(len(enc), NOISE_SIZE, device=enc.device, dtype=enc.dtype)
            pre = pre + self.noise(noise * self.config.pred_noise_std)
        pre = F.relu(pre)
        out, cell = self.cells[0](torch.cat((pre, state.back), 1), state.cells[0])
        cells = [cell]
        h = self.norms[0](out)
        for n in range(1, len(self.cells), 2):
            out, cell = self.cells[n](h, state.cells[n])
            cells.append(cell)
            h = h + out
            out, cell = self.cells[n + 1](torch.cat((h, pre), 1), state.cells[n + 1])
            cells.append(cell)
            h = h + self.norms[(n + 1) // 2](out)
        enc_pred = cast(Tensor, self.out(h))
        if self.config.pred_residual != "none":
            enc_pred = base + enc_pred
        if self.config.enc_norm == "l2":
            enc_pred = F.normalize(enc_pred, dim=1)
        if self.config.lstm_state_noise_stddev > 0:
            cells = [self._noisy(cell) for cell in cells]
        back = cells[-3]  # the original's cell 18 of 21
        state = PredictorState(cells=tuple(cells), back=back, last=enc_pred, read=enc)
        return enc_pred, state

    def _noisy(self, cell: Tensor) -> Tensor:
        spread = cell.std(dim=1, correction=0).mean() * self.config.lstm_state_noise_stddev
        return cell + truncated_normal_(torch.empty_like(cell), 1.0) * spread
