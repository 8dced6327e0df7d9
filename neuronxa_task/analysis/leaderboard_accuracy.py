"""The columns of a leaderboard that hold the accuracy on each benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from neuronxa_task.errors import one_of

if TYPE_CHECKING:
    import pandas as pd

ACCURACY_COLUMNS: Mapping[str, str] = {
    "accuracy_{benchmark}": "mean accuracy over the languages that all models with the "
    "benchmark have, without the pivot",
    "accuracy_{benchmark}_stderr": "mean of the languages' standard errors",
    "accuracy_{benchmark}_languages": "number of languages in the mean",
    "accuracy_{benchmark}_metric": "the metric that is called accuracy here",
}
"""The columns of a benchmark, in their order, and what they hold."""


def accuracy_columns(benchmarks: Iterable[str]) -> list[str]:
    """The columns of benchmarks, by their names."""
    return [
        column.format(benchmark=benchmark)
        for benchmark in sorted(benchmarks)
        for column in ACCURACY_COLUMNS
    ]


def accuracies_of(
    accuracy: pd.DataFrame, pivots: set[str], models: set[str], *, all_languages: bool
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The accuracy columns of each model, and notes on the languages that they leave out."""
    made: dict[str, dict[str, Any]] = {model: {} for model in models}
    shared = []
    measured = accuracy[accuracy["model"].isin(models) & ~accuracy["language"].isin(pivots)]
    for benchmark, rows in measured.dropna(subset="value").groupby("benchmark"):
        languages = rows.groupby("model")["language"].agg(set)
        common = set.intersection(*languages)
        if not all_languages:
            if any(codes != common for codes in languages):
                shared.append(f"{benchmark} ({len(common)} languages of {len(languages)} models)")
            rows = rows[rows["language"].isin(common)]
        for model, own in rows.groupby("model"):
            values = (
                own["value"].mean(),
                own["stderr"].mean(skipna=False),
                len(own),
                own["metric"].iloc[0],
            )
            made[str(model)] |= zip(accuracy_columns([str(benchmark)]), values, strict=True)
    if not shared:
        return made, []
    return made, [
        f"accuracies are means over the languages that all models with the benchmark have: "
        f"{one_of(shared, at_most=5)}"
    ]
