"""Result files of runs with several pivots, as if they had been run with one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from neuronxa_task.errors import one_of
from neuronxa_task.languages import to_flores
from neuronxa_task.results.files import ResultFile, printable
from neuronxa_task.settings import SCORES


def further_pivots(file: ResultFile) -> Iterator[str]:
    """FLORES codes of a file's further pivots, whose scores are not among its metrics."""
    for task in file.part("configs"):
        yield from (printable(to_flores(name)) for name in _of_pivots(file, task))


def note_of_further(pivots: Iterable[str]) -> str:
    """The note on results that are shown with the first of several pivots.

    Args:
        pivots: the further ones.
    """
    return f"the scores are those with each run's first pivot; see also --pivot {one_of(pivots)}"


def with_pivot(file: ResultFile, pivot: str) -> ResultFile:
    """The file with the scores of another of its pivots in place of the first one's.

    Tasks that have no such pivot stay as they are.

    Args:
        file: the file.
        pivot: FLORES code, or another code of the language.
    """
    results, configs = dict(file.part("results")), dict(file.part("configs"))
    for task in file.part("configs"):
        for name, entry in _of_pivots(file, task).items():
            if to_flores(name) != to_flores(pivot):
                continue
            metadata = {**file.metadata(task), **entry}
            if "pairs" in metadata:
                metadata["pairs"] = _pairs(metadata["pairs"], file.metadata(task), entry)
            configs[task] = {**configs[task], "metadata": metadata}
            results[task] = {**file.of_task("results", task), **_metrics(entry)}
    return replace(file, content={**file.content, "results": results, "configs": configs})


def _of_pivots(file: ResultFile, task: str) -> Mapping[str, Mapping[str, Any]]:
    entries = file.metadata(task).get("pivots")
    if not isinstance(entries, dict):
        return {}
    return {str(name): entry for name, entry in entries.items() if isinstance(entry, dict)}


def _pairs(pairs: Any, before: Mapping[str, Any], entry: Mapping[str, Any]) -> Any:
    """Scores with other languages, of the language that the pivot is compared with.

    The pivot's own task compares it with another language, so only that pair is known here.
    """
    old, new = before.get("target"), entry.get("target")
    if old == new or not isinstance(pairs, dict):
        return pairs
    return {
        score: {old: values[new]}
        for score, values in pairs.items()
        if isinstance(values, dict) and new in values
    }


def _metrics(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A pivot's scores, named as the harness's metrics; NaN for missing ones."""
    return {
        key: entry.get(name, "N/A")
        for score in SCORES
        for name, key in ((score, f"{score},none"), (f"{score}_stderr", f"{score}_stderr,none"))
    }
