"""`neuronxa correlate`: every correlation of alignment with accuracy, as tables."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronxa_task.analysis.bootstrap import (
    BOOTSTRAP,
    Bootstrap,
    Interval,
    Points,
    UndefinedCorrelation,
)
from neuronxa_task.analysis.dependent import compare
from neuronxa_task.analysis.pairing import Pairing, pair
from neuronxa_task.analysis.published import published_correlation, published_means
from neuronxa_task.analysis.selection import Choice
from neuronxa_task.analysis.statistics import METHODS, Correlation, correlate, mean_correlation
from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.results import Results

if TYPE_CHECKING:
    import pandas as pd

PER_MODEL, MEAN, POOLED = "model", "mean over models", "pooled over models"

COLUMNS = (
    *("kind", "model", "alignment", "pivot", "score", "benchmark", "metric", "relative"),
    "method",
    *("r", "p", "n", "models", "fisher_low", "fisher_high", "bootstrap_low", "bootstrap_high"),
    *("undefined_resamples", "paper", "note"),
)
COMPARISON_COLUMNS = (
    *("model", "alignment", "pivot", "benchmark", "metric", "relative", "first", "second", "n"),
    *("r_first", "r_second", "r_between", "difference", "bootstrap_low", "bootstrap_high"),
    *("steiger_z", "steiger_p", "williams_t", "williams_p", "note"),
)


@dataclass(frozen=True, eq=False)
class Correlations:
    """What `neuronxa correlate` finds.

    Attributes:
        table: one row per correlation, in the columns `COLUMNS`. `kind` is `model`, `mean over
            models` or `pooled over models`, `models` how many are in it; a mean over benchmarks
            names them all in `benchmark`. A correlation that is not defined says why in `note`.
            Pooled rows have a bootstrap interval over languages, but neither p nor a Fisher
            interval: those would take a language of several models for several languages.
        comparisons: one row per pair of scores, model and benchmark, in `COMPARISON_COLUMNS`.
        notes: what the reader has to know.
    """

    table: pd.DataFrame
    comparisons: pd.DataFrame
    notes: tuple[str, ...]


def correlations(
    results: Results,
    choice: Choice,
    *,
    methods: Sequence[str] = METHODS,
    bootstrap: Bootstrap = BOOTSTRAP,
    paper: bool = False,
) -> Correlations:
    """Correlate alignment with accuracy: per model, mean over models, pooled.

    Args:
        results: what was read.
        choice: what is set beside each other.
        methods: some of `METHODS`.
        bootstrap: settings of the intervals.
        paper: set the paper's figures beside.

    Raises:
        NeuronXAError: as of `neuronxa_task.analysis.pairing.pair`, or a method is unknown.
    """
    import pandas as pd

    if not methods or any(method not in METHODS for method in methods):
        raise NeuronXAError(
            f"methods are {one_of(map(repr, methods)) or 'none'}; expected some of: "
            f"{one_of(METHODS)}"
        )
    pairings, notes = pair(results, choice)
    means = published_means(relative=choice.relative) if paper else ()
    rows = [
        {"relative": choice.relative, "score": score, "method": method}
        | _row(mean, score, method, bootstrap, choice.relative if paper else None)
        for block in _blocks(pairings, means)
        for score in pairings[0].scores
        for method in dict.fromkeys(methods)
        for mean in block
    ]
    compared = [
        {"relative": choice.relative} | _compared(pairing, first, second, bootstrap)
        for pairing in pairings
        for first, second in combinations(pairing.scores, 2)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if undefined := int(table["r"].isna().sum()):
        notes.append(f"{undefined} of {len(table)} correlations are not defined; `note` says why")
    if (table["kind"] == POOLED).any():
        notes.append(
            "pooled over models, the points of a language are not independent: no p, no Fisher "
            "interval; the bootstrap draws languages"
        )
    if len(table) > 1:
        notes.append(f"p is of each of the {len(table)} correlations alone, not adjusted for all")
    return Correlations(
        table, pd.DataFrame(compared, columns=list(COMPARISON_COLUMNS)), tuple(notes)
    )


@dataclass(frozen=True, eq=False)
class _Mean:
    """What a row is about: one pairing, or several by model.

    Attributes:
        kind: PER_MODEL, MEAN or POOLED.
        groups: the pairings of each model.
    """

    kind: str
    groups: Sequence[Sequence[Pairing]]

    @property
    def pairings(self) -> list[Pairing]:
        return [pairing for group in self.groups for pairing in group]


def _blocks(pairings: Sequence[Pairing], means: Sequence[Sequence[str]]) -> Iterator[list[_Mean]]:
    """Rows of the same benchmarks: each by itself, the mean over those of `means`, over all."""
    for corpus in _grouped(pairings, lambda each: (each.alignment, each.pivot)):
        benchmarks = _grouped(corpus, lambda each: each.benchmark)
        for same in benchmarks:
            yield _of_models([[pairing] for pairing in same], (MEAN, POOLED))
        found = [same[0].benchmark for same in benchmarks]
        for names in [*(names for names in means if set(names) < set(found)), found]:
            chosen = [each for each in corpus if each.benchmark in names]
            models = _grouped(chosen, lambda each: each.model)
            complete = [group for group in models if len(group) == len(names)]
            if len(names) > 1 and complete:
                yield _of_models(complete, (MEAN,))


def _of_models(groups: Sequence[Sequence[Pairing]], summaries: Sequence[str]) -> list[_Mean]:
    """A row per model and, of several models, their summaries."""
    rows = [_Mean(PER_MODEL, [group]) for group in groups]
    return rows + [_Mean(kind, groups) for kind in summaries if len(groups) > 1]


def _grouped(
    pairings: Sequence[Pairing], key: Callable[[Pairing], Hashable]
) -> list[list[Pairing]]:
    groups: dict[Hashable, list[Pairing]] = {}
    for pairing in pairings:
        groups.setdefault(key(pairing), []).append(pairing)
    return list(groups.values())


def _row(
    mean: _Mean, score: str, method: str, bootstrap: Bootstrap, relative: bool | None
) -> dict[str, Any]:
    """One row; `relative` is of the paper's figure, or `None` for none."""
    benchmarks = tuple(dict.fromkeys(pairing.benchmark for pairing in mean.pairings))
    having = [group for group in mean.groups if all(each.has(score) for each in group)]
    lacking = [group[0].model for group in mean.groups if group not in having]
    row: dict[str, Any] = {
        "kind": mean.kind,
        "model": mean.pairings[0].model if mean.kind == PER_MODEL else "",
        "alignment": mean.pairings[0].alignment,
        "pivot": mean.pairings[0].pivot,
        "benchmark": ", ".join(benchmarks),
        "metric": ", ".join(dict.fromkeys(pairing.metric for pairing in mean.pairings)),
        "models": len(having),
        "note": f"without {one_of(lacking)}: no {score}" if lacking else "",
    }
    if relative is not None:
        row["paper"] = published_correlation(benchmarks, score, method, relative=relative)
    if lacking and len(having) < (1 if mean.kind == PER_MODEL else 2):
        return row | {"note": f"not defined: {one_of(lacking)} has no {score}"}
    groups = [[pairing.points(score) for pairing in group] for group in having]
    try:
        found = _correlation(mean.kind, groups, method, bootstrap)
    except UndefinedCorrelation as reason:
        return row | {"note": f"not defined: {reason}"}
    return row | {
        "r": found.r,
        "p": found.p,
        "n": found.n,
        "undefined_resamples": found.undefined_resamples,
        **_ends("fisher", found.fisher),
        **_ends("bootstrap", found.bootstrap),
    }


def _correlation(
    kind: str, groups: Sequence[Sequence[Points]], method: str, bootstrap: Bootstrap
) -> Correlation:
    samples = [points for group in groups for points in group]
    if kind != POOLED and len(samples) > 1:
        return mean_correlation(groups, method, bootstrap)
    found = correlate(
        Points(
            np.concatenate([points.x for points in samples]),
            np.concatenate([points.y for points in samples]),
            [label for points in samples for label in points.labels],
            samples[0].names,
        ),
        method,
        bootstrap,
    )
    return replace(found, p=None, fisher=None) if kind == POOLED else found


def _compared(pairing: Pairing, first: str, second: str, bootstrap: Bootstrap) -> dict[str, Any]:
    """One row of comparisons, over the languages that have both scores."""
    points = pairing.points(first, second), pairing.points(second, first)
    scores = {"first": first, "second": second, "n": len(points[0].x), "note": ""}
    row: dict[str, Any] = {**pairing.names, **scores}
    try:
        found = compare(*points, bootstrap)
    except UndefinedCorrelation as reason:
        return row | {"note": f"not defined: {reason}"}
    return row | {
        "r_first": found.first,
        "r_second": found.second,
        "r_between": found.between,
        "difference": found.first - found.second,
        "steiger_z": found.steiger.statistic,
        "steiger_p": found.steiger.p,
        "williams_t": found.williams.statistic,
        "williams_p": found.williams.p,
        **_ends("bootstrap", found.bootstrap),
    }


def _ends(name: str, interval: Interval | None) -> dict[str, float]:
    if interval is None:
        return {}
    return {f"{name}_low": interval.low, f"{name}_high": interval.high}
