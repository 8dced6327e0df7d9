"""`neuronxa reproduce`: runs the harness for a study, then writes what follows from the results.

Every model and entry of tasks is a run of its own in a folder of its own, so that an interrupted or
failed study goes on where it stopped.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from neuronxa_task.analysis.published import PUBLISHED
from neuronxa_task.analysis.retrieval import retrieval_of
from neuronxa_task.bmlama53.rankc import SAMPLES
from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.results import read_results
from neuronxa_task.results.files import PATTERN, printable, read_file
from neuronxa_task.study.config import Run, Study, read_study

RUNS = "runs"
"""Folder of the harness's result files, below the study's."""

COMMAND = "command.txt"
"""Beside a run's results: the command that finished there."""

TRANSFER = frozenset(
    benchmark for names, figures in PUBLISHED.items() if figures.relative for benchmark in names
)
"""Benchmarks whose accuracy the paper divides by the pivot's."""


def reproduce(path: Path, *, dry_run: bool = False) -> None:
    """Run a study, but for what is done, and write its correlation, report and leaderboard.

    Args:
        path: YAML file, as `neuronxa_task.study.config` reads it.
        dry_run: print the commands only.

    Raises:
        NeuronXAError: a study that cannot be read, an unknown task, or, when all else is done, runs
            that failed.
    """
    study = read_study(path)
    _check_tasks(study)
    failed = [
        run
        for number, run in enumerate(study.runs, start=1)
        if not _finish(run, study, f"[{number}/{len(study.runs)}]", dry_run=dry_run)
    ]
    done = [] if dry_run else [finished(run, study) for run in study.runs]
    files = [file for file in done if file is not None]
    written = conclusions(study.output, files) if files else []
    unwritten = [command for command in written if not _call(command)]
    if failed or unwritten:
        names = [run.command for run in failed] + [_as_typed(command) for command in unwritten]
        raise NeuronXAError(
            f"{len(names)} of {len(study.runs) + len(written)} commands failed, as shown above: "
            f"{'; '.join(names)} -- called again, neuronxa reproduce does not repeat finished runs"
        )


def _check_tasks(study: Study) -> None:
    folders = {run.settings.include_path for run in study.runs} - {None}
    known = _tasks_of_harness(tuple(sorted(map(str, folders))))
    if unknown := [task for task in study.tasks if task not in known]:
        similar = get_close_matches(unknown[0], known, n=8)
        raise NeuronXAError(
            f"unknown task {one_of(map(repr, unknown))}; expected a task, group or tag of the "
            f"harness (similar: {one_of(similar) or 'none'}; all: lm_eval ls tasks)"
        )


@cache
def _tasks_of_harness(include_paths: tuple[str, ...]) -> list[str]:
    """Names of all tasks, groups and tags; their files take seconds to read."""
    from lm_eval.tasks import TaskManager

    names: list[str] = TaskManager(include_path=list(include_paths)).all_tasks
    return names


def _finish(run: Run, study: Study, number: str, *, dry_run: bool) -> bool:
    """Run the harness unless it has finished this run before; whether it now has."""
    folder = study.output / RUNS / run.folder
    command = [*run.arguments, "--output_path", str(folder / "results.json")]
    shown = f"$ {shlex.join(['lm_eval', *command])}"
    if file := finished(run, study):
        print(f"{number} done before: {file}" + (f"\n  {shown}" if dry_run else ""), flush=True)
        return True
    print(f"{number} {shown}", flush=True)
    if dry_run:
        return True
    (folder / COMMAND).unlink(missing_ok=True)
    before = set(folder.glob(PATTERN))
    code = subprocess.run([sys.executable, "-m", "lm_eval", *command], check=False).returncode
    written = set(folder.glob(PATTERN)) - before
    if code != 0 or not written:
        reason = f"exit code {code}" if code else "it wrote no result file"
        print(f"{number} failed ({reason}); going on with the next", flush=True)
        return False
    (folder / COMMAND).write_text(run.command + "\n", encoding="utf-8")
    return True


def finished(run: Run, study: Study) -> Path | None:
    """The newest result file of this very run, if it has finished."""
    folder = study.output / RUNS / run.folder
    marker = folder / COMMAND
    if not marker.is_file() or marker.read_text(encoding="utf-8") != run.command + "\n":
        return None
    return next((path for path in sorted(folder.glob(PATTERN), reverse=True) if _reads(path)), None)


def _reads(path: Path) -> bool:
    try:
        read_file(path)
    except NeuronXAError as error:
        print(f"not taken for a result: {printable(str(error))}", flush=True)
        return False
    return True


def conclusions(output: Path, files: Sequence[Path]) -> list[list[str]]:
    """The `neuronxa` commands that make tables and pages of a study's results.

    The paper correlates accuracy with some benchmarks and transferability with others, so the
    latter have tables and a page of their own.

    Args:
        output: the study's folder.
        files: result files of its runs; what else may lie in the folder is not the study's.

    Raises:
        NeuronXAError: as of `neuronxa_task.results.read_results`.
    """
    runs, there = list(map(str, files)), ["--output", str(output)]
    read = read_results(files)
    found = set(read.downstream["benchmark"])
    commands = []
    if found:
        commands.append(["correlate", *runs, "--paper", *there])
        commands.append(["predict", *runs, *there])
    if any(any(path.parent.glob(f"{SAMPLES}*")) for path in files):
        commands.append(["rankc", *runs, *there])
    commands.append(["leaderboard", *runs, *there])
    if any(retrieval_of(profile) for profile in read.profiles.values()):
        commands.append(["retrieval", *runs, "--paper", *there])
    commands.append(["report", *runs, "--paper", *there])
    if transfer := sorted(found & TRANSFER):
        options = ["--relative", "--benchmarks", ",".join(transfer), "--paper"]
        options += ["--output", str(output / "transfer")]
        commands += [[name, *runs, *options] for name in ("correlate", "report")]
    return commands


def _call(arguments: Sequence[str]) -> bool:
    print(f"$ {_as_typed(arguments)}", flush=True)
    command = [sys.executable, "-m", "neuronxa_task.cli", *arguments]
    return subprocess.run(command, check=False).returncode == 0


def _as_typed(arguments: Sequence[str]) -> str:
    return shlex.join(["neuronxa", *arguments])
