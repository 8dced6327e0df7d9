"""`neuronxa reproduce`: run the harness for a study, then write tables and pages of the results.

Each model and entry of tasks is a separate run in its own folder, so that an interrupted or failed
study can continue where it stopped.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuronxa_task.analysis.published import PUBLISHED
from neuronxa_task.analysis.retrieval import retrieval_of
from neuronxa_task.errors import NeuronXAError, did_you_mean, one_of
from neuronxa_task.harness import run_module, task_names
from neuronxa_task.output import require_writable
from neuronxa_task.study.config import Run, Study, read_study

if TYPE_CHECKING:
    from neuronxa_task.results import Results

RUNS = "runs"
"""Subfolder of the harness's result files."""

STARTED, FINISHED = "unfinished.yaml", "config.yaml"
"""Names of a run's configuration file, next to its results: before and after it finished."""

MIN_LANGUAGES = 3
"""Fewest languages for a correlation."""


def reproduce(path: Path, *, dry_run: bool = False) -> None:
    """Run the unfinished runs of a study, and write its correlations, report and leaderboard.

    Args:
        path: YAML file, as described in `neuronxa_task.study.config`.
        dry_run: print the configuration of every run; run and write nothing.

    Raises:
        NeuronXAError: the study cannot be read, a task is unknown, the output folder cannot be
            written, or, after all other steps, some steps failed.
        KeyboardInterrupt: the user pressed Ctrl-C; the harness has been stopped.
    """
    study = read_study(path)
    _check_tasks(study)
    if not dry_run:
        require_writable(study.output, "output")
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
            f"run neuronxa reproduce {path} again to repeat only the missing runs"
        )


def _check_tasks(study: Study) -> None:
    folders = {run.config["include_path"] for run in study.runs if "include_path" in run.config}
    known = task_names(sorted(folders))
    unknown = [task for task in study.tasks if task not in known]
    if unknown:
        raise NeuronXAError(
            f"unknown task {one_of(map(repr, unknown))}; expected a task, group or tag of the "
            f"harness, as lm_eval ls tasks lists them{did_you_mean(unknown[0], sorted(known))}"
        )


def _finish(run: Run, study: Study, label: str, *, dry_run: bool) -> str:
    """Run the harness unless this run has finished; returns the failure, or an empty text."""
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
        return f"{typed} (no result file was written)"
    started.replace(folder / FINISHED)
    return ""


def _yaml(config: Mapping[str, Any]) -> str:
    import yaml

    text: str = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    return text


def _read_yaml(path: Path) -> Any:
    """The content of a YAML file; `None` if it is missing or damaged."""
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None


def _indented(config: Mapping[str, Any]) -> str:
    return "".join(f"    {line}\n" for line in _yaml(config).splitlines()).rstrip("\n")


def finished(run: Run, study: Study) -> Path | None:
    """The newest result file of this run; `None` if it has not finished with this configuration."""
    folder = study.output / RUNS / run.folder
    if _read_yaml(folder / FINISHED) != run.config:
        return None
    files = sorted(folder.glob("results_*.json"), reverse=True)
    return next((path for path in files if _is_whole(path)), None)


def _is_whole(path: Path) -> bool:
    """Whether a result file is whole; a truncated one is not valid JSON."""
    try:
        return "results" in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"ignored incomplete result file: {path} ({error})", flush=True)
        return False


def conclusions(output: Path, files: Sequence[Path]) -> tuple[list[list[str]], list[str]]:
    """The `neuronxa` commands that make tables and pages from a study's results.

    The paper correlates alignment with accuracy for some benchmarks and with transferability for
    others. The latter get their own tables and page.

    Args:
        output: the study's folder.
        files: result files of its runs; other files in the folder are ignored.

    Returns:
        The arguments of each command, and a line for each command that is skipped.

    Raises:
        NeuronXAError: as in `neuronxa_task.results.read_results`.
    """
    from neuronxa_task.results import read_results

    results = read_results(files)
    runs, to_output = list(map(str, files)), ["--output", str(output)]
    commands, skipped = [], []
    in_both = _languages_in_both(results)
    most = max(in_both.values(), default=0)
    if most >= MIN_LANGUAGES:
        commands.append(["correlate", *runs, "--paper", *to_output])
        commands.append(["predict", *runs, *to_output])
    else:
        skipped.append(
            "correlate and predict, which need alignment and a benchmark of the same model in "
            f"{MIN_LANGUAGES} or more languages; at most {most} languages have both"
        )
    if any(any(path.parent.glob("samples_*")) for path in files):
        commands.append(["rankc", *runs, *to_output])
    if results.alignment.empty:
        skipped.append("leaderboard and report, which need alignment; these runs have none")
        return commands, skipped
    commands.append(["leaderboard", *runs, *to_output])
    if any(retrieval_of(profile) for profile in results.profiles.values()):
        commands.append(["retrieval", *runs, "--paper", *to_output])
    commands.append(["report", *runs, "--paper", *to_output])
    relative = {name for names, figures in PUBLISHED.items() if figures.relative for name in names}
    transfer = sorted(name for name in relative if in_both.get(name, 0) >= MIN_LANGUAGES)
    if transfer:
        options = ["--relative", "--benchmarks", ",".join(transfer), "--paper"]
        options += ["--output", str(output / "transfer")]
        commands += [[name, *runs, *options] for name in ("correlate", "report")]
    return commands, skipped


def _languages_in_both(results: Results) -> dict[str, int]:
    """By benchmark, the most languages in which a model has it and alignment."""
    aligned = results.alignment.groupby("model")["language"].agg(set).to_dict()
    counts: dict[str, int] = {}
    for (model, benchmark), rows in results.downstream.groupby(["model", "benchmark"]):
        both = aligned.get(model, set()) & set(rows["language"])
        counts[str(benchmark)] = max(counts.get(str(benchmark), 0), len(both))
    return counts
