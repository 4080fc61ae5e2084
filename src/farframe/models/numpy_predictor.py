"""The predictor on a CPU without gradients: the same step as a few hundred NumPy calls.

A call costs NumPy a third of what it costs torch, and the arrays of a step are so small that little
else counts: everything is written into arrays that are there, whose parts are cut out beforehand.
``sigmoid(x)`` is computed as ``(tanh(x / 2) + 1) / 2``, its halves folded into the weights; so are
the centring, the gains and the offsets of layer norms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from farframe.models.cells import NORM_EPS, step_inputs
from farframe.types import PredictorState

if TYPE_CHECKING:
    from farframe.models.predictor import Predictor

Array = Float[np.ndarray, "..."]


class NumpyPredictor:
    """A predictor's steps from a state on: ``step`` advances it, ``state`` is what it came to.

    All weights are those of the predictor, read once. Noise is drawn from torch's generator, in the
    order in which the predictor itself draws it. Tests hold both equal.
    """

    def __init__(self, predictor: Predictor, state: PredictorState) -> None:
        self._config = predictor.config
        count, batch, units = state.memory.shape
        self._weights = _Weights(predictor, batch)
        self._back = state.back.numpy()
        self._last = None if state.last is None else state.last.numpy()
        self._read = None if state.read is None else state.read.numpy()
        self._gates = np.empty((count, batch, 4 * units), np.float32)
        self._output = state.output.numpy().copy()
        rows = np.empty((count, _SLOTS, batch, units), np.float32)
        self._memory = rows[:, _MEMORY]
        self._memory[...] = state.memory.numpy()
        self._mine = np.empty((batch, 4 * units), np.float32)
        self._cells = [
            _Cell.of(gates, row, output)
            for gates, row, output in zip(self._gates, rows, self._output, strict=True)
        ]
        self._h, self._square, self._spread = np.empty((3, batch, units), np.float32)
        self._pair = np.empty((2, batch, units), np.float32)
        self._ones = np.ones((2, batch, units), np.float32)
        self._made = np.empty((batch, 3 * units), np.float32)
        self._parts = tuple(self._made.reshape(batch, 3, units).transpose(1, 0, 2))

    def step(self, enc: Float[Tensor, "b e"] | None, action: Float[Tensor, "b a"]) -> Tensor:
        """The next encoding after a true one, or (None) after the last predicted one."""
        weights, config = self._weights, self._config
        now = self._last if enc is None else enc.numpy()
        assert now is not None
        inputs, base = step_inputs(config.pred_residual, now, action.numpy(), self._read)
        pre = np.concatenate(inputs, 1).dot(weights.pre[0])
        pre += weights.pre[1]
        if weights.noise is not None:
            noise = torch.randn(len(now), len(weights.noise[0]), dtype=torch.float32).numpy()
            pre += (noise * np.float32(config.pred_noise_std)).dot(weights.noise[0])
            pre += weights.noise[1]
        np.maximum(pre, 0, out=pre)
        out = self._stack(pre).dot(weights.out[0])
        out += weights.out[1]
        if config.pred_residual != "none":
            out += base
        if config.enc_norm == "l2":
            out /= np.maximum(np.sqrt(np.square(out).sum(1, keepdims=True)), 1e-12)
        self._back = np.concatenate((self._memory[-3], self._output[-3]), 1)
        self._last, self._read = out, now
        return torch.from_numpy(out)

    def state(self) -> PredictorState:
        """The state after the steps taken, as the predictor itself would have it."""
        last, read = (None if x is None else _tensor(x) for x in (self._last, self._read))
        memory, output = _tensor(self._memory), _tensor(self._output)
        return PredictorState(memory, output, _tensor(self._back), last=last, read=read)

    def _stack(self, pre: Array) -> Array:
        """Through all cells, as ``Predictor._stack``, but for the norms' offsets."""
        weights, h, cells = self._weights, self._h, self._cells
        self._known(pre)
        mine = self._mine.reshape(len(pre), 4, -1)
        for n, project in enumerate(weights.project):
            cell = cells[n]
            if n == 0:
                np.copyto(cell.work, cell.gates)
            else:
                h.dot(weights.inputs[n - 1], self._mine)
                np.add(mine, cell.gates, cell.work)
            shown = self._cell(cell, weights.peephole_o[n])
            if n % 2:
                np.add(h, shown.dot(project, cell.output), h)
                continue
            shown.dot(project, self._made)
            normed = self._normed(cell.output)
            if n == 0:
                np.copyto(h, normed)
            else:
                np.add(h, normed, h)
        return h

    def _known(self, pre: Array) -> None:
        """Each cell's gates without what the cell below adds, as ``Folded.known``."""
        weights, gates, units = self._weights, self._gates, pre.shape[1]
        np.matmul(self._output, weights.recurrent, out=gates)
        gates += weights.bias
        gates[..., units : 2 * units] += self._memory * weights.peephole_i
        gates[..., 2 * units : 3 * units] += self._memory * weights.peephole_f
        even = pre.dot(weights.from_pre).reshape(len(pre), -1, 4 * units)
        gates[0::2] += even.transpose(1, 0, 2)
        gates[0] += self._back.dot(weights.from_back)

    def _cell(self, cell: _Cell, peephole: Array) -> Array:
        """One cell's nonlinearities: updates its memory, gives what is projected (doubled)."""
        add, multiply, pair, ones, take = np.add, np.multiply, self._pair, self._ones, cell.take
        np.tanh(cell.bounded, cell.bounded)
        add(cell.take_keep, ones, cell.take_keep)
        multiply(cell.take_keep, cell.new_old, cell.take_keep)
        add(take, cell.keep, take)
        multiply(take, self._weights.half, cell.memory)
        multiply(take, peephole, cell.seen)
        add(cell.seen, cell.show, cell.seen)
        np.tanh(cell.memory_seen, pair)
        shown = pair[1]
        add(shown, ones[1], shown)
        return multiply(pair[0], shown, take)

    def _normed(self, output: Array) -> Array:
        """Layer norm, without its offset, of what was made: as it is, centred, and with gain."""
        (raw, centred, scaled), square, spread = self._parts, self._square, self._spread
        weights = self._weights
        np.copyto(output, raw)
        np.multiply(centred, centred, square)
        square.dot(weights.summed, spread)
        np.add(spread, weights.eps, spread)
        np.sqrt(spread, spread)
        return np.divide(scaled, spread, scaled)


_SLOTS = 6
_MEMORY = 4


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell's arrays: six slots side by side, named here by what is in them when they are used.

    In order: the gates for showing, taking and keeping, the new input, the memory, and what the
    gate for showing sees of it.
    """

    gates: Float[np.ndarray, "b 4 u"]
    """What is known of them before the cell below has run."""
    output: Float[np.ndarray, "b u"]
    work: Float[np.ndarray, "b 4 u"]
    bounded: Float[np.ndarray, "3 b u"]
    take_keep: Float[np.ndarray, "2 b u"]
    new_old: Float[np.ndarray, "2 b u"]
    memory_seen: Float[np.ndarray, "2 b u"]
    show: Float[np.ndarray, "b u"]
    take: Float[np.ndarray, "b u"]
    keep: Float[np.ndarray, "b u"]
    memory: Float[np.ndarray, "b u"]
    seen: Float[np.ndarray, "b u"]

    @classmethod
    def of(
        cls,
        gates: Float[np.ndarray, "b g"],
        row: Float[np.ndarray, "6 b u"],
        output: Float[np.ndarray, "b u"],
    ) -> _Cell:
        """Cut ``row`` into its parts: views, all of them."""
        batch = len(output)
        return cls(
            gates=gates.reshape(batch, 4, -1),
            output=output,
            work=row[:4].transpose(1, 0, 2),
            bounded=row[1:4],
            take_keep=row[1:3],
            new_old=row[3:5],
            memory_seen=row[4:],
            show=row[0],
            take=row[1],
            keep=row[2],
            memory=row[_MEMORY],
            seen=row[5],
        )


class _Weights:
    """A predictor's weights as NumPy arrays, folded; gates are in the order of ``_Cell``'s.

    What is added or multiplied has the shape of what it is for: NumPy is thrice as fast then.
    """

    def __init__(self, predictor: Predictor, batch: int) -> None:
        folded, units = predictor.folded(), predictor.config.units
        half = torch.full((4 * units,), 0.5)
        half[2 * units : 3 * units] = 1  # the new input's gate is a tanh anyway

        def ordered(weight: Tensor) -> Tensor:
            return (weight * half).roll(units, -1)

        def repeated(rows: Tensor) -> Array:
            """(n, u) -> n times (b, u)."""
            return _array(rows[:, None].expand(-1, batch, -1))

        norms: Any = predictor.norms
        inputs, bias = [ordered(weight) for weight in folded.inputs], ordered(folded.bias)[:, 0]
        offset = torch.zeros(units)  # of the norms so far, which is not in h
        for n, weight in enumerate(inputs):
            if n % 2 == 0:
                offset = offset + norms[n // 2].bias
            bias[n + 1] += offset @ weight
        offset = offset + norms[-1].bias
        self.inputs, self.bias = [_array(weight) for weight in inputs], repeated(bias)
        self.recurrent = _array(ordered(folded.recurrent))
        self.peephole_i = repeated(folded.peephole_in[:, 0, :units] * 0.5)
        self.peephole_f = repeated(folded.peephole_in[:, 0, units:] * 0.5)
        self.from_pre = _array(ordered(folded.from_pre.unflatten(1, (-1, 4 * units))).flatten(1))
        self.from_back = _array(ordered(folded.from_back))
        self.half = np.full((batch, units), 0.5, np.float32)  # memories are summed doubled
        self.peephole_o = repeated(folded.peephole_o * 0.25)
        centre = torch.eye(units) - 1 / units
        self.project: list[Array] = []
        for n, w in enumerate(folded.project):
            parts = [w] if n % 2 else [w, w @ centre, w @ centre * norms[n // 2].weight]
            self.project.append(_array(torch.cat(parts, 1) * 0.5))
        self.summed = np.full((units, units), 1 / units, np.float32)
        self.eps = np.full((batch, units), NORM_EPS, np.float32)
        self.pre = _dense(predictor.pre)
        self.out = _array(predictor.out.weight.t()), _array(predictor.out(offset))
        self.noise = None if predictor.noise is None else _dense(predictor.noise)


def _dense(layer: torch.nn.Linear) -> tuple[Array, Array]:
    return _array(layer.weight.t()), _array(layer.bias)


def _array(weight: Tensor) -> Array:
    return np.ascontiguousarray(weight.detach().numpy(), np.float32)


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(array.copy())
