"""``farframe study ablations``: the same training without one thing or another, side by side.

Each is trained in a folder of its own, and goes on there when the command is given again; then all
are measured by ``farframe evaluate`` on the same frames of the same clips.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

from farframe.atomic import sweep
from farframe.evaluation.report import evaluate_run
from farframe.evaluation.setting import Setting
from farframe.evaluation.stored_json import write_json
from farframe.prediction_files import check_writable
from farframe.presets_ablations import Ablation, ablations
from farframe.run import RunConfig, holds_run, load_config
from farframe.studies.ablations_numbers import AblationsStudy, Result, put_together, to_json
from farframe.studies.ablations_options import AblationsOptions
from farframe.studies.ablations_page import write_page
from farframe.studies.ablations_pictures import Shots, shots, write_chart, write_strips
from farframe.studies.starting import TrainingOptions, trained
from farframe.training.progress import Reporter


def study_ablations(
    out: Path,
    options: AblationsOptions,
    training: TrainingOptions,
    *,
    device: str,
    reporter: Reporter,
) -> AblationsStudy:
    """Train what is asked for in ``out/<name>``, measure it, and write tables, a page and pictures.

    Results are written anew after each ablation, so that a long study can be looked at on the way.

    Args:
        out: folder to write into.
        options: which ablations, and how they are measured.
        training: what they are ablations of.
        device: where to compute, as in ``train.device``.
        reporter: hears of the trainings.

    Raises:
        ValueError: for a preset without these ablations, an unknown name, a folder that holds
            another run, or clips that are too short.
        Interrupted, TrainingError: as ``training.loop.train``.
    """
    base = training.config(device)
    known = ablations(base)
    names = options.chosen(known)
    check_writable(out)
    out.mkdir(parents=True, exist_ok=True)
    sweep(out)
    results: list[Result] = []
    drawn: dict[str, Shots] = {}
    study: AblationsStudy | None = None
    for number, name in enumerate(names, 1):
        reporter.line(f"{name} ({number} of {len(names)}): {known[name].summary}")
        run = out / name
        trained(with_start(known[name], out, run), run, reporter)
        later = options.later(known, name)
        at = Setting.of(run, options.measuring(later), "", device)
        results.append(_measured(at, name, known[name], later, device))
        drawn[name] = shots(at, options.strips, later, options.horizon)
        study = _written(put_together(results, options.horizon), drawn, out)
    assert study is not None
    return study


def with_start(ablation: Ablation, out: Path, run: Path) -> RunConfig:
    """The run, starting from where it says, or from where it once did if it has begun."""
    config = ablation.config
    if not ablation.start:
        return config
    begun = load_config(run).train.start_from if holds_run(run) else ""
    start = begun or str((out / ablation.start).resolve())
    return replace(config, train=replace(config.train, start_from=start))


def _measured(at: Setting, name: str, ablation: Ablation, later: int, device: str) -> Result:
    """What ``farframe evaluate`` says of a run; its report is left in the run's folder."""
    run, model = at.found.folder, at.model
    assert isinstance(model, nn.Module)
    report = evaluate_run(run, at.options, out=run / "study-ablations", device=device)
    return Result(
        name=name,
        ablation=ablation,
        run=run,
        parameters=sum(p.numel() for p in model.parameters()),
        evaluation=report.evaluation,
        card=report.card,
        later=later,
    )


def _written(study: AblationsStudy, drawn: dict[str, Shots], out: Path) -> AblationsStudy:
    """The pictures and the page, and last the JSON file that says that all is there."""
    names = ("ablations-strips.png", "ablations-curves.png", "ablations.html", "ablations.json")
    strips, chart, page, file = (out / name for name in names)
    file.unlink(missing_ok=True)
    write_strips(strips, drawn)
    write_chart(chart, study)
    write_page(page, study, strips)
    write_json(file, to_json(study))
    return replace(study, written=(strips, chart, page, file))
