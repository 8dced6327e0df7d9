"""NeuronXA: cross-lingual alignment of language models from their feed-forward neurons.

Importing this package makes the harness know the request type `neuron_alignment`, its metrics and
its model name; the harness itself imports it when a NeuronXA task is asked for.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuronxa_task.api import score
    from neuronxa_task.callback import AlignmentCallback
    from neuronxa_task.errors import NeuronXAError
    from neuronxa_task.scoring.alignment import Alignment

__all__ = ["Alignment", "AlignmentCallback", "NeuronXAError", "score"]

_HOME = {
    "Alignment": "neuronxa_task.scoring.alignment",
    "AlignmentCallback": "neuronxa_task.callback",
    "NeuronXAError": "neuronxa_task.errors",
    "score": "neuronxa_task.api",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


# The `neuronxa` command answers --help at once; whatever it runs of the harness registers itself.
if Path((sys.argv or [""])[0]).name != "neuronxa":
    import neuronxa_task.plugin  # noqa: F401 -- importing it registers
