"""`farframe evaluate` and `farframe compare`: what they take, and what they have to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.table import Table
from tyro.conf import OmitArgPrefixes, Positional
from tyro.conf import arg as Arg

from farframe.cli_parse import parse
from farframe.cli_run import with_run
from farframe.cli_words import UsageError, option, unknown
from farframe.evaluation.options import PROTOCOLS, EvaluateOptions

Shown = str | Table
"""A line, or something that rich draws."""


@dataclass(frozen=True, kw_only=True)
class EvaluateArgs:
    """Measure predictions of clips never trained on, against baselines that need no learning."""

    run: Annotated[Positional[Path], Arg(metavar="RUN")]
    """Folder of a trained run, of one of its checkpoints, or of an exported model."""
    model: Annotated[str, Arg(metavar="NAME")] = ""
    """In place of RUN: a model that comes with farframe (see farframe models)."""
    protocol: Annotated[str, Arg(metavar="|".join(PROTOCOLS))] = ""
    """A standard way of measuring; options given beside it differ from it, and the card says so."""
    out: Annotated[Path | None, Arg(metavar="DIR|FILE.json")] = None
    """Where evaluation.json, report.html, clips.csv and the videos go (None: RUN/evaluation)."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes the GPU if there is one."""
    evaluation: OmitArgPrefixes[EvaluateOptions]


@dataclass(frozen=True, kw_only=True)
class CompareArgs:
    """Show evaluations of one protocol side by side."""

    evaluations: Annotated[Positional[tuple[Path, ...]], Arg(metavar="EVALUATION")]
    """Two or more: evaluation.json files, or folders of evaluations or of evaluated runs; the
    first is tested against each other, clip by clip."""
    json: Annotated[Path | None, Arg(metavar="FILE")] = None
    """Write these tests into a file, too."""
    chart: Annotated[Path | None, Arg(metavar="FILE.png")] = None
    """Draw their curves over the predicted frames into a picture, too."""
    chart_of: Annotated[str, Arg(metavar="QUANTITY")] = ""
    """What --chart draws: psnr (if nothing is named), ssim, lpips, arm_iou, ..."""


def run_evaluate(args: Sequence[str]) -> list[Shown]:
    """Do what `farframe evaluate ARGS` asks for and return what to show."""
    name = option(args, "--protocol") or ""
    if name and name not in PROTOCOLS:
        raise UsageError(unknown("protocol", name, PROTOCOLS))
    default = PROTOCOLS[name].options if name else EvaluateOptions()
    sample = EvaluateArgs(run=Path(), evaluation=default)
    object.__setattr__(sample, "run", tyro.MISSING)
    parsed = with_run(args, lambda words: parse(EvaluateArgs, words, "farframe evaluate", sample))
    from farframe.evaluation.report import evaluate_run
    from farframe.evaluation.table import drawn, said

    report = evaluate_run(
        parsed.run, parsed.evaluation, protocol=name, out=parsed.out, device=parsed.device
    )
    wrote = [f"wrote {path}" for path in report.written]
    return [*drawn(report.rows, report.title), *said(report.evaluation), *wrote]


def run_compare(args: Sequence[str]) -> list[Shown]:
    """Do what `farframe compare ARGS` asks for and return what to show."""
    parsed = parse(CompareArgs, args, "farframe compare")
    from farframe.evaluation.compare import compare, read_evaluation, write_tests
    from farframe.evaluation.quantities import QUANTITIES

    if len(parsed.evaluations) < 2:
        raise UsageError("name two evaluations or more (see farframe compare --help)")
    quantity = parsed.chart_of or "psnr"
    if quantity not in QUANTITIES:
        raise UsageError(unknown("--chart-of", quantity, QUANTITIES))
    if parsed.chart_of and parsed.chart is None:
        raise UsageError("--chart-of says what --chart FILE.png draws: give that, too")
    evaluations = [read_evaluation(path) for path in parsed.evaluations]
    things = list(compare(evaluations))
    if parsed.chart is not None:
        from farframe.evaluation.compared_chart import write_chart  # draws with Pillow

        write_chart(parsed.chart, evaluations, quantity)
        things.append(f"wrote {parsed.chart}")
    if parsed.json is not None:
        write_tests(parsed.json, evaluations)
        things.append(f"wrote {parsed.json}")
    return things
