"""`neuronxa reproduce`: runs the harness for a study, then writes what follows from the results.

Every model and entry of tasks is a run of its own in a folder of its own, so that an interrupted or
failed study goes on where it stopped.
"""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuronxa_task.analysis.published import PUBLISHED
from neuronxa_task.analysis.retrieval import retrieval_of
from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.harness import run_module, task_names
from neuronxa_task.study.config import Run, Study, read_study

if TYPE_CHECKING:
    from neuronxa_task.results import Results

RUNS = "runs"
"""Folder of the harness's result files, below the study's."""

STARTED, FINISHED = "unfinished.yaml", "config.yaml"
"""A run's configuration, beside its results: until it has finished there, and from then on."""

MIN_LANGUAGES = 3
"""Languages that a correlation needs."""


def reproduce(path: Path, *, dry_run: bool = False) -> None:
    """Run a study, but for what is done, and write its correlation, report and leaderboard.

    Args:
        path: YAML file, as `neuronxa_task.study.config` reads it.
        dry_run: print the configuration of every run; run and write nothing.

    Raises:
        NeuronXAError: a study that cannot be read, an unknown task, a folder that cannot be written
            to, or, when all else is done, steps that failed.
        KeyboardInterrupt: the user pressed Ctrl-C; the harness has been stopped.
    """
    study = read_study(path)
    _check_tasks(study)
    if not dry_run:
        _require_writable(study.output)
    failed = []
    for number, run in enumerate(study.runs, start=1):
        label = f"[{number}/{len(study.runs)}]"
        failure = _finish(run, study, label, dry_run=dry_run)
        if failure:
            print(f"{label} failed: {failure}", flush=True)
            failed.append(failure)
    if dry_run:
        return
    files = [file for run in study.runs if (file := finished(run, study)) is not None]
    commands, skipped = conclusions(study.output, files) if files else ([], [])
    for line in skipped:
        print(f"skipped: {line}", flush=True)
    for command in commands:
        typed = shlex.join(["neuronxa", *command])
        print(f"$ {typed}", flush=True)
        code = run_module("neuronxa_task", command)
        if code:
            failed.append(f"{typed} (exit code {code})")
    if failed:
        print("\nFailed:", *failed, sep="\n  ", flush=True)
        raise NeuronXAError(
            f"{len(failed)} of {len(study.runs) + len(commands)} steps failed, as listed above; "
            f"call neuronxa reproduce {path} again to repeat only the runs that are missing"
        )


def _check_tasks(study: Study) -> None:
    folders = {run.config["include_path"] for run in study.runs if "include_path" in run.config}
    known = task_names(sorted(folders))
    unknown = [task for task in study.tasks if task not in known]
    if unknown:
        similar = get_close_matches(unknown[0], sorted(known), n=8)
        raise NeuronXAError(
            f"unknown task {one_of(map(repr, unknown))}; expected a task, group or tag of the "
            f"harness (similar: {one_of(similar) or 'none'}; all: lm_eval ls tasks)"
        )


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise NeuronXAError(
            f"cannot write to {folder}: {error.strerror}; name another folder as `output` in the "
            "study's file"
        ) from error


def _finish(run: Run, study: Study, label: str, *, dry_run: bool) -> str:
    """Run the harness unless it has finished this run before; the failure, empty for none."""
    folder = study.output / RUNS / run.folder
    started = folder / STARTED
    options = ["--config", str(started), "--output_path", str(folder / "results.json")]
    typed = shlex.join(["lm_eval", "run", *options])
    if file := finished(run, study):
        print(f"{label} done before: {file}", flush=True)
        if dry_run:
            print(_indented(run.config), flush=True)
        return ""
    print(f"{label} $ {typed}", flush=True)
    print(_indented(run.config), flush=True)
    if dry_run:
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FINISHED).unlink(missing_ok=True)
    started.write_text(_yaml(run.config), encoding="utf-8")
    before = set(folder.glob("results_*.json"))
    code = run_module("lm_eval", ["run", *options])
    if code:
        return f"{typed} (exit code {code})"
    if not set(folder.glob("results_*.json")) - before:
        return f"{typed} (it wrote no result file)"
    started.replace(folder / FINISHED)
    return ""


def _yaml(config: Mapping[str, Any]) -> str:
    import yaml

    text: str = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    return text


def _read_yaml(path: Path) -> Any:
    """What a file holds; `None` where it is not there or is damaged."""
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None


def _indented(config: Mapping[str, Any]) -> str:
    return "".join(f"    {line}\n" for line in _yaml(config).splitlines()).rstrip("\n")


def finished(run: Run, study: Study) -> Path | None:
    """The newest result file of this very run, if it has finished."""
    folder = study.output / RUNS / run.folder
    if _read_yaml(folder / FINISHED) != run.config:
        return None
    files = sorted(folder.glob("results_*.json"), reverse=True)
    return next((path for path in files if _is_complete(path)), None)


def _is_complete(path: Path) -> bool:
    """Whether a result file is whole: one that was cut off is no JSON."""
    try:
        return "results" in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"ignored, not a whole result file: {path} ({error})", flush=True)
        return False


def conclusions(output: Path, files: Sequence[Path]) -> tuple[list[list[str]], list[str]]:
    """The `neuronxa` commands that make tables and pages of a study's results.

    The paper correlates accuracy with some benchmarks and transferability with others, so the
    latter have tables and a page of their own.

    Args:
        output: the study's folder.
        files: result files of its runs; what else may lie in the folder is not the study's.

    Returns:
        The commands' arguments, and a line for each of those that cannot be computed.

    Raises:
        NeuronXAError: as of `neuronxa_task.results.read_results`.
    """
    from neuronxa_task.results import read_results

    results = read_results(files)
    runs, there = list(map(str, files)), ["--output", str(output)]
    commands, skipped = [], []
    shared = _shared_languages(results)
    most = max(shared.values(), default=0)
    if most >= MIN_LANGUAGES:
        commands.append(["correlate", *runs, "--paper", *there])
        commands.append(["predict", *runs, *there])
    else:
        skipped.append(
            "correlate and predict, which need alignment and a benchmark of the same model in "
            f"{MIN_LANGUAGES} or more languages; the most that a model has of both is {most}"
        )
    if any(any(path.parent.glob("samples_*")) for path in files):
        commands.append(["rankc", *runs, *there])
    if results.alignment.empty:
        skipped.append("leaderboard and report, which need alignment; these runs have none")
        return commands, skipped
    commands.append(["leaderboard", *runs, *there])
    if any(retrieval_of(profile) for profile in results.profiles.values()):
        commands.append(["retrieval", *runs, "--paper", *there])
    commands.append(["report", *runs, "--paper", *there])
    relative = {name for names, figures in PUBLISHED.items() if figures.relative for name in names}
    transfer = sorted(name for name in relative if shared.get(name, 0) >= MIN_LANGUAGES)
    if transfer:
        options = ["--relative", "--benchmarks", ",".join(transfer), "--paper"]
        options += ["--output", str(output / "transfer")]
        commands += [[name, *runs, *options] for name in ("correlate", "report")]
    return commands, skipped


def _shared_languages(results: Results) -> dict[str, int]:
    """The most languages that a model has of alignment and of each benchmark."""
    aligned = results.alignment.groupby("model")["language"].agg(set).to_dict()
    shared: dict[str, int] = {}
    for (model, benchmark), rows in results.downstream.groupby(["model", "benchmark"]):
        both = aligned.get(model, set()) & set(rows["language"])
        shared[str(benchmark)] = max(shared.get(str(benchmark), 0), len(both))
    return shared
