"""Messages of farframe in the words of the original's flags."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager

from farframe.data.clips import TooShortError
from farframe.data.source import DataError
from farframe.interop.seed_flags import BY_NAME
from farframe.interop.seed_run import SeedRun

_FIELDS = {flag.field: flag.name for _, flag in BY_NAME.items() if flag.field} | {
    "data": "data_dir",
    "out": "model_dir",
    "data.controls": "dataset_type",
    "data.hue_jitter": "color_data_augment",
    "data.data_pattern": "data_pattern",
    "data.validation_pattern": "data_pattern",
    "data.sequence_length": "sequence_length",
    "model.enc_norm": "enc_pred_use_l2norm",
    "mode": "model_mode",
    "train.encoder_weights": "pretrain_path",
}
"""Fields of a run, and options of `farframe train`, by the flag that sets them."""

_PHRASES = (
    (
        "name a video file, a folder of videos, pictures or TFRecords, another kind of data of "
        "docs/data.md, or shapes for the generated world",
        "name the folder of TFRecords with --data_dir",
    ),
    (r",? or keep fewer checkpoints \(--train\.keep-checkpoints\)", ""),
    (r", (--train\.clip-gradient-norm 1) or --train\.amp off", r" or \1"),
    (r",? or let --train\.memory-limit auto fit its steps \(with --resume too\)", ""),
    (r"(model\.enc_norm (is )?)'?l2'?", r"\1on"),
    (r"(model\.enc_norm (is )?)'?none'?", r"\1off"),
    (r"(model\.enc_norm is on, but .* with) 'none'", r"\1 it off"),
    (r"(model\.enc_norm is off, but .* with) 'l2'", r"\1 it on"),
    (r"--model\.enc-norm l2", "--enc_pred_use_l2norm"),
    (r"--model\.enc-norm none", "--noenc_pred_use_l2norm"),
    (r"\bno --model\.encoder-grey-in", "--noencoder_grey_in"),
    (r"--data\.controls auto does", "--dataset_type human does"),
    (r",? or leave out --data\.strict to skip bad records", ""),
    (r"(,? or set | or )--data\.split \w+", ""),
    (r"continue with --resume", "the same command goes on from there"),
)
"""Advice that the original's flags can't follow, and what it is here."""

_FIELD = re.compile(
    r"(?<![\w./-])(--)?((?:model|data|train|mode)\.\w[\w-]*|(?<=--)(?:data|out|mode))(?![\w./-])"
)


def reworded(message: str) -> str:
    """The message with fields and options of farframe replaced by the original's flags."""
    for phrase, instead in _PHRASES:
        message = re.sub(phrase, instead, message)
    return _FIELD.sub(_flag, message)


@contextmanager
def short_records_told(run: SeedRun) -> Generator[None, None, None]:
    """Tell of a record shorter than a clip in the numbers that the command line gave.

    Raises:
        DataError: naming the file and both numbers.
    """
    try:
        yield
    except TooShortError as error:
        data = run.config.data
        span = (data.sequence_length - 1) * data.stride + 1
        raise DataError(
            f"{error.recording} has {error.length} frames, but --sequence_length "
            f"{run.sequence_length} with --skip_num {data.stride} needs {span}: lower "
            "--sequence_length, or take the record out"
        ) from None


def _flag(match: re.Match[str]) -> str:
    name = _FIELDS.get(match[2].replace("-", "_"))
    return f"--{name}" if name else match[0]
