"""Alignment beside accuracy: the languages that a model has both of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from neuronxa_task.analysis.bootstrap import MIN_POINTS, Points
from neuronxa_task.analysis.selection import Choice, accuracy_of, alignment_of
from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.languages import to_flores
from neuronxa_task.results import Results
from neuronxa_task.results.comparable import facts_of, require_same_settings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Pairing:
    """One model's alignment on one corpus beside its accuracy on one benchmark.

    Attributes:
        model: name of the model.
        alignment: alignment benchmark.
        benchmark: downstream benchmark.
        metric: downstream metric.
        pivot: pivot language of the alignment.
        table: one row per language (index), one column per score, and `accuracy`, which is divided
            by the pivot's where that was asked for.
        unpaired: one row per language that has alignment and was not measured, one column per
            score. In either a score may be missing (NaN).
    """

    model: str
    alignment: str
    benchmark: str
    metric: str
    pivot: str
    table: pd.DataFrame
    unpaired: pd.DataFrame

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

    def points(self, score: str, *others: str) -> Points:
        """A score and the accuracy, as points: of the languages that have it and `others`."""
        rows = self.table.dropna(subset=[score, *others])
        return Points(
            rows[score].to_numpy(np.float64),
            rows["accuracy"].to_numpy(np.float64),
            tuple(rows.index),
            (score.upper(), self.metric),
        )


def pair(results: Results, choice: Choice) -> tuple[list[Pairing], list[str]]:
    """Set every model's alignment beside its accuracies.

    Returns:
        Every pairing of at least three languages, and notes on the others and on what was taken.

    Raises:
        NeuronXAError: a choice names nothing in the results, settings differ, or no pairing has
            three languages.
    """
    alignment, without_score = alignment_of(results, choice)
    if results.downstream.empty:
        raise NeuronXAError(
            "the results hold alignment only; run a benchmark in the same languages, such as "
            "belebele_fra_Latn, or name other benchmarks with --pattern mybench=mytask_{lang}"
        )
    accuracy, without_metric = accuracy_of(results, choice)
    pairings, notes = pairings_of(alignment, accuracy, choice)
    accuracy = accuracy.dropna(subset="value")
    if not pairings:
        reasons = [
            *results.hints[:1],
            _too_few(alignment, accuracy, relative=choice.relative),
            *notes[:3],
        ]
        raise NeuronXAError("; ".join(reasons))
    one_sided = _without_counterpart(alignment, accuracy)
    return pairings, [*without_score, *without_metric, *notes, *one_sided]


def pairings_of(
    alignment: pd.DataFrame, accuracy: pd.DataFrame, choice: Choice
) -> tuple[list[Pairing], list[str]]:
    """`pair` for rows that `alignment_of` and `accuracy_of` chose; there may be no pairing."""
    import pandas as pd

    both = pd.concat([alignment, accuracy]) if len(accuracy) else alignment
    notes = require_same_settings(both, allow_mixed=choice.allow_mixed)
    pairings = []
    for pairing in _pairings(alignment, accuracy, choice):
        what = f"{pairing.alignment} and {pairing.benchmark} of {pairing.model}"
        if choice.relative:
            try:
                pairing = _relative(pairing, accuracy)
            except NeuronXAError as reason:
                notes.append(f"{what} left out: {reason}")
                continue
        if len(pairing.table) < MIN_POINTS:
            count = len(pairing.table)
            notes.append(f"not correlated, as only {count} languages have both: {what}")
            continue
        pairings.append(pairing)
    return pairings, notes


def _pairings(alignment: pd.DataFrame, accuracy: pd.DataFrame, choice: Choice) -> Iterator[Pairing]:
    """Every model, alignment benchmark, pivot and downstream benchmark, however few languages."""
    pivot_of = {line: to_flores(facts_of(line)["pivot"]) for line in set(alignment["signature"])}
    alignment = alignment.assign(pivot=alignment["signature"].map(pivot_of))
    known = set(alignment["metric"])
    for key, rows in alignment.groupby(["model", "benchmark", "pivot"]):
        model, corpus, pivot = map(str, key)
        scores = rows.pivot(index="language", columns="metric", values="value")
        scores = scores.reindex(columns=[score for score in choice.scores if score in known])
        scores = scores.drop(index=pivot, errors="ignore")
        if choice.include_pivot:
            scores.loc[pivot] = 1.0
        own = accuracy[accuracy["model"] == model]
        for (benchmark, metric), found in own.groupby(["benchmark", "metric"]):
            measured = found.set_index("language")["value"].rename("accuracy")
            yield Pairing(
                *(model, corpus, str(benchmark), str(metric), pivot),
                table=scores.join(measured.dropna(), how="inner").sort_index(),
                unpaired=scores[~scores.index.isin(measured.index)].sort_index(),
            )


def _relative(pairing: Pairing, accuracy: pd.DataFrame) -> Pairing:
    """The pairing with its accuracies divided by the pivot's.

    Raises:
        NeuronXAError: the pivot has none, or 0.
    """
    rows = accuracy[["model", "benchmark"]] == [pairing.model, pairing.benchmark]
    measured = accuracy[rows.all(axis=1)].set_index("language")["value"].dropna()
    value, pivot = measured.get(pairing.pivot), pairing.pivot
    if value is None:
        raise NeuronXAError(
            f"no accuracy in the pivot {pivot}, which --relative divides by; there is accuracy in "
            f"{one_of(measured.index)}: run it in the pivot, too"
        )
    if value <= 0:
        raise NeuronXAError(f"accuracy {value:g} in the pivot {pivot}: no divisor")
    table = pairing.table.assign(accuracy=pairing.table["accuracy"] / value)
    return replace(pairing, table=table)


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
