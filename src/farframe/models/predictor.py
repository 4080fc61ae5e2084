"""The predictor: encoding, action and state -> next encoding and state (``lstm_func``)."""

from __future__ import annotations

from typing import Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from farframe.config import ModelConfig
from farframe.models.cells import LayerNorm, LSTMCell, dense, step_inputs, truncated_normal_
from farframe.models.folding import Folded, fold
from farframe.models.numpy_predictor import NumpyPredictor
from farframe.types import PredictorState

NUMPY_BATCH = 64  # rollouts side by side up to which NumPy takes a step faster than torch
NOISE_SIZE = 100  # numbers of noise that the stochastic predictor reads a step


class Predictor(nn.Module):
    """A stack of LSTM cells with residual connections, layer norm and one connection back.

    ``config.units`` is the original's D, ``config.pred_cells`` its 21 (``lstm_func``). The cells'
    weights are kept cell by cell, as in the original; ``fold`` joins what can be computed together.
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
        count, units = len(self.cells), self.config.units
        zeros = self.back_connect_init.new_zeros(count, batch, units)
        back = self.back_connect_init.expand(batch, -1)
        return PredictorState(memory=zeros, output=zeros, back=back)

    def stepper(self, state: PredictorState) -> Stepper:
        """What takes the steps from ``state`` on: NumPy where that is faster, else torch."""
        memory = state.memory
        small = memory.device.type == "cpu" and memory.shape[1] <= NUMPY_BATCH
        tracked = torch.is_grad_enabled() or torch.is_autocast_enabled("cpu")
        other = memory.dtype != torch.float32 or self.config.lstm_state_noise_stddev > 0
        if small and not (tracked or other or torch.compiler.is_compiling()):
            return NumpyPredictor(self, state)
        return TorchStepper(self, state)

    def folded(self) -> Folded:
        """The cells' weights, joined for as many steps as they don't change."""
        return fold([cast(LSTMCell, cell) for cell in self.cells])

    def forward(
        self,
        enc: Float[Tensor, "b e"],
        action: Float[Tensor, "b a"],
        state: PredictorState,
        folded: Folded | None = None,
    ) -> tuple[Float[Tensor, "b e"], PredictorState]:
        """One step in time: the encoding of the next frame and the state after the step.

        ``folded`` spares joining the weights again at each of many steps.
        """
        folded = self.folded() if folded is None else folded
        inputs, base = step_inputs(self.config.pred_residual, enc, action, state.read)
        pre = self.pre(torch.cat(inputs, 1))
        if self.noise is not None:
            noise = torch.randn(len(enc), NOISE_SIZE, device=enc.device, dtype=enc.dtype)
            pre = pre + self.noise(noise * self.config.pred_noise_std)
        h, memory, output = self._stack(F.relu(pre), state, folded)
        enc_pred = cast(Tensor, self.out(h))
        if self.config.pred_residual != "none":
            enc_pred = base + enc_pred
        if self.config.enc_norm == "l2":
            enc_pred = F.normalize(enc_pred, dim=1)
        if self.config.lstm_state_noise_stddev > 0:
            memory, output = self._noisy(torch.cat((memory, output), 2)).chunk(2, 2)
        back = torch.cat((memory[-3], output[-3]), 1)  # the original's cell 18 of 21
        return enc_pred, PredictorState(memory, output, back, last=enc_pred, read=enc)

    def _stack(
        self, pre: Float[Tensor, "b u"], state: PredictorState, folded: Folded
    ) -> tuple[Float[Tensor, "b u"], Float[Tensor, "n b u"], Float[Tensor, "n b u"]]:
        """Through all cells: what comes out on top, their memories and their outputs."""
        known = folded.known(pre, state.back, state.memory, state.output)
        before, peephole = state.memory.unbind(0), folded.peephole_o.unbind(0)
        memories: list[Tensor] = []
        outputs: list[Tensor] = []
        h = pre
        for n, project in enumerate(folded.project):
            gates = known[n] if n == 0 else torch.addmm(known[n], h, folded.inputs[n - 1])
            memory, output = _cell(gates, before[n], peephole[n], project)
            memories.append(memory)
            outputs.append(output)
            if n == 0:
                h = self.norms[0](output)
            else:
                h = h + (output if n % 2 else self.norms[n // 2](output))
        return h, torch.stack(memories), torch.stack(outputs)

    def _noisy(self, cells: Float[Tensor, "n b s"]) -> Float[Tensor, "n b s"]:
        spread = cells.std(dim=2, correction=0).mean(1) * self.config.lstm_state_noise_stddev
        return cells + truncated_normal_(torch.empty_like(cells), 1.0) * spread[:, None, None]


def _cell(
    gates: Float[Tensor, "b g"],
    memory: Float[Tensor, "b u"],
    peephole_o: Float[Tensor, " u"],
    project: Float[Tensor, "u u"],
) -> tuple[Float[Tensor, "b u"], Float[Tensor, "b u"]]:
    """One cell, its gates known: new memory and output."""
    units = memory.shape[1]
    take, keep = torch.sigmoid(gates[:, : 2 * units]).chunk(2, 1)
    new = torch.tanh(gates[:, 2 * units : 3 * units])
    memory = torch.addcmul(keep * memory, take, new)
    show = torch.sigmoid(torch.addcmul(gates[:, 3 * units :], peephole_o, memory))
    return memory, (show * torch.tanh(memory)) @ project


@runtime_checkable
class Stepper(Protocol):
    """Steps of a predictor from a state on."""

    def step(self, enc: Float[Tensor, "b e"] | None, action: Float[Tensor, "b a"]) -> Tensor:
        """The next encoding after a true one, or (None) after the last predicted one."""
        ...

    def state(self) -> PredictorState:
        """The state after the steps taken."""
        ...


class TorchStepper:
    """Steps by the predictor itself, its weights joined once."""

    def __init__(self, predictor: Predictor, state: PredictorState) -> None:
        self._predictor, self._state = predictor, state
        self._folded = predictor.folded()

    def step(self, enc: Float[Tensor, "b e"] | None, action: Float[Tensor, "b a"]) -> Tensor:
        """See ``Stepper``."""
        read = self._state.last if enc is None else enc
        assert read is not None
        enc_pred, self._state = self._predictor(read, action, self._state, self._folded)
        return enc_pred

    def state(self) -> PredictorState:
        """See ``Stepper``."""
        return self._state
