"""Alignment beside accuracy: the languages that a model has both of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from neuronxa_task.analysis.chance import ONE_SIDED, Bounds, above_chance, bounds
from neuronxa_task.analysis.points import MIN_POINTS, Points
from neuronxa_task.analysis.selection import SelectedRows, Selection, select
from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.languages import to_flores
from neuronxa_task.results import Results
from neuronxa_task.results.comparable import facts_of

if TYPE_CHECKING:
    import pandas as pd

OFTEN_BELOW = 0.25
"""Share of languages below chance, by more than their errors, from which on that is said."""
ACCURACY = ["accuracy", "stderr", "above_chance"]


@dataclass(frozen=True, eq=False)
class AccuracyJoin:
    """One model's alignment on one corpus beside its accuracy on one benchmark.

    Attributes:
        model: name of the model.
        alignment: alignment benchmark.
        benchmark: downstream benchmark.
        metric: downstream metric.
        pivot: pivot language of the alignment.
        table: one row per language (index), one column per score, and `accuracy`, corrected for
            chance or relative to the pivot's where that was asked for, `stderr`, its standard error
            (NaN where the file has none), and `above_chance`, whether it is above chance by more
            than its standard error explains (always, where the chance level is not known).
        unpaired: one row per language that has alignment and was not measured, one column per
            score. In either a score may be missing (NaN).
        bounds: what `accuracy` can be.
        pivot_accuracy: of the pivot language, on the scale of `accuracy`; `None` where it was not
            measured.
    """

    model: str
    alignment: str
    benchmark: str
    metric: str
    pivot: str
    table: pd.DataFrame
    unpaired: pd.DataFrame
    bounds: Bounds
    pivot_accuracy: float | None

    @property
    def scores(self) -> list[str]:
        """The alignment scores: those that any model has, so that this one may lack some."""
        return [str(name) for name in self.unpaired.columns]

    @property
    def names(self) -> dict[str, str]:
        """What is set beside what, as columns of a table."""
        return {
            "model": self.model,
            "alignment": self.alignment,
            "pivot": self.pivot,
            "benchmark": self.benchmark,
            "metric": self.metric,
        }

    def has(self, score: str) -> bool:
        """Whether any language has the score."""
        return bool(self.table[score].notna().any())

    def points(self, score: str, *others: str, above_chance: bool = False) -> Points:
        """A score and the accuracy, as points.

        Args:
            score: on the x axis.
            others: scores that a language has to have, too.
            above_chance: only languages whose accuracy is above chance.
        """
        rows = self.table.dropna(subset=[score, *others])
        if above_chance:
            rows = rows[rows["above_chance"]]
        return Points(
            rows[score].to_numpy(np.float64),
            rows["accuracy"].to_numpy(np.float64),
            tuple(rows.index),
            (score.upper(), self.metric),
            rows["stderr"].to_numpy(np.float64),
        )


def pair(results: Results, choice: Selection) -> tuple[list[AccuracyJoin], list[str]]:
    """Set every model's alignment beside its accuracies.

    Returns:
        Every join of at least three languages, and notes on the others and on what was taken.

    Raises:
        NeuronXAError: a choice names nothing in the results, settings differ, or no join has three
            languages.
    """
    selected = select(results, choice)
    selected.require_alignment(choice)
    joins, notes = join_accuracy(selected, choice)
    if not joins:
        reasons = [*results.hints[:1], without_joins(selected, choice, notes)]
        raise NeuronXAError("; ".join(reasons))
    return joins, [*selected.notes, *notes]


def join_accuracy(
    selected: SelectedRows, choice: Selection
) -> tuple[list[AccuracyJoin], list[str]]:
    """Every join of at least three languages, of which there may be none, and notes."""
    joins: list[AccuracyJoin] = []
    notes: list[str] = []
    for join in _joins(selected, choice):
        what = f"{join.alignment} and {join.benchmark} of {join.model}"
        below = _below_chance(join)
        try:
            join = _transformed(join, selected.accuracy, choice)
        except NeuronXAError as reason:
            notes.append(f"{what} left out: {reason}")
            continue
        if len(join.table) < MIN_POINTS:
            count = len(join.table)
            notes.append(f"not correlated, as only {count} languages have both: {what}")
            continue
        notes += below
        joins.append(join)
    if joins:
        measured = selected.accuracy.dropna(subset="value")
        notes += _without_counterpart(selected.alignment, measured)
    return joins, notes


def _below_chance(join: AccuracyJoin) -> list[str]:
    """A note where the level of chance seems to be too high."""
    chance = join.bounds.chance
    if chance is None:
        return []
    below = chance - join.table["accuracy"] > ONE_SIDED * join.table["stderr"]
    if below.mean() <= OFTEN_BELOW:
        return []
    return [
        f"{join.benchmark} of {join.model} is below chance, {chance:.3g}, in {below.sum()} of "
        f"{len(below)} languages; if that level is wrong, give --chance {join.benchmark}=LEVEL"
    ]


def without_joins(selected: SelectedRows, choice: Selection, notes: list[str]) -> str:
    """Why there is no join, in words."""
    if selected.alignment.empty:
        return f"the results hold no {one_of(choice.scores)}"
    if selected.accuracy.empty:
        return (
            "the results hold alignment only; run a benchmark in the same languages, such as "
            "belebele_fra_Latn, or name other benchmarks with --pattern mybench=mytask_{lang}"
        )
    measured = selected.accuracy.dropna(subset="value")
    reasons = [_too_few(selected.alignment, measured, relative=choice.relative), *notes[:3]]
    return "; ".join(reasons)


def _joins(selected: SelectedRows, choice: Selection) -> Iterator[AccuracyJoin]:
    """Every model, alignment benchmark, pivot and downstream benchmark, however few languages."""
    alignment, accuracy = selected.alignment, selected.accuracy
    pivot_of = {line: to_flores(facts_of(line)["pivot"]) for line in set(alignment["signature"])}
    alignment = alignment.assign(pivot=alignment["signature"].map(pivot_of))
    known = set(alignment["metric"])
    limits_of = {
        (str(benchmark), str(metric)): bounds(
            str(benchmark), str(metric), list(rows["value"].dropna()), choice.chance
        )
        for (benchmark, metric), rows in accuracy.groupby(["benchmark", "metric"])
    }
    for key, rows in alignment.groupby(["model", "benchmark", "pivot"]):
        model, corpus, pivot = map(str, key)
        scores = rows.pivot(index="language", columns="metric", values="value")
        scores = scores.reindex(columns=[score for score in choice.scores if score in known])
        scores = scores.drop(index=pivot, errors="ignore")
        if choice.include_pivot:
            scores.loc[pivot] = 1.0
        own = accuracy[accuracy["model"] == model]
        for (benchmark, metric), of_benchmark in own.groupby(["benchmark", "metric"]):
            limits = limits_of[str(benchmark), str(metric)]
            measured = _measured(of_benchmark, limits)
            of_pivot = measured["accuracy"].dropna().get(pivot)
            yield AccuracyJoin(
                model=model,
                alignment=corpus,
                benchmark=str(benchmark),
                metric=str(metric),
                pivot=pivot,
                table=scores.join(measured.dropna(subset="accuracy"), how="inner").sort_index(),
                unpaired=scores[~scores.index.isin(measured.index)].sort_index(),
                bounds=limits,
                pivot_accuracy=None if of_pivot is None else float(of_pivot),
            )


def _measured(rows: pd.DataFrame, limits: Bounds) -> pd.DataFrame:
    """Accuracy, its standard error and whether it is above chance, by language."""
    rows = rows.set_index("language")
    values, stderrs = rows["value"].to_numpy(np.float64), rows["stderr"].to_numpy(np.float64)
    documents = rows["n"].to_numpy(np.float64, na_value=np.nan)
    above = (
        np.ones(len(rows), bool)
        if limits.chance is None
        else above_chance(values, stderrs, documents, limits)
    )
    measured: pd.DataFrame = rows.assign(accuracy=values, above_chance=above)[ACCURACY]
    return measured


def _transformed(join: AccuracyJoin, accuracy: pd.DataFrame, choice: Selection) -> AccuracyJoin:
    """The join with its accuracies corrected for chance, or relative to the pivot's, if asked for.

    Raises:
        NeuronXAError: the pivot has no accuracy above chance, or the chance level is not known.
    """
    chance = join.bounds.chance
    if choice.chance_corrected:
        if chance is None or join.bounds.ceiling is None:
            raise NeuronXAError(
                f"the chance level of {join.benchmark} {join.metric} is not known, which "
                f"--chance-corrected needs; give it with --chance {join.benchmark}=LEVEL"
            )
        return _scaled(join, chance, join.bounds.ceiling - chance)
    if not choice.relative:
        return join
    value, pivot = join.pivot_accuracy, join.pivot
    if value is None:
        rows = accuracy[["model", "benchmark"]] == [join.model, join.benchmark]
        measured = accuracy[rows.all(axis=1)].dropna(subset="value")["language"]
        raise NeuronXAError(
            f"no accuracy in the pivot {pivot}, which --relative divides by; there is accuracy in "
            f"{one_of(measured)}: run it in the pivot, too"
        )
    if value <= (chance or 0.0):
        above = f"chance, {chance:.4g}" if chance else "0"
        raise NeuronXAError(
            f"accuracy {value:.4g} in the pivot {pivot} is not above {above}: no divisor"
        )
    return _scaled(join, chance or 0.0, value - (chance or 0.0))


def _scaled(join: AccuracyJoin, offset: float, divisor: float) -> AccuracyJoin:
    """The join with `(accuracy − offset) / divisor` for its accuracies."""
    table = join.table.assign(
        accuracy=(join.table["accuracy"] - offset) / divisor, stderr=join.table["stderr"] / divisor
    )
    pivot = join.pivot_accuracy
    return replace(
        join,
        table=table,
        bounds=join.bounds.scaled(offset, divisor),
        pivot_accuracy=None if pivot is None else (pivot - offset) / divisor,
    )


def _too_few(alignment: pd.DataFrame, accuracy: pd.DataFrame, *, relative: bool) -> str:
    sides = (
        f"{kind}: "
        + one_of(
            (
                f"{benchmark} of {model} in {one_of(rows['language'].unique(), at_most=4)}"
                for (model, benchmark), rows in table.groupby(["model", "benchmark"])
            ),
            at_most=3,
        )
        for kind, table in (("alignment", alignment), ("accuracy", accuracy))
    )
    kind = "relative accuracy" if relative else "accuracy"
    return (
        f"no model has alignment and {kind} in {MIN_POINTS} languages other than the pivot; "
        f"found {'; '.join(sides)}"
    )


def _without_counterpart(alignment: pd.DataFrame, accuracy: pd.DataFrame) -> list[str]:
    """Notes on models that have only one of the two."""
    both = [set(table["model"]) for table in (alignment, accuracy)]
    sides = (
        ("alignment, no accuracy", both[0] - both[1]),
        ("accuracy, no alignment", both[1] - both[0]),
    )
    return [
        f"left out, as they have {what}: {one_of(sorted(models))}"
        for what, models in sides
        if models
    ]
