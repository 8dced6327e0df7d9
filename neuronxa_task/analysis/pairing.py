"""Alignment beside accuracy, in the languages for which a model has both."""

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
"""Fraction of languages significantly below chance above which a note says so."""
ACCURACY = ["accuracy", "stderr", "above_chance"]
ALIGNMENT_ONLY = (
    "the results hold alignment only; run a benchmark in the same languages, such as "
    "belebele_fra_Latn, or name other benchmarks with --pattern mybench=mytask_{lang}"
)


@dataclass(frozen=True, eq=False)
class AccuracyJoin:
    """One model's alignment on one corpus, joined with its accuracy on one benchmark.

    Attributes:
        pivot: pivot language of the alignment.
        table: one row per language (index), one column per score, `surface`, the surface baseline
            (NaN where missing), `accuracy` (corrected for chance or relative to the pivot if asked
            for), `stderr`, its standard error (NaN if the file has none), and `above_chance`,
            whether it is significantly above chance (true if the chance level is not known).
        unpaired: one row per language with alignment but without accuracy, one column per score
            (NaN where missing).
        bounds: the range of `accuracy`.
        pivot_accuracy: accuracy in the pivot language, on the scale of `accuracy`; `None` if it was
            not measured.
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
        """Alignment scores that any of the models has; this model may lack some."""
        return [str(name) for name in self.unpaired.columns]

    @property
    def names(self) -> dict[str, str]:
        """Model, benchmarks, pivot and metric, as columns of a table."""
        columns = ("model", "alignment", "pivot", "benchmark", "metric")
        return {name: getattr(self, name) for name in columns}

    def has(self, score: str) -> bool:
        """Whether at least one language has the score."""
        return bool(self.table[score].notna().any())

    def points(self, score: str, *others: str, above_chance: bool = False) -> Points:
        """Pair a score (x) with accuracy (y), one point per language.

        Args:
            score: the score on the x axis.
            others: further scores that a language must have to be included.
            above_chance: include only languages whose accuracy is above chance.
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
            rows["surface"].to_numpy(np.float64),
        )


def pair(results: Results, choice: Selection) -> tuple[list[AccuracyJoin], list[str]]:
    """Join the alignment of every model with its accuracies.

    Returns:
        Every join of at least three languages, and notes on the selection and on smaller joins.

    Raises:
        NeuronXAError: the selection names something that the results do not have, settings differ,
            or no join has three languages.
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
    """Every join of at least three languages (possibly none), and notes on the others."""
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
    """A note if many accuracies are below chance, so that the chance level may be wrong."""
    chance = join.bounds.chance
    if chance is None:
        return []
    below = chance - join.table["accuracy"] > ONE_SIDED * join.table["stderr"]
    if below.mean() <= OFTEN_BELOW:
        return []
    return [
        f"{join.benchmark} of {join.model} is below chance, {chance:.3g}, in {below.sum()} of "
        f"{len(below)} languages; if that level is wrong, set it with --chance "
        f"{join.benchmark}=LEVEL"
    ]


def without_joins(selected: SelectedRows, choice: Selection, notes: list[str]) -> str:
    """Explain why there is no join, for an error message or the page."""
    if selected.alignment.empty:
        return f"the results hold no {one_of(choice.scores)}"
    if selected.accuracy.empty:
        return ALIGNMENT_ONLY
    measured = selected.accuracy.dropna(subset="value")
    few = _too_few(selected.alignment, measured, relative=choice.relative)
    return "; ".join([few, *notes[:3]])


def _joins(selected: SelectedRows, choice: Selection) -> Iterator[AccuracyJoin]:
    """A join per model, alignment benchmark, pivot and downstream benchmark, of any size."""
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
        aligned = scores.assign(surface=selected.surface_of(model, corpus, scores.index))
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
                table=aligned.join(measured.dropna(subset="accuracy"), how="inner").sort_index(),
                unpaired=scores[~scores.index.isin(measured.index)].sort_index(),
                bounds=limits,
                pivot_accuracy=None if of_pivot is None else float(of_pivot),
            )


def _measured(rows: pd.DataFrame, limits: Bounds) -> pd.DataFrame:
    """The `ACCURACY` columns by language."""
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
    """Correct the accuracies for chance or divide them by the pivot's, as the selection asks.

    Raises:
        NeuronXAError: the pivot's accuracy is missing or not above chance, or the chance level is
            unknown.
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
            f"{one_of(measured)}; run the benchmark in the pivot as well"
        )
    if value <= (chance or 0.0):
        above = f"chance, {chance:.4g}" if chance else "0"
        raise NeuronXAError(
            f"accuracy {value:.4g} in the pivot {pivot} is not above {above}; cannot divide by it"
        )
    return _scaled(join, chance or 0.0, value - (chance or 0.0))


def _scaled(join: AccuracyJoin, offset: float, divisor: float) -> AccuracyJoin:
    """Replace each accuracy with `(accuracy − offset) / divisor`."""
    table = join.table.assign(
        accuracy=(join.table["accuracy"] - offset) / divisor, stderr=join.table["stderr"] / divisor
    )
    pivot = join.pivot_accuracy
    scaled = None if pivot is None else (pivot - offset) / divisor
    limits = join.bounds.scaled(offset, divisor)
    return replace(join, table=table, bounds=limits, pivot_accuracy=scaled)


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
    """Notes on models that have only alignment or only accuracy."""
    both = [set(table["model"]) for table in (alignment, accuracy)]
    sides = (
        ("alignment but no accuracy", both[0] - both[1]),
        ("accuracy but no alignment", both[1] - both[0]),
    )
    return [
        f"left out, as they have {what}: {one_of(sorted(models))}"
        for what, models in sides
        if models
    ]
