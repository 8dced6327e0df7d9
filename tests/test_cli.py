"""The `neuronxa` command itself: its help, its version, misspelt names, and how fast it answers."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import neuronxa

COMMANDS = re.findall(
    r"^  ([\w-]+) ", neuronxa("--help").output.partition("Commands:")[2], re.MULTILINE
)


def test_the_version_is_the_package_s() -> None:
    ended = neuronxa("--version")
    assert (ended.code, ended.output) == (
        0,
        f"neuronxa {importlib.metadata.version('lm-eval-neuronxa')}\n",
    )


def test_summaries_fit_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = neuronxa("--help").output.splitlines()
    summaries = [line for line in lines if re.match(rf"  ({'|'.join(COMMANDS)}) ", line)]
    assert len(summaries) == len(COMMANDS) >= 10
    assert all(line.endswith(".") and not line.endswith("...") for line in summaries), summaries


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example(name: str) -> None:
    ended = neuronxa(name, "--help")
    assert ended.code == 0
    assert f"Example: neuronxa {name}" in ended.output


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (["corelate"], r"No such command 'corelate'\. Did you mean 'correlate'\?"),
        (["correlate", "x", "--ouput", "y"], r"No such option: --ouput \(?.*--output"),
    ],
)
def test_misspelt_names_are_suggested(arguments: list[str], suggestion: str) -> None:
    ended = neuronxa(*arguments)
    assert ended.code == 2
    assert re.search(suggestion, ended.errors)


def test_the_module_is_the_command_and_completes_names() -> None:
    completing = {
        "_NEURONXA_COMPLETE": "complete_bash",
        "COMP_WORDS": "neuronxa corr",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "neuronxa_task"],
        env=os.environ | completing,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == ["correlate"]


def test_help_of_every_command_is_instant() -> None:
    """It may import typer and the command's own module, but no framework."""
    code = (
        "import sys; sys.argv = ['neuronxa']\n"
        "from commands import neuronxa\n"
        "for name in sys.stdin.read().split():\n"
        "    assert neuronxa(name, '--help').code == 0\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=" ".join(COMMANDS),
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    imported = set(done.stdout.split())
    assert "neuronxa_task.commands.correlate" in imported
    assert not imported & set("torch transformers datasets lm_eval pandas scipy matplotlib".split())
