"""The one exception users meet, and how the command line shows it: as one line."""

from __future__ import annotations

import atexit
import difflib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

INTERRUPTED = 130
"""Exit code of a process that Ctrl-C ended, as shells have it."""


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


def shortened(text: str, at_most: int = 60) -> str:
    """A sentence or a name as a message shows it.

    >>> shortened("a very long sentence", at_most=8)
    'a very …'
    """
    return text if len(text) <= at_most else text[: at_most - 1] + "…"


def printable(text: str) -> str:
    """`text` with control characters spelled out, so that a name acts on no terminal or file.

    >>> printable("a\\x1b[2Jb")
    'a\\\\x1b[2Jb'
    """
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text
    )


def did_you_mean(name: str, choices: Iterable[object]) -> str:
    """` -- did you mean 'gate'?`, or nothing if no choice is near.

    >>> did_you_mean("gates", ["gate", "product"])
    " -- did you mean 'gate'?"
    """
    near = difflib.get_close_matches(name, map(str, choices), n=1)
    return f" -- did you mean {near[0]!r}?" if near else ""


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
            print(f"neuronxa: error: {printable(str(error))}", file=sys.stderr)
        elif isinstance(error, KeyboardInterrupt):
            print(f"\n{stopped(sys.argv)}", file=sys.stderr)
            # After everything else that ends with the process, such as the cache's last writes.
            atexit.register(os._exit, INTERRUPTED)
        else:
            show_traceback(kind, error, trace)

    sys.excepthook = hook


def stopped(command: Sequence[str]) -> str:
    """What is said after Ctrl-C: how to go on.

    >>> stopped(["lm_eval", "--tasks", "mine", "--use_cache", "cache/mine"])
    'neuronxa: stopped; run the same command again: finished languages are kept'
    """
    program, *arguments = command
    if Path(program).name in ("neuronxa", "cli.py"):
        again = ": finished runs are kept" if "reproduce" in arguments else ""
    elif any(one.split("=")[0] == "--use_cache" for one in arguments):
        again = ": finished languages are kept"
    else:
        again = ", with --use_cache PATH to keep languages as they are finished"
    return f"neuronxa: stopped; run the same command again{again}"
