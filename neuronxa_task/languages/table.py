"""`neuronxa languages`: the languages of the harness's multilingual benchmarks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.languages.benchmarks import BENCHMARKS, PLACE, patterns_of, place
from neuronxa_task.languages.codes import FLORES_CODES, language

if TYPE_CHECKING:
    import pandas as pd

ALIGNMENT = ("neuronxa_flores", "neuronxa_tatoeba", "neuronxa_phrasebook")
COLUMNS = ("code", "name", "native_name", "script", "resource_level", "benchmarks")


def language_table(tasks: Iterable[str], benchmarks: Sequence[str] = ()) -> pd.DataFrame:
    """One row per language, in `COLUMNS`.

    Args:
        tasks: names of the harness's tasks.
        benchmarks: only languages that all of these have; for none all of FLORES and of the tasks.

    Raises:
        NeuronXAError: a benchmark is unknown, or has no task here.
    """
    import pandas as pd

    found = benchmarks_of(tasks)
    if unknown := [name for name in benchmarks if name not in set().union(*found.values())]:
        raise NeuronXAError(
            f"no tasks of {one_of(map(repr, unknown))} in the installed harness; known benchmarks: "
            f"{one_of(sorted((*ALIGNMENT, *BENCHMARKS)), at_most=20)}"
        )
    codes = dict.fromkeys((*FLORES_CODES, *sorted(found)))
    rows = [
        (each.code, each.name, each.native_name, each.script, each.resource_level, "; ".join(has))
        for code in codes
        for has in [found.get(code, [])]
        for each in [language(code)]
        if all(name in has for name in benchmarks)
    ]
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(COLUMNS))
    return table


def benchmarks_of(tasks: Iterable[str]) -> Mapping[str, list[str]]:
    """The benchmarks that each language is in, by FLORES code."""
    patterns = patterns_of([f"{name}={name}_{PLACE}" for name in ALIGNMENT])
    places = {found for task in tasks if (found := place(task, patterns)) is not None}
    codes: dict[str, list[str]] = {}
    for benchmark, code in sorted(places):
        codes.setdefault(code, []).append(benchmark)
    return codes


def harness_tasks() -> list[str]:
    """Names of all tasks of the installed harness."""
    from neuronxa_task.harness import task_names

    return sorted(task_names())
