"""The predictor on a CPU without gradients: the same step as a few hundred NumPy calls.

A call costs NumPy a third of what it costs torch, and the arrays of a step are so small that little
else counts. ``sigmoid(x)`` is computed as ``(tanh(x / 2) + 1) / 2``, its halves folded into the
weights; the centring of layer norms is folded into the projections before them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

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
        self._weights = _Weights(predictor)
        self._memory, self._output = state.memory.numpy().copy(), state.output.numpy().copy()
        self._back = state.back.numpy()
        self._last = None if state.last is None else state.last.numpy()
        self._read = None if state.read is None else state.read.numpy()
        count, batch, units = self._memory.shape
        self._gates = np.empty((count, batch, 4 * units), np.float32)
        self._mine = np.empty((batch, 4 * units), np.float32)
        self._kept = np.empty((batch, units), np.float32)
        self._pair = np.empty((2, batch, units), np.float32)
        self._both = np.empty((batch, 2 * units), np.float32)
        self._square = np.empty((batch, units), np.float32)

    def step(self, enc: Float[Tensor, "b e"] | None, action: Float[Tensor, "b a"]) -> Tensor:
        """The next encoding after a true one, or (None) after the last predicted one."""
        weights, config = self._weights, self._config
        now = self._last if enc is None else enc.numpy()
        assert now is not None
        inputs, base = [now, action.numpy()], now
        if config.pred_residual == "velocity":
            velocity = now - (now if self._read is None else self._read)
            inputs.append(velocity * weights.velocity_scale)
            base = now + velocity
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
        """Through all cells, as ``Predictor._stack``."""
        weights, gates, mine = self._weights, self._gates, self._mine
        self._known(pre)
        h = pre
        for n, project in enumerate(weights.project):
            if n:
                np.dot(h, weights.inputs[n - 1], out=mine)
                mine += gates[n]
            made = self._cell(gates[0] if n == 0 else mine, n).dot(project)
            if n % 2:
                h += made
                self._output[n] = made
            else:
                units = made.shape[1] // 2
                self._output[n] = made[:, :units]
                normed = self._normed(made[:, units:], n // 2)
                h = normed if n == 0 else np.add(h, normed, out=h)
        return h

    def _known(self, pre: Array) -> None:
        """Each cell's gates without what the cell below adds, as ``Folded.known``."""
        weights, gates, units = self._weights, self._gates, self._memory.shape[2]
        np.matmul(self._output, weights.recurrent, out=gates)
        gates += weights.bias
        gates[..., :units] += self._memory * weights.peephole_i
        gates[..., units : 2 * units] += self._memory * weights.peephole_f
        even = pre.dot(weights.from_pre).reshape(len(pre), -1, 4 * units)
        gates[0::2] += even.transpose(1, 0, 2)
        gates[0] += self._back.dot(weights.from_back)

    def _cell(self, gates: Array, n: int) -> Array:
        """One cell's nonlinearities: updates its memory, gives what is projected (doubled)."""
        units, memory, pair = self._memory.shape[2], self._memory[n], self._pair
        most = gates[:, : 3 * units]
        np.tanh(most, out=most)
        inside = gates[:, : 2 * units]
        inside += 1
        memory *= gates[:, units : 2 * units]
        np.multiply(gates[:, :units], gates[:, 2 * units : 3 * units], out=self._kept)
        memory += self._kept
        memory *= 0.5
        np.multiply(memory, self._weights.peephole_o[n], out=pair)  # output gate, memory itself
        out, seen = pair
        out += gates[:, 3 * units :]
        np.tanh(pair, out=pair)
        out += 1
        out *= seen
        return out

    def _normed(self, centred: Array, n: int) -> Array:
        """Layer norm of numbers whose mean is zero already."""
        gain, offset, eps = self._weights.norms[n]
        np.multiply(centred, centred, out=self._square)
        spread = np.sqrt(self._square.dot(self._weights.mean) + eps)
        normed = centred / spread[:, None]
        normed *= gain
        normed += offset
        return normed


class _Weights:
    """A predictor's weights as NumPy arrays, folded."""

    def __init__(self, predictor: Predictor) -> None:
        from farframe.models.predictor import VELOCITY_SCALE

        folded, units = predictor.folded(), predictor.config.units
        half = torch.full((4 * units,), 0.5)
        half[2 * units : 3 * units] = 1  # the new input's gate is a tanh anyway
        self.recurrent = _array(folded.recurrent * half)
        self.bias = _array(folded.bias * half)
        self.peephole_i = _array(folded.peephole_in[..., :units] * 0.5)
        self.peephole_f = _array(folded.peephole_in[..., units:] * 0.5)
        self.from_pre = _array((folded.from_pre.unflatten(1, (-1, 4 * units)) * half).flatten(1))
        self.from_back = _array(folded.from_back * half)
        self.inputs = [_array(weight * half) for weight in folded.inputs]
        own = torch.stack((folded.peephole_o * 0.5, torch.ones_like(folded.peephole_o)), 1)
        self.peephole_o = _array(own[:, :, None])
        centre = torch.eye(units) - 1 / units
        self.project = [
            _array((w if n % 2 else torch.cat((w, w @ centre), 1)) * 0.5)
            for n, w in enumerate(folded.project)
        ]
        norms: Any = predictor.norms
        self.norms = [(_array(n.weight), _array(n.bias), np.float32(n.eps)) for n in norms]
        self.mean = np.full(units, 1 / units, np.float32)
        self.pre, self.out = _dense(predictor.pre), _dense(predictor.out)
        self.noise = None if predictor.noise is None else _dense(predictor.noise)
        self.velocity_scale = np.float32(VELOCITY_SCALE)


def _dense(layer: torch.nn.Linear) -> tuple[Array, Array]:
    return _array(layer.weight.t()), _array(layer.bias)


def _array(weight: Tensor) -> Array:
    return np.ascontiguousarray(weight.detach().numpy(), np.float32)


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(array.copy())
