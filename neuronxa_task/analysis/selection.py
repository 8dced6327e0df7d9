"""Which results are compared, and which of them are missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from neuronxa_task.errors import NeuronXAError, did_you_mean, one_of
from neuronxa_task.results import Results
from neuronxa_task.results.comparable import require_same_settings
from neuronxa_task.settings import SCORES

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_METRIC = "acc"
METRICS = (DEFAULT_METRIC, "exact_match", "acc_norm", "f1")
"""Downstream metrics, in the order of preference if the wanted one is missing."""

NO_MEASURE = "bypass"
"""The harness's metric in a run with `--predict_only`, which measures nothing."""


@dataclass(frozen=True)
class Selection:
    """Which results are compared, and how.

    Attributes:
        scores: alignment scores.
        alignment: alignment benchmarks; all if empty.
        benchmarks: downstream benchmarks; all if empty.
        metric: downstream metric; a benchmark without it is read by another, with a note.
        relative: divide accuracy above chance by that of the pivot language (transferability).
        include_pivot: add the pivot language, whose alignment with itself is 1.
        allow_mixed: continue if settings differ, with a note.
        chance_corrected: rescale accuracy to (accuracy − chance) / (ceiling − chance).
        chance: chance levels by benchmark, which override the known ones.
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
        """Check the names of the scores, before any file is read.

        Raises:
            NeuronXAError: no score is given, one is unknown, or accuracy would be corrected twice.
        """
        if not self.scores or (unknown := [name for name in self.scores if name not in SCORES]):
            raise NeuronXAError(
                f"scores are {one_of(map(repr, self.scores)) or 'none'}; expected some of: "
                f"{one_of(SCORES)}" + (did_you_mean(unknown[0], SCORES) if self.scores else "")
            )
        if self.relative and self.chance_corrected:
            raise NeuronXAError(
                "--relative and --chance-corrected are both given; expected one of them: relative "
                "accuracy is already corrected for chance"
            )


@dataclass(frozen=True, eq=False)
class SelectedRows:
    """The selected rows of the results.

    Attributes:
        scored: all scores of the selected alignment benchmarks.
        alignment: the rows of `scored` with the selected scores.
        accuracy: one row per model, downstream benchmark and language, with one metric per
            benchmark; `value` is NaN if a language has only other metrics.
        notes: what is missing, and which settings differ if that is allowed.
        surface: the surface baseline by model, alignment benchmark and language, where known.
    """

    scored: pd.DataFrame
    alignment: pd.DataFrame
    accuracy: pd.DataFrame
    notes: tuple[str, ...]
    surface: Mapping[tuple[str, str, str], float]

    def surface_of(self, model: str, corpus: str, languages: Iterable[str]) -> list[float]:
        """The surface baseline of each language, NaN where unknown."""
        return [self.surface.get((model, corpus, code), math.nan) for code in languages]

    def require_alignment(self, choice: Selection) -> None:
        """Check that the selection has alignment scores.

        Raises:
            NeuronXAError: it has none.
        """
        if self.alignment.empty:
            raise NeuronXAError(
                f"the results hold no {one_of(choice.scores)}; score the models with lm_eval "
                "--tasks neuronxa_flores_core"
            )


def select(results: Results, choice: Selection) -> SelectedRows:
    """Select rows, and check that their settings agree.

    Raises:
        NeuronXAError: the selection names something that the results do not have, or settings
            differ and the selection does not allow it.
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
    surface = {
        key: about.surface
        for key, about in results.uncertainties.items()
        if about.surface is not None
    }
    notes = (*without_score, *without_metric, *mixed)
    return SelectedRows(scored, alignment, accuracy, notes, surface)


def _accuracy_of(results: Results, choice: Selection) -> tuple[pd.DataFrame, list[str]]:
    """Results of the selected downstream benchmarks, with one metric each, and notes."""
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
    notes = [f"{name} has no {choice.metric}; {metric_of[name]} is used" for name in others]
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


def _metric(known: Sequence[str], wanted: str) -> str:
    """The wanted metric, or the next best one; in `known`, a filter may follow a comma."""
    if wanted in known:
        return wanted
    names = (name for want in (wanted, *METRICS) for name in known if want == name.split(",")[0])
    return next(names, known[0])


def of_benchmarks(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The rows of the named benchmarks; all rows if no name is given.

    Raises:
        NeuronXAError: a benchmark has no rows.
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
    """Notes on languages of a model and benchmark that lack a wanted metric.

    Args:
        table: rows in the columns `neuronxa_task.results.COLUMNS`.
        wanted: the wanted metrics of each benchmark.
    """
    models: dict[tuple[str, str, str], list[str]] = {}
    for key, rows in table.groupby(["model", "benchmark"]):
        model, benchmark = map(str, key)
        languages = set(rows["language"])
        without: dict[tuple[str, ...], list[str]] = {}
        for metric in wanted[benchmark]:
            lacking = languages - set(rows.loc[rows["metric"] == metric, "language"])
            without.setdefault(tuple(sorted(lacking)), []).append(metric)
        for missing, metrics in without.items():
            if missing:
                where = f"{len(missing)} of {len(languages)} languages"
                gap = (benchmark, one_of(metrics), f"{where}: {one_of(missing, at_most=5)}")
                models.setdefault(gap, []).append(model)
    return [
        f"{benchmark} of {one_of(names, at_most=3)} has no {metrics} in {where}"
        for (benchmark, metrics, where), names in models.items()
    ]
