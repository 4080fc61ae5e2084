"""SVG's recurrent networks: what the next encoding is, and what noise is likely to lead there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

LSTMState = tuple[Tensor, Tensor]
"""Output and memory of every layer, (layers, b, units) each."""


class Recurrent(nn.Module):
    """A dense layer, LSTMs, and a dense layer: whole sequences at once, from a state on.

    ``nn.LSTM`` will do: nothing here is differentiated twice.
    """

    def __init__(self, c_in: int, c_out: int, units: int, layers: int) -> None:
        super().__init__()
        self.embed = nn.Linear(c_in, units)
        self.lstm = nn.LSTM(units, units, layers, batch_first=True)
        self.out = nn.Linear(units, c_out)

    def forward(
        self, x: Float[Tensor, "b t i"], state: LSTMState | None = None
    ) -> tuple[Float[Tensor, "b t o"], LSTMState]:
        """Outputs and the state after them; without a state from zeros on."""
        y, after = self.lstm(self.embed(x), state)
        return self.out(y), after


@dataclass(frozen=True)
class Gaussian:
    """Normal distributions without correlation: means and logarithms of variances."""

    mean: Float[Tensor, "*b r"]
    log_var: Float[Tensor, "*b r"]

    @staticmethod
    def of(numbers: Float[Tensor, "*b r2"]) -> Gaussian:
        """From what a network says, in float32 also under autocast."""
        mean, log_var = numbers.float().chunk(2, -1)
        return Gaussian(mean, log_var)

    def draw(self) -> Float[Tensor, "*b r"]:
        """A sample, through which gradients flow to mean and variance."""
        return self.mean + torch.randn_like(self.mean) * (0.5 * self.log_var).exp()

    def kl(self, other: Gaussian) -> Float[Tensor, "*b"]:
        """Kullback-Leibler divergence from ``other`` in nats: how much this one says beyond it."""
        apart = (self.mean - other.mean).square() + self.log_var.exp()
        terms = other.log_var - self.log_var + apart * (-other.log_var).exp() - 1
        return 0.5 * terms.sum(-1)
