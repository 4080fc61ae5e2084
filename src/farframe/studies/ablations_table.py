"""The table of ``farframe study ablations`` on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.table import Table

from farframe.evaluation.quantities import QUANTITIES
from farframe.evaluation.table import shown
from farframe.presets_ablations import BASE
from farframe.studies.ablations_numbers import SHOWN, AblationsStudy


def drawn(study: AblationsStudy) -> Iterator[Table | str]:
    """For each quantity the mean over all frames and the difference, as rich draws them."""
    base = study.results[BASE]
    clips, horizon = base.evaluation.clips, study.horizon
    yield f"{base.run}: {clips} test clips, frames 1 to {horizon} after {BASE}'s context"
    there = [what for what in SHOWN if what in study.numbers[BASE]]
    for what in there:
        quantity = QUANTITIES[what]
        sheet = Table(quantity.title, box=box.SIMPLE_HEAD, pad_edge=False)
        for title in ("iterations", "mean (95 %)", "difference (95 %)", "against", "frames"):
            sheet.add_column(title, justify="right", no_wrap=True)
        for name, rows in study.numbers.items():
            number = rows[what][-1]
            assert number is not None  # all frames: some of them every run predicts
            apart = shown(number.difference, quantity.digits, "+") if number.difference else ""
            sheet.add_row(
                name,
                f"{study.results[name].card['made']['step']:,}",
                shown(number.mean, quantity.digits),
                apart,
                number.against,
                f"{number.first}-{number.last}",
            )
        yield sheet
    for name, result in study.results.items():
        if result.world:
            shares = ", ".join(
                f"{n.replace('_', ' ')} {s.mean:.1%}" for n, s in result.world.items()
            )
            yield f"{name} at frame {horizon}: {shares}"
