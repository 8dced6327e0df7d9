"""Runs of the real harness: in this process, and as the stock command."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partialmethod
from pathlib import Path
from typing import Any
from unittest import mock

from conftest import sentences, translated

from neuronxa_task.errors import show_errors_as_one_line

STOCK = ("-m", "lm_eval")
OWN_TASKS_ONLY = (str(Path(__file__).parent / "one_after_another.py"), *STOCK)
"""The same without the harness's own tasks, whose files take half of its start to read."""
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}

PIVOT = sentences(11, seed=5)
LANGUAGES = {"near": 0.1, "middle": 0.35, "far": 0.8}


def write_text(folder: Path) -> Path:
    """A corpus of a made-up pivot `piv` and three languages ever further from it."""
    folder.mkdir(parents=True)
    for language, lines in {
        "piv": PIVOT,
        **{name: translated(PIVOT, noise, seed=9) for name, noise in LANGUAGES.items()},
    }.items():
        (folder / f"{language}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def evaluate(
    model_folder: Path, tasks: Path, names: Sequence[str] = ("made_up",), **options: Any
) -> dict[str, Any]:
    """`lm_eval.simple_evaluate` as the command calls it, without the harness's own tasks."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    model_args = {"pretrained": str(model_folder), **options.pop("model_args", {})}
    metadata = model_args | options.pop("metadata", {})
    manager = TaskManager(include_path=str(tasks), include_defaults=False, metadata=metadata)
    arguments = {"model": "hf", "batch_size": "auto", "device": "cpu", "bootstrap_iters": 1}
    results: dict[str, Any] = simple_evaluate(
        model_args=model_args, tasks=list(names), task_manager=manager, **(arguments | options)
    )
    return results


def layers_of(results: dict[str, Any]) -> dict[str, dict[str, list[float]]]:
    """The per-layer profiles of a run, by task."""
    return {task: config["metadata"]["layers"] for task, config in results["configs"].items()}


def signature_of(results: dict[str, Any], task: str) -> dict[str, str]:
    """A task's signature, taken apart."""
    line = results["configs"][task]["metadata"]["signature"]
    return dict(part.split(":", 1) for part in line.split("|"))


@dataclass(frozen=True)
class CommandRun:
    """What a run of the command left: its exit code, its output, and its result file if any."""

    code: int
    stdout: str
    stderr: str
    results: dict[str, Any] | None


def command(
    output: Path, *arguments: str, launcher: Sequence[str] = STOCK, cwd: Path | None = None
) -> CommandRun:
    """Run the stock `lm_eval` in a process of its own."""
    done = subprocess.run(
        [sys.executable, *launcher, *arguments, *to(output)],
        cwd=cwd,
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return CommandRun(done.returncode, done.stdout, done.stderr, written(output))


def command_here(output: Path, *arguments: str) -> CommandRun:
    """Run in this process what `lm_eval` runs, without the harness's own tasks."""
    from lm_eval.__main__ import cli_evaluate
    from lm_eval.tasks import TaskManager

    own_tasks_only = partialmethod(TaskManager.__init__, include_defaults=False)
    code, printed, errors = 0, io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, ENVIRONMENT),
        mock.patch.object(sys, "argv", ["lm_eval", *arguments, *to(output)]),
        mock.patch.object(sys, "excepthook", sys.__excepthook__),
        mock.patch.object(TaskManager, "__init__", own_tasks_only),
        mock.patch("lm_eval.__main__.setup_logging"),  # it would outlast the run
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(errors),
    ):
        show_errors_as_one_line()
        try:
            cli_evaluate()
        except Exception as error:
            sys.excepthook(type(error), error, error.__traceback__)
            code = 1
    return CommandRun(code, printed.getvalue(), errors.getvalue(), written(output))


def to(output: Path) -> tuple[str, str]:
    """The options that let a run write into a folder."""
    return "--output_path", str(output / "results.json")


def written(output: Path) -> dict[str, Any] | None:
    """The result file that a run wrote into a folder, if any."""
    files = sorted(output.glob("results_*.json"))
    assert len(files) <= 1, "more than one process wrote a result file"
    return json.loads(files[0].read_text(encoding="utf-8")) if files else None
