"""Which of the results are set beside each other, and what of them is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.results import Results
from neuronxa_task.settings import SCORES

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("acc", "exact_match", "acc_norm", "f1")
"""Downstream metrics, in the order in which one is taken where the wanted one is missing."""


@dataclass(frozen=True)
class Choice:
    """Which of the results are set beside each other, and how.

    Attributes:
        scores: alignment scores.
        alignment: alignment benchmarks; all for none.
        benchmarks: downstream benchmarks; all for none.
        metric: downstream metric; where a benchmark does not have it, another, which is said.
        relative: divide accuracy by that of the pivot language (transferability).
        include_pivot: add the pivot language, whose alignment with itself is 1.
        allow_mixed: go on where settings differ, and say so.
    """

    scores: Sequence[str] = ("nasca", "navca", "mexa")
    alignment: Sequence[str] = ()
    benchmarks: Sequence[str] = ()
    metric: str = "acc"
    relative: bool = False
    include_pivot: bool = False
    allow_mixed: bool = False

    def require_scores(self) -> None:
        """Check the scores.

        Raises:
            NeuronXAError: there are none, or one is unknown.
        """
        if not self.scores or any(score not in SCORES for score in self.scores):
            raise NeuronXAError(
                f"scores are {one_of(map(repr, self.scores)) or 'none'}; expected some of: "
                f"{one_of(SCORES)}"
            )


def alignment_of(results: Results, choice: Choice) -> tuple[pd.DataFrame, list[str]]:
    """The chosen scores of the chosen alignment benchmarks, and notes on what is missing.

    Raises:
        NeuronXAError: there are none, or a score is unknown.
    """
    choice.require_scores()
    scored = of_benchmarks(results.alignment, choice.alignment)
    rows: pd.DataFrame = scored[scored["metric"].isin(choice.scores)]
    if rows.empty:
        raise NeuronXAError(
            f"the results hold no {one_of(choice.scores)}; score the models with lm_eval --tasks "
            "neuronxa_flores_core"
        )
    return rows, gaps(scored, dict.fromkeys(scored["benchmark"], choice.scores))


def accuracy_of(results: Results, choice: Choice) -> tuple[pd.DataFrame, list[str]]:
    """What was measured on the chosen downstream benchmarks, by one metric each.

    Returns:
        One row per model, benchmark and language, `value` NaN where a language was measured by
        other metrics alone; and notes on such languages, and on benchmarks without the metric.
    """
    measured = of_benchmarks(results.downstream, choice.benchmarks)
    metric_of = {
        str(benchmark): _metric(list(rows["metric"].unique()), choice.metric)
        for benchmark, rows in measured.groupby("benchmark")
    }
    notes = [
        f"{benchmark} has no {choice.metric}; {metric} is taken"
        for benchmark, metric in metric_of.items()
        if metric.split(",")[0] != choice.metric.split(",")[0]
    ]
    notes += gaps(measured, {benchmark: [metric] for benchmark, metric in metric_of.items()})
    metrics = measured["benchmark"].map(metric_of)
    values = measured["value"].where(measured["metric"] == metrics)
    rows = (
        measured.assign(metric=metrics, value=values)
        .sort_values("value", kind="stable")  # NaN comes last
        .drop_duplicates(["model", "benchmark", "language"])
        .sort_index()
    )
    return rows, notes


def _metric(found: Sequence[str], wanted: str) -> str:
    """The wanted metric, or the next best one; behind a comma in `found` is a filter."""
    if wanted in found:
        return wanted
    names = (name for want in (wanted, *METRICS) for name in found if want == name.split(",")[0])
    return next(names, found[0])


def of_benchmarks(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The rows of the named benchmarks; all for no names.

    Raises:
        NeuronXAError: there are none of one of them.
    """
    found = list(table["benchmark"].unique())
    if missing := [name for name in names if name not in found]:
        raise NeuronXAError(
            f"no results of {one_of(map(repr, missing))}; found: {one_of(found) or 'none'}"
        )
    chosen: pd.DataFrame = table[table["benchmark"].isin(names or found)]
    return chosen


def gaps(table: pd.DataFrame, wanted: Mapping[str, Sequence[str]]) -> list[str]:
    """Notes on languages that a model has on a benchmark, but not by every wanted metric.

    Args:
        table: in the columns of `neuronxa_task.results.COLUMNS`.
        wanted: metrics of each benchmark.
    """
    notes = []
    for key, rows in table.groupby(["model", "benchmark"]):
        model, benchmark = map(str, key)
        languages = set(rows["language"])
        without: dict[tuple[str, ...], list[str]] = {}
        for metric in wanted[benchmark]:
            missing = languages - set(rows.loc[rows["metric"] == metric, "language"])
            without.setdefault(tuple(sorted(missing)), []).append(metric)
        notes += [
            f"{benchmark} of {model} has no {one_of(metrics)} in {len(missing)} of "
            f"{len(languages)} languages: {one_of(missing, at_most=5)}"
            for missing, metrics in without.items()
            if missing
        ]
    return notes
