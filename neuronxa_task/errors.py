"""The one exception users meet, and how the command line shows it: as one line."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType


class NeuronXAError(ValueError):
    """A mistake or a limit that the user can act on: what came, what was expected, what to do."""


def one_of(choices: Iterable[object], *, at_most: int = 12) -> str:
    """The valid choices as text, shortened past `at_most`.

    >>> one_of(["gate", "product"])
    'gate, product'
    """
    names = [str(choice) for choice in choices]
    more = f", … ({len(names)} in all)" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


def _is_harness_command() -> bool:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None and spec.name == "lm_eval.__main__":
        return True
    return Path((sys.argv or [""])[0]).name in {"lm_eval", "lm-eval"}


def show_errors_as_one_line() -> None:
    """Let the stock `lm_eval` command end with the message of a `NeuronXAError`, not a traceback.

    Python code that calls the harness sees the exception unchanged.
    """
    if not _is_harness_command():
        return
    show_traceback = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, NeuronXAError):
            print(f"neuronxa: error: {error}", file=sys.stderr)
        else:
            show_traceback(kind, error, trace)

    sys.excepthook = hook
