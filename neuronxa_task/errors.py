"""`NeuronXAError`, the exception for user errors, and how command lines show it: as one line."""

from __future__ import annotations

import atexit
import difflib
import logging
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

INTERRUPTED = 130
"""Exit code of a process stopped by Ctrl-C, as in shells."""


class NeuronXAError(ValueError):
    """An error that the user can fix: says what was received, what was expected and what to do."""


def one_of(choices: Iterable[object], *, at_most: int = 12) -> str:
    """Join choices with commas; after `at_most` of them, give the total number.

    >>> one_of(["gate", "product"])
    'gate, product'
    """
    names = [str(choice) for choice in choices]
    more = f", … ({len(names)} in all)" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


def shortened(text: str, at_most: int = 60) -> str:
    """Cut a text to `at_most` characters, with an ellipsis.

    >>> shortened("a very long sentence", at_most=8)
    'a very …'
    """
    return text if len(text) <= at_most else text[: at_most - 1] + "…"


def printable(text: str) -> str:
    """Escape control characters, so that a name cannot act on a terminal or a file.

    >>> printable("a\\x1b[2Jb")
    'a\\\\x1b[2Jb'
    """
    if text.isprintable():
        return text
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text
    )


def did_you_mean(name: str, choices: Iterable[object]) -> str:
    """Suggest the choice closest to a misspelt name, for the end of a message; empty if none is.

    >>> did_you_mean("nacsa", ["nasca", "navca"])
    "; did you mean 'nasca'?"
    """
    near = closest(name, choices)
    return "" if near is None else f"; did you mean {near!r}?"


def closest(name: str, choices: Iterable[object], *, at_least: float = 0.6) -> str | None:
    """The choice closest to a misspelt name; `None` if no difflib ratio is `at_least` this.

    Swapped letters are the likeliest slip, so choices with the same letters come first.
    """
    names = list(map(str, choices))
    for written in (name.lower(), name):
        if near := difflib.get_close_matches(written, names, cutoff=at_least):
            return min(near, key=lambda choice: sorted(choice) != sorted(name.lower()))
    return None


def is_harness_command() -> bool:
    """Whether this process is the stock `lm_eval` command."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None and spec.name in ("lm_eval.__main__", "neuronxa_task.random_weights"):
        return True
    return Path((sys.argv or [""])[0]).name in {"lm_eval", "lm-eval"}


def show_errors_as_one_line() -> None:
    """Make the stock `lm_eval` command print a `NeuronXAError` as one line, without a traceback.

    Python code that calls the harness still gets the exception.
    """
    if not is_harness_command():
        return
    show_traceback = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, NeuronXAError):
            print(f"neuronxa: error: {printable(str(error))}", file=sys.stderr)
        elif isinstance(error, KeyboardInterrupt):
            print(f"\n{stopped(sys.argv)}", file=sys.stderr)
            # Registered last, so it runs after all other exit handlers, such as the cache's.
            atexit.register(os._exit, INTERRUPTED)
        elif _is_of_database(kind) and (cache := option(sys.argv, "--use_cache")):
            # The harness opens its cache before it asks anything of a task.
            message = damaged_cache(error, f"{cache}_rank*.db")
            print(f"neuronxa: error: {printable(message)}", file=sys.stderr)
        else:
            show_traceback(kind, error, trace)

    show_of_thread = threading.excepthook

    def thread_hook(failure: threading.ExceptHookArgs) -> None:
        if not _is_of_database(failure.exc_type):  # raised again where the database is used
            show_of_thread(failure)

    sys.excepthook = hook
    threading.excepthook = thread_hook
    logging.getLogger("sqlitedict").setLevel(logging.CRITICAL + 1)  # it raises what it logs


def _is_of_database(kind: type[BaseException]) -> bool:
    return kind.__module__ == "sqlite3" and kind.__name__ == "DatabaseError"


def damaged_cache(error: BaseException, file: str) -> str:
    """The message about a cache that cannot be read.

    >>> damaged_cache(ValueError("file is not a database"), "mine_rank0.db")
    'mine_rank0.db is damaged (file is not a database); delete it and run the same command again'
    """
    return f"{file} is damaged ({error}); delete it and run the same command again"


def option(command: Sequence[str], name: str) -> str | None:
    """The value of a command's option, if it is given.

    >>> option(["lm_eval", "--use_cache", "mine"], "--use_cache")
    'mine'
    >>> option(["lm_eval", "--use_cache=mine"], "--use_cache")
    'mine'
    """
    for index, argument in enumerate(command):
        given, equals, value = argument.partition("=")
        if given == name:
            return value if equals else next(iter(command[index + 1 :]), None)
    return None


def stopped(command: Sequence[str]) -> str:
    """The message after Ctrl-C: whether the same command continues or starts over.

    >>> stopped(["lm_eval", "--tasks", "mine", "--use_cache", "cache/mine"])
    'neuronxa: stopped; the same command continues after the finished languages'
    """
    program, *arguments = command
    if Path(program).name in ("neuronxa", "cli.py"):
        next_run = (
            "continues after the finished runs" if "reproduce" in arguments else "starts over"
        )
    elif option(arguments, "--use_cache"):
        next_run = "continues after the finished languages"
    else:
        next_run = "starts over; with --use_cache PATH it continues after the finished languages"
    return f"neuronxa: stopped; the same command {next_run}"
