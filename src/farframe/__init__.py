"""farframe: train on video, then predict it far into the future.

The public names are imported when they are first used, so that ``import farframe`` and
``farframe --help`` need no torch::

    model = farframe.load("runs/demo")
    frames = model.predict(context, horizon=200).frames

``load`` also takes the name of a model that comes with farframe (``farframe models``).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farframe.models.hierarchical import HierarchicalModel
    from farframe.run import RunConfig, load

__version__ = "0.1.0"
__all__ = ["HierarchicalModel", "RunConfig", "__version__", "load"]

_HOMES = {
    "HierarchicalModel": "farframe.models.hierarchical",
    "RunConfig": "farframe.run",
    "load": "farframe.run",
}


def __getattr__(name: str) -> object:
    """Import a public name from the module where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted(__all__)
