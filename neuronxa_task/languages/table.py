"""`neuronxa languages`: the languages of the harness's multilingual benchmarks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from neuronxa_task.errors import NeuronXAError, did_you_mean, one_of
from neuronxa_task.languages.benchmark_names import PIVOT_SIBLINGS
from neuronxa_task.languages.benchmarks import LANGUAGE, benchmark_names, patterns_of, place
from neuronxa_task.languages.codes import FLORES_CODES, FLORES_PIVOT, language

if TYPE_CHECKING:
    import pandas as pd

ALIGNMENT = ("neuronxa_flores", "neuronxa_tatoeba", "neuronxa_phrasebook")
COLUMNS = ("code", "name", "native_name", "script", "resource_level", "benchmarks")


def language_table(tasks: Iterable[str], benchmarks: Sequence[str] = ()) -> pd.DataFrame:
    """Make the table of languages, one row each, in `COLUMNS`.

    Args:
        tasks: names of the harness's tasks.
        benchmarks: include only languages that all of these have; if empty, all languages of
            FLORES and of the tasks.

    Raises:
        NeuronXAError: a benchmark is unknown, or has no task among `tasks`.
    """
    import pandas as pd

    benchmarks_by_code = benchmarks_of(tasks)
    known = (*ALIGNMENT, *benchmark_names())
    if unknown := [
        name for name in benchmarks if name not in set().union(*benchmarks_by_code.values())
    ]:
        raise NeuronXAError(
            f"the installed harness has no tasks of {one_of(map(repr, unknown))}; known "
            f"benchmarks: {one_of(known, at_most=20)}" + did_you_mean(unknown[0], known)
        )
    codes = dict.fromkeys((*FLORES_CODES, *sorted(benchmarks_by_code)))
    rows = [
        (row.code, row.name, row.native_name, row.script, row.resource_level, "; ".join(has))
        for code in codes
        for has in [benchmarks_by_code.get(code, [])]
        for row in [language(code)]
        if all(name in has for name in benchmarks)
    ]
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(COLUMNS))
    return table


def chosen(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The rows of languages by their codes or English names.

    Raises:
        NeuronXAError: a name is none of the table's.
    """
    by_name: dict[str, list[int]] = {}
    for row, (code, name) in enumerate(zip(table["code"], table["name"], strict=True)):
        for known in {code, code.partition("_")[0], name}:
            by_name.setdefault(known.casefold(), []).append(row)
    if unknown := [name for name in names if name.casefold() not in by_name]:
        raise NeuronXAError(
            f"{one_of(map(repr, unknown))} is not in the list of languages; expected a "
            "FLORES code or an English name, such as fra_Latn or French"
            + did_you_mean(unknown[0].casefold(), by_name)
        )
    rows = dict.fromkeys(row for name in names for row in by_name[name.casefold()])
    made: pd.DataFrame = table.iloc[list(rows)].reset_index(drop=True)
    return made


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table to print, with only the first benchmarks of each language and their number."""
    names = table["benchmarks"].str.split("; ")
    short = [one_of(has, at_most=3) for has in names]
    printed: pd.DataFrame = table.assign(benchmarks=short)
    return printed


def benchmarks_of(tasks: Iterable[str]) -> Mapping[str, list[str]]:
    """Benchmarks of each language, by FLORES code."""
    patterns = patterns_of([f"{name}={name}_{LANGUAGE}" for name in ALIGNMENT])
    names = list(tasks)
    pairs = {match[:2] for task in names if (match := place(task, patterns)) is not None}
    benchmarks = {benchmark for benchmark, _ in pairs}
    pairs |= {
        (benchmark, FLORES_PIVOT)
        for benchmark, sibling in PIVOT_SIBLINGS.items()
        if benchmark in benchmarks and sibling in names
    }
    codes: dict[str, list[str]] = {}
    for benchmark, code in sorted(pairs):
        codes.setdefault(code, []).append(benchmark)
    return codes
