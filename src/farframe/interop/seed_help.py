"""The table of the original's flags as text: for ``--help``, and for docs/seed.md."""

from __future__ import annotations

import textwrap

from farframe.interop.seed_flags import FLAGS, MACHINERY, SeedFlag

_USAGE = """\
usage: python prediction_train.py --model_mode MODE --dataset_type robot|human --data_dir DIR
           --model_dir DIR --event_log_dir DIR --run_mode train --is_training [FLAGS]
       python prediction_train.py (the same flags) --run_mode eval --nois_training
           --data_pattern validation

The original's command line, run by farframe. The same command again goes on with its training; eval
follows a training until its last checkpoint. Switches: --flag, --noflag. Defaults in parentheses.
"""


def help_text() -> str:
    """Every flag with its default and meaning, by subject."""
    parts = [_USAGE]
    for heading, flags in FLAGS.items():
        if heading == MACHINERY:
            names = ", ".join(f"--{flag.name}" for flag in flags)
            parts.append(f"{heading}:\n{textwrap.indent(textwrap.fill(names, 96), '  ')}\n")
            continue
        lines = [f"{heading}:"]
        for flag in flags:
            head = f"  --{flag.name} ({_default(flag)})"
            said = textwrap.fill(f"{flag.meaning}{_values(flag)}", 62)
            lines += [f"{head:<36} {said}".replace("\n", f"\n{'':<37}")]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts).rstrip()


def markdown_rows(heading: str) -> list[str]:
    """The flags under a heading as rows of a table: flag, default, what it does here, field."""
    return [
        f"| `--{flag.name}` | `{_default(flag)}` | {flag.meaning} | "
        f"{f'`{flag.field}`' if flag.field else ''} |"
        for flag in FLAGS[heading]
    ]


def _default(flag: SeedFlag) -> str:
    if isinstance(flag.default, bool):
        return "on" if flag.default else "off"
    return f"{flag.default:g}" if isinstance(flag.default, float) else f"{flag.default}" or "none"


def _values(flag: SeedFlag) -> str:
    return f" ({', '.join(flag.values)})" if flag.values and flag.name == "model_mode" else ""
