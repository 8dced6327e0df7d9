"""NeuronXA: cross-lingual alignment of language models from their feed-forward neurons.

Importing this package imports nothing else. It registers with the harness when a NeuronXA task is
loaded (`neuronxa_task.plugin`).
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing `typing` would slow down every start of Python
if TYPE_CHECKING:
    from typing import Any

    from neuronxa_task.api import score
    from neuronxa_task.callback import AlignmentCallback
    from neuronxa_task.errors import NeuronXAError
    from neuronxa_task.scoring.alignment import Alignment

    __version__: str

__all__ = ["Alignment", "AlignmentCallback", "NeuronXAError", "__version__", "score"]

_HOME = {
    "Alignment": "neuronxa_task.scoring.alignment",
    "AlignmentCallback": "neuronxa_task.callback",
    "NeuronXAError": "neuronxa_task.errors",
    "score": "neuronxa_task.api",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        import importlib.metadata

        return importlib.metadata.version("lm-eval-neuronxa")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
