"""The original program's entry point: its flags, run by farframe.

``python prediction_train.py --help`` lists the flags, docs/seed.md says what each does here.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

from absl import flags as absl_flags

from farframe.cli import guarded, say
from farframe.cli_words import UsageError, unknown
from farframe.interop.seed_flags import BY_NAME, Value
from farframe.interop.seed_help import help_text
from farframe.interop.seed_run import SeedRun, seed_run
from farframe.interop.seed_words import reworded, short_records_told

logger = logging.getLogger("farframe")

HELP = frozenset({"-h", "-help", "--help", "--helpfull", "--helpshort"})
VALUE = re.compile(r"flag --(?P<name>\w+)=(?P<value>.*?): ")
KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
DEBUG = re.compile(r"--?debug(=(true|t|yes|y|1))?", re.IGNORECASE)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line of the original and return its exit code; 2 for a user's mistake."""
    args = list(sys.argv[1:] if argv is None else argv)
    debug = any(DEBUG.fullmatch(arg) for arg in args)
    return guarded(lambda: _command(args), debug=debug, reworded=reworded)


def _command(args: list[str]) -> int:
    if HELP & set(args):
        say(help_text())
        return 0
    run = seed_run(parsed(args))
    for warning in run.warnings if os.environ.get("RANK", "0") == "0" else ():
        logger.warning("%s", warning)
    with short_records_told(run):
        if run.evaluate:
            _evaluate(run)
        else:
            _train(run)
    return 0


def parsed(args: Sequence[str]) -> dict[str, Value]:
    """The flags on a command line, by absl's rules (``--flag value``, ``--noflag``, ...).

    Raises:
        UsageError: for an unknown flag, a value of the wrong type, or a stray word.
    """
    values = absl_flags.FlagValues()
    define: dict[type, Callable[..., Any]] = {
        bool: absl_flags.DEFINE_bool,
        int: absl_flags.DEFINE_integer,
        float: absl_flags.DEFINE_float,
        str: absl_flags.DEFINE_string,
    }
    for flag in BY_NAME.values():
        kind = define[type(flag.default)]
        kind(flag.name, flag.default, flag.meaning, flag_values=values)
    try:
        stray = values(["prediction_train.py", *args])[1:]
    except absl_flags.UnrecognizedFlagError as error:
        known = [f"--{name}" for name in BY_NAME]
        known += [f"--no{name}" for name in BY_NAME if switch(name)]
        raise UsageError(unknown("flag", f"--{error.flagname}", known)) from None
    except absl_flags.Error as error:
        raise UsageError(_complaint(str(error))) from None
    if stray:
        before = args[max(0, args.index(stray[0]) - 1)].lstrip("-")
        way = f": --{before} takes none, write that or --no{before}" if switch(before) else ""
        raise UsageError(f"{stray[0]!r} is neither a flag nor a flag's value{way}")
    return {name: cast("Value", values[name].value) for name in BY_NAME if values[name].present}


def switch(name: str) -> bool:
    """Whether a flag is one that takes no value: --name or --noname."""
    return name in BY_NAME and isinstance(BY_NAME[name].default, bool)


def _complaint(said: str) -> str:
    """What absl says of a value that is none, in words."""
    wrong = VALUE.match(said)
    if wrong is None:
        return said.removeprefix("ERROR:: ").removeprefix("flag ")
    kind = KINDS[type(BY_NAME[wrong["name"]].default)]
    return f"--{wrong['name']} is {wrong['value']!r}: must be {kind}"


def _train(run: SeedRun) -> None:
    from rich.console import Console

    from farframe.training.checkpoint import checkpoints
    from farframe.training.loop import train
    from farframe.training.progress import ConsoleReporter

    last = train(
        run.config,
        run.model_dir,
        resume=bool(checkpoints(run.model_dir)),
        reporter=ConsoleReporter(Console()),
        logs=run.event_log_dir,
    )
    say(f"trained {last.step:,} steps: {last.path}")


def _evaluate(run: SeedRun) -> None:
    from farframe.interop.seed_eval import evaluate_seed

    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise UsageError("--run_mode eval takes one process: start it without torchrun")
    evaluate_seed(run, say)


if __name__ == "__main__":
    sys.exit(main())
