"""Which of the results are set beside each other, and what of them is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.results import Results
from neuronxa_task.results.comparable import require_same_settings
from neuronxa_task.settings import SCORES

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_METRIC = "acc"
METRICS = (DEFAULT_METRIC, "exact_match", "acc_norm", "f1")
"""Downstream metrics, in the order in which one is taken where the wanted one is missing."""

NO_MEASURE = "bypass"
"""What the harness writes as the metric of a run with `--predict_only`: nothing was measured."""


@dataclass(frozen=True)
class Selection:
    """Which of the results are set beside each other, and how.

    Attributes:
        scores: alignment scores.
        alignment: alignment benchmarks; all for none.
        benchmarks: downstream benchmarks; all for none.
        metric: downstream metric; where a benchmark does not have it, another, which is said.
        relative: divide accuracy above chance by that of the pivot language (transferability).
        include_pivot: add the pivot language, whose alignment with itself is 1.
        allow_mixed: go on where settings differ, and say so.
        chance_corrected: accuracy above chance as a share of what is left above chance.
        chance: chance levels by benchmark, before those that are known.
    """

    scores: Sequence[str] = ("nasca", "navca", "mexa")
    alignment: Sequence[str] = ()
    benchmarks: Sequence[str] = ()
    metric: str = DEFAULT_METRIC
    relative: bool = False
    include_pivot: bool = False
    allow_mixed: bool = False
    chance_corrected: bool = False
    chance: Mapping[str, float] = field(default_factory=dict)

    def require_scores(self) -> None:
        """Check the scores.

        Raises:
            NeuronXAError: there are none, or one is unknown.
        """
        if not self.scores or (unknown := [name for name in self.scores if name not in SCORES]):
            raise NeuronXAError(
                f"scores are {one_of(map(repr, self.scores)) or 'none'}; expected some of: "
                f"{one_of(SCORES)}" + (did_you_mean(unknown[0], SCORES) if self.scores else "")
            )
        if self.relative and self.chance_corrected:
            raise NeuronXAError(
                "--relative and --chance-corrected are both given; expected one of them: relative "
                "accuracy is corrected for chance, too"
            )


@dataclass(frozen=True, eq=False)
class SelectedRows:
    """The chosen rows of the results.

    Attributes:
        scored: every score of the chosen alignment benchmarks.
        alignment: the chosen scores of these.
        accuracy: one row per model, downstream benchmark and language, by one metric each; `value`
            is NaN where a language was measured by other metrics alone.
        notes: what is missing, and where settings differ although that is allowed.
    """

    scored: pd.DataFrame
    alignment: pd.DataFrame
    accuracy: pd.DataFrame
    notes: tuple[str, ...]

    def require_alignment(self, choice: Selection) -> None:
        """Check that there are scores.

        Raises:
            NeuronXAError: there are none.
        """
        if self.alignment.empty:
            raise NeuronXAError(
                f"the results hold no {one_of(choice.scores)}; score the models with lm_eval "
                "--tasks neuronxa_flores_core"
            )


def select(results: Results, choice: Selection) -> SelectedRows:
    """The chosen rows, checked for settings that differ.

    Raises:
        NeuronXAError: a choice names nothing in the results, or settings differ and the choice does
            not allow it.
    """
    import pandas as pd

    choice.require_scores()
    scored = of_benchmarks(results.alignment, choice.alignment)
    alignment = scored[scored["metric"].isin(choice.scores)]
    without_score = gaps(scored, dict.fromkeys(scored["benchmark"], choice.scores))
    accuracy, without_metric = _accuracy_of(results, choice)
    both = pd.concat([scored, accuracy]) if len(accuracy) else scored
    mixed = require_same_settings(both, allow_mixed=choice.allow_mixed)
    if alignment.empty:
        without_score = []
    return SelectedRows(scored, alignment, accuracy, (*without_score, *without_metric, *mixed))


def _accuracy_of(results: Results, choice: Selection) -> tuple[pd.DataFrame, list[str]]:
    """What was measured on the chosen downstream benchmarks, by one metric each, and notes."""
    measured = of_benchmarks(results.downstream, choice.benchmarks)
    measured = measured[measured["metric"].str.split(",").str[0] != NO_MEASURE]
    metric_of = {
        str(benchmark): _metric(list(rows["metric"].unique()), choice.metric)
        for benchmark, rows in measured.groupby("benchmark")
    }
    others = [
        benchmark
        for benchmark, metric in metric_of.items()
        if metric.split(",")[0] != choice.metric.split(",")[0]
    ]
    if choice.metric != DEFAULT_METRIC and len(others) == len(metric_of) > 0:
        known = sorted(measured["metric"].unique())
        raise NeuronXAError(
            f"no benchmark has the metric {choice.metric!r}; found: {one_of(known)}"
            + did_you_mean(choice.metric, known)
        )
    notes = [f"{name} has no {choice.metric}; {metric_of[name]} is taken" for name in others]
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


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """The end of a message: the known name that is closest, if one is close.

    Letters that changed places are the likeliest slip.

    >>> did_you_mean("nacsa", ["nasca", "navca"])
    "; did you mean 'nasca'?"
    """
    close = get_close_matches(name.lower(), known)
    close.sort(key=lambda known: sorted(known) != sorted(name.lower()))
    return f"; did you mean {close[0]!r}?" if close else ""


def _metric(known: Sequence[str], wanted: str) -> str:
    """The wanted metric, or the next best one; behind a comma in `known` is a filter."""
    if wanted in known:
        return wanted
    names = (name for want in (wanted, *METRICS) for name in known if want == name.split(",")[0])
    return next(names, known[0])


def of_benchmarks(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The rows of the named benchmarks; all for no names.

    Raises:
        NeuronXAError: there are none of one of them.
    """
    known = list(table["benchmark"].unique())
    if missing := [name for name in names if name not in known]:
        raise NeuronXAError(
            f"no results of {one_of(map(repr, missing))}; found: {one_of(known) or 'none'}"
            + did_you_mean(missing[0], known)
        )
    chosen: pd.DataFrame = table[table["benchmark"].isin(names or known)]
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
