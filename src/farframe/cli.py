"""The command line: parse, call, print. The only file that prints.

Nothing heavy is imported before a verb is known, so that ``farframe --help`` answers at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farframe import __version__
from farframe.cli_words import (
    TRAIN_USAGE,
    USAGE,
    UsageError,
    option,
    out_of_memory,
    take_positional,
    unknown,
)

if TYPE_CHECKING:
    from rich.table import Table

    from farframe.bench import BenchReport
    from farframe.run import RunConfig


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; 2 for a user's mistake, told in one line."""
    args = list(sys.argv[1:] if argv is None else argv)
    rest = [arg for arg in args if arg != "--debug"]
    return guarded(lambda: _dispatch(rest), debug=len(rest) < len(args))


def guarded(
    command: Callable[[], int], *, debug: bool, reworded: Callable[[str], str] = str
) -> int:
    """Run a command and return its exit code, telling what goes wrong in one line.

    ``debug`` shows tracebacks too; ``reworded`` puts messages into words that the caller of another
    program knows.
    """
    debug = debug or bool(os.environ.get("FARFRAME_DEBUG"))
    try:
        with _log_shown():
            return command()
    except SystemExit as stop:  # tyro's, after the help
        return int(stop.code or 0)
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130
    except BrokenPipeError:  # who read our output (head, less) has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return 141
    except Exception as error:
        code = _exit_code(error)
        if debug:
            traceback.print_exc()
        elif code == 0:
            raise  # a mistake of farframe's own: the traceback is what a report of it needs
        message = reworded(_message(error))
        if code <= 128:
            _complain(f"error: {message}")
        elif _speaks():
            _complain(message)
        return code or 1


def _exit_code(error: Exception) -> int:
    """2: a user's mistake; 1: what can't go on; above 128: ended by a signal; 0: unforeseen."""
    if isinstance(error, (ValueError, OSError)):
        return 2
    if out_of_memory(error):
        return 1
    from farframe.training.stopping import Interrupted, TrainingError

    if isinstance(error, Interrupted):
        return 128 + error.signal
    return 1 if isinstance(error, TrainingError) else 0


def _dispatch(args: Sequence[str]) -> int:
    verbs: dict[str, Callable[[list[str]], int]] = {
        "train": _train,
        "predict": _predict,
        "evaluate": _evaluate,
        "compare": _compare,
        "study": _study,
        "data": _data,
        "import-checkpoint": _import_checkpoint,
        "weights": _weights,
        "bench": _bench,
        "export": _export,
        "models": _models,
    }
    verb, *rest = args or [""]
    if verb in ("-h", "--help", "help"):
        print(USAGE, end="")
    elif verb in ("-V", "--version"):
        print(f"farframe {__version__}")
    elif verb in verbs:
        return verbs[verb](rest)
    else:
        known = (*verbs, "--help", "--version")
        wrong = unknown("verb", verb, known) if verb else f"name a verb: {', '.join(verbs)}"
        raise UsageError(f"{wrong} (see farframe --help)")
    return 0


def say(text: str) -> None:
    """Print a line, once however many processes torchrun has started."""
    if _speaks():
        print(text)


def _speaks() -> bool:
    """Whether this process speaks for all that torchrun has started."""
    return os.environ.get("RANK", "0") == "0"


def _complain(text: str) -> None:
    print(f"farframe: {text}", file=sys.stderr, flush=True)


def _message(error: Exception) -> str:
    """An error as one line."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"{where}{error.strerror}"
    return out_of_memory(error) or " ".join(str(error).split()) or type(error).__name__


class _Lines(logging.Handler):
    """What the package logs, as lines on whatever stderr is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        _complain(f"{level}{record.getMessage()}")


@contextlib.contextmanager
def _log_shown() -> Generator[None, None, None]:
    logger, handler = logging.getLogger("farframe"), _Lines()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


# -- train ---------------------------------------------------------------------------------------


def _train(args: list[str]) -> int:
    from farframe.cli_args import parse_train
    from farframe.presets import PRESETS
    from farframe.run import holds_run, load_config

    name = take_positional(args)
    if name is None and {"-h", "--help"} & set(args):
        width = max(map(len, PRESETS))
        lines = [f"  {name:<{width}}  {preset.summary}" for name, preset in PRESETS.items()]
        print(TRAIN_USAGE.format(presets="\n".join(lines)), end="")
        return 0
    if name is not None and name not in PRESETS:
        raise UsageError(f"{unknown('preset', name, PRESETS)} (see farframe train --help)")
    folder = option(args, "--out")
    stored = "--resume" in args and folder is not None and holds_run(Path(folder))
    if not stored and name is None:
        what = f"{folder} holds no run to resume" if folder else "name a preset, or --resume a run"
        raise UsageError(
            f"{what}; the presets are {', '.join(PRESETS)} (see farframe train --help)"
        )
    default = load_config(str(folder)) if stored else PRESETS[str(name)].config
    if name not in (None, default.name):
        raise UsageError(f"{folder} was started from preset {default.name}, not {name}")
    parsed, config = parse_train(args, default, f"farframe train {default.name}")
    if stored:
        return _run_training(default, parsed.out, True, default.changes(config))
    if not config.data.path:
        raise UsageError(f"{name} needs --data: a video file, or a folder of videos or TFRecords")
    if option(args, "--model.action-dim") is None:
        config = _with_actions_of_data(config)
    return _run_training(config, parsed.out, parsed.resume, None)


def _with_actions_of_data(config: RunConfig) -> RunConfig:
    """The run with actions of the size that the data has."""
    from farframe.data.source import actions_in

    mine, theirs = config.model.action_dim, actions_in(config.data)
    if mine == theirs:
        return config
    say(
        f"model.action_dim is {theirs}, as {config.data.path} has it (the preset: {mine}); "
        f"--model.action-dim {mine} keeps it"
    )
    return replace(config, model=replace(config.model, action_dim=theirs))


def _run_training(
    config: RunConfig, out: Path, resume: bool, overrides: dict[str, Any] | None
) -> int:
    from rich.console import Console

    from farframe.training.loop import train
    from farframe.training.progress import ConsoleReporter

    reporter = ConsoleReporter(Console())
    last = train(config, out, resume=resume, overrides=overrides, reporter=reporter)
    say(f"trained {last.step:,} steps: {last.path}")
    return 0


def _predict(args: list[str]) -> int:
    from farframe.cli_args import parse_predict
    from farframe.prediction import predict_file
    from farframe.run import load_any, load_config

    parsed = parse_predict(args, "farframe predict")
    model = load_any(parsed.run, device=parsed.device)
    stride = load_config(parsed.run).data.stride
    options = parsed.prediction
    outputs = predict_file(model, parsed.input, parsed.out, options=options, stride=stride)
    frames = f"{len(outputs.times)} of {options.horizon} predicted frames"
    print(f"{frames} after {outputs.context_frames} given ones, at {outputs.fps:g} frames/s:")
    print(*outputs.said, *(f"  {path}" for path in outputs.files), sep="\n")
    return 0


def _evaluate(args: list[str]) -> int:
    from farframe.cli_evaluate import run_evaluate

    _show(run_evaluate(args))
    return 0


def _compare(args: list[str]) -> int:
    from farframe.cli_evaluate import run_compare

    _show(run_compare(args))
    return 0


def _study(args: list[str]) -> int:
    from farframe.cli_study import run_study

    _show(run_study(args))
    return 0


def _show(things: Iterable[str | Table]) -> None:
    """Lines as they are, everything else as rich draws it, as wide as it needs to be."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console()
    for thing in things:
        if isinstance(thing, str):
            print(thing)
            continue
        wanted = Measurement.get(console, console.options.update(max_width=1000), thing).maximum
        Console(width=max(console.width, wanted)).print(thing)


def _data(args: list[str]) -> int:
    from farframe.cli_data import run_data

    lines, code = run_data(args)
    print(*lines, sep="\n")
    return code


# -- weights -------------------------------------------------------------------------------------


def _import_checkpoint(args: list[str]) -> int:
    from farframe.cli_args import ImportArgs
    from farframe.cli_parse import parse
    from farframe.interop.imported_run import import_checkpoint

    parsed = parse(ImportArgs, args, "farframe import-checkpoint")
    print(*import_checkpoint(parsed.prefix, parsed.out, parsed.networks).lines(), sep="\n")
    return 0


def _weights(args: list[str]) -> int:
    from farframe.cli_words import WEIGHTS_USAGE, wanted_weights

    if {"-h", "--help"} & set(args):
        print(WEIGHTS_USAGE, end="")
        return 0
    name = wanted_weights(args)
    from farframe.interop.known_weights import KNOWN

    if name:
        print(f"got {', '.join(map(str, KNOWN[name].get()))}: {KNOWN[name].licence}")
    print(*(weights.line() for weights in KNOWN.values()), sep="\n")
    return 0


def _export(args: list[str]) -> int:
    from farframe.cli_models import run_export

    print(*run_export(args), sep="\n")
    return 0


def _models(args: list[str]) -> int:
    from farframe.cli_models import run_models

    print(*run_models(args), sep="\n")
    return 0


def _bench(args: list[str]) -> int:
    from farframe.bench import run_bench
    from farframe.cli_args import BenchArgs
    from farframe.cli_parse import parse

    parsed = parse(BenchArgs, args, "farframe bench")
    _print_bench(run_bench(parsed.bench, parsed.json))
    if parsed.json is not None:
        print(f"wrote {parsed.json}")
    return 0


def _print_bench(report: BenchReport) -> None:
    from rich.console import Console

    from farframe.bench_table import drawn

    Console().print(*drawn(report), sep="\n")
