"""The predictor's weights joined: what many cells compute from what is known, in a few products.

A step of the predictor is overhead, not arithmetic: 21 small cells, one after another. But what
each cell adds of its own last output, of its memory and of the step's input is known before the
first of them runs, and is computed for all together. Only ``h @ inputs[n]`` has to wait its turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from farframe.models.cells import LSTMCell


@dataclass(frozen=True)
class Folded:
    """Weights of n cells with u units; gates g = 4u are in the order input, forget, new, output.

    Even cells (0, 2, ...) read the step's input ``pre`` too; cell 0 reads no ``h`` but ``back``.
    """

    recurrent: Float[Tensor, "n u g"]
    bias: Float[Tensor, "n 1 g"]
    """With the 1 that the forget gate gets."""
    peephole_in: Float[Tensor, "n 1 v"]
    """Of input and forget gate, v = 2u."""
    peephole_o: Float[Tensor, "n u"]
    from_pre: Float[Tensor, "u k"]
    """Of all even cells side by side."""
    from_back: Float[Tensor, "v g"]
    inputs: tuple[Float[Tensor, "u g"], ...]
    """Of cells 1, 2, ..."""
    project: tuple[Float[Tensor, "u u"], ...]

    def known(
        self,
        pre: Float[Tensor, "b u"],
        back: Float[Tensor, "b v"],
        memory: Float[Tensor, "n b u"],
        output: Float[Tensor, "n b u"],
    ) -> tuple[Float[Tensor, "b g"], ...]:
        """Each cell's gates (before their nonlinearity) without what the cell below adds."""
        peeped = self.peephole_in * memory.repeat(1, 1, 2)
        gates = torch.baddbmm(self.bias, output, self.recurrent)
        gates = gates + F.pad(peeped, (0, peeped.shape[2]))
        even = gates[0::2]
        even = even + (pre @ self.from_pre).unflatten(1, (len(even), -1)).transpose(0, 1)
        cells = list(gates.unbind(0))
        cells[0::2] = even.unbind(0)
        cells[0] = torch.addmm(cells[0], back, self.from_back)
        return tuple(cells)


def fold(cells: Sequence[LSTMCell]) -> Folded:
    """Join the weights of a predictor's cells; differentiable, to be done once a rollout."""
    units = cells[0].units
    first = _ordered(cells[0].gates.weight).mT
    odd = _ordered(torch.stack([cell.gates.weight for cell in cells[1::2]])).mT
    even = _ordered(torch.stack([cell.gates.weight for cell in cells[2::2]])).mT
    bias = _ordered(torch.stack([cell.gates.bias for cell in cells])[..., None])[..., 0]
    forget = torch.zeros_like(bias[:1])
    forget[:, units : 2 * units] = 1
    peepholes = [torch.cat((cell.peephole_i, cell.peephole_f)) for cell in cells]
    from_pre = torch.cat((first[None, :units], even[:, units : 2 * units]))
    return Folded(
        recurrent=torch.cat(
            (first[None, 3 * units :], _alternate(odd[:, units:], even[:, 2 * units :]))
        ),
        bias=(bias + forget)[:, None],
        peephole_in=torch.stack(peepholes)[:, None],
        peephole_o=torch.stack([cell.peephole_o for cell in cells]),
        from_pre=from_pre.transpose(0, 1).flatten(1),
        from_back=first[units : 3 * units],
        inputs=_alternate(odd[:, :units], even[:, :units]).unbind(0),
        project=tuple(cell.project.weight.t() for cell in cells),
    )


def _ordered(rows: Float[Tensor, "*n g i"]) -> Float[Tensor, "*n g i"]:
    """Gates from the original's order (input, new, forget, output) into ours."""
    i, j, f, o = rows.chunk(4, -2)
    return torch.cat((i, f, j, o), -2)


def _alternate(odd: Float[Tensor, "m i g"], even: Float[Tensor, "m i g"]) -> Float[Tensor, "n i g"]:
    """Weights of cells 1, 3, ... and of cells 2, 4, ... as those of cells 1, 2, 3, 4, ..."""
    return torch.stack((odd, even), 1).flatten(0, 1)
