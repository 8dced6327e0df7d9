"""The harness's result files as one tidy table: models, benchmarks, languages, metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.languages.benchmarks import patterns_of
from neuronxa_task.results.collection import Collection, RunChoice
from neuronxa_task.results.comparable import changed_models, versions
from neuronxa_task.results.files import ResultFile, printable, read_files
from neuronxa_task.results.identity import name_models
from neuronxa_task.results.rerun import command_of
from neuronxa_task.results.task_runs import Profile
from neuronxa_task.results.uncertainty import Uncertainty
from neuronxa_task.settings import SCORES

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("model", "benchmark", "language", "metric", "value", "stderr"),
    *("n", "signature", "task", "file", "date"),
)


EVERY_RUN = RunChoice()


@dataclass(frozen=True, eq=False)
class Results:
    """The content of result files.

    Attributes:
        table: one row per model, benchmark, language and metric, in the columns `COLUMNS`:
            `language` a FLORES code, `metric` followed by a comma and the harness's filter if it
            has one, `stderr` NaN where the harness gives none, `n` the number of documents,
            `signature` the settings, `task` the harness's name of it, `file` and `date` (UTC) the
            run.
        profiles: `layers` of each (model, alignment benchmark, language), layer i of the model at
            index i, NaN where it has no neurons; of hidden states the embeddings at index 0, and
            what layer i gives at i + 1.
        pivots: pivot language of each alignment benchmark that has one pivot throughout.
        commands: the `lm_eval` command of each file that the table draws on.
        notes: counts of results left out, replaced or joined; and the hints.
        uncertainties: for each (model, alignment benchmark, language) whose file has them, the
            intervals of its scores, the surface baseline, and how far each pair is aligned.
        hints: which models may be the same one, and how to join them.
        recorded: of each (model, alignment benchmark, language) the `pairs` and `stability` that
            its file has, unchecked.
    """

    table: pd.DataFrame
    profiles: Mapping[tuple[str, str, str], Profile]
    pivots: Mapping[str, str]
    commands: Mapping[str, str]
    notes: tuple[str, ...]
    hints: tuple[str, ...] = ()
    uncertainties: Mapping[tuple[str, str, str], Uncertainty] = field(default_factory=dict)
    recorded: Mapping[tuple[str, str, str], Mapping[str, Any]] = field(default_factory=dict)

    @property
    def alignment(self) -> pd.DataFrame:
        """The rows of NeuronXA's scores."""
        rows: pd.DataFrame = self.table[self.table["metric"].isin(SCORES)]
        return rows

    @property
    def downstream(self) -> pd.DataFrame:
        """All other rows."""
        rows: pd.DataFrame = self.table[~self.table["metric"].isin(SCORES)]
        return rows


def read_results(
    paths: Sequence[Path],
    *,
    patterns: Sequence[str] = (),
    aliases: Sequence[str] = (),
    runs: RunChoice = EVERY_RUN,
) -> Results:
    """Read result files of the harness, and those in folders, into one table.

    If a model and task have several runs, the newest counts.

    Args:
        paths: files and folders; folders are searched at any depth for result files.
        patterns: templates of further benchmarks' task names, as `mybench=mytask_{lang}`.
        aliases: new names of models, as `OLD=NEW`.
        runs: which runs of benchmarks to use.

    Raises:
        NeuronXAError: a given file is not a result file, a pattern or an alias has another form or
            matches nothing, or no result is found.
    """
    given = patterns_of(patterns)
    files, notes = read_files(paths)
    names = name_models(files, aliases)
    collected = Collection(given, runs)
    for file, model in zip(files, names.of_file, strict=True):
        collected.add(file, model)
    return _results(collected, [*notes, *names.notes], names.hints)


def _results(collected: Collection, notes: Sequence[str], hints: Sequence[str]) -> Results:
    """Make one table of the collected runs.

    Raises:
        NeuronXAError: there are no runs.
    """
    import pandas as pd

    runs = collected.runs_by_language()
    read = dict.fromkeys(file for run in runs for file in run.files)
    remarks = list(collected.notes())
    if not runs:
        raise NeuronXAError(
            "; ".join(
                [
                    "name your benchmark's tasks with --pattern mybench=mytask_{lang}: the result "
                    "files hold no NeuronXA score and no known benchmark",
                    *remarks[:3],
                ]
            )
        )
    table = pd.DataFrame([row for run in runs for row in run.rows()], columns=list(COLUMNS))
    table = table.astype({"value": float, "stderr": float, "n": "Int64"}).sort_values(
        ["model", "benchmark", "language"], kind="stable", ignore_index=True
    )
    pivots: dict[str, set[str]] = {}
    files: dict[str, list[tuple[str, ResultFile]]] = {}
    for run in runs:
        files.setdefault(run.model, []).extend((run.benchmark, file) for file in run.files)
        if run.pivot:
            pivots.setdefault(run.benchmark, set()).add(run.pivot)
    return Results(
        table=table,
        profiles={
            (run.model, run.benchmark, run.language): run.profile for run in runs if run.profile
        },
        pivots={name: codes.pop() for name, codes in pivots.items() if len(codes) == 1},
        commands={printable(str(file.path)): command_of(file) for file in read},
        notes=(*notes, *remarks, *hints, *versions(table), *changed_models(files)),
        hints=tuple(hints),
        uncertainties={
            (run.model, run.benchmark, run.language): run.uncertainty
            for run in runs
            if run.uncertainty
        },
        recorded={
            (run.model, run.benchmark, run.language): run.recorded for run in runs if run.recorded
        },
    )
