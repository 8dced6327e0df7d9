"""The `neuronxa` command in this process: what it prints, and how it ends."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from unittest import mock

from neuronxa_task.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code and what it printed."""

    code: int
    output: str
    errors: str

    @property
    def words(self) -> str:
        """The output without line breaks: prose is broken at the width of a screen."""
        return " ".join(self.output.split())


def neuronxa(*arguments: object) -> Ended:
    """Run `neuronxa ARGUMENTS`."""
    output, errors = io.StringIO(), io.StringIO()
    code = 0
    with (
        mock.patch.object(sys, "argv", ["neuronxa", *map(str, arguments)]),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return Ended(code, output.getvalue(), errors.getvalue())
