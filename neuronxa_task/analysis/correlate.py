"""`neuronxa correlate`: every correlation of alignment with accuracy, as tables."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from neuronxa_task.analysis.adjust import holm
from neuronxa_task.analysis.bootstrap import BOOTSTRAP, Bootstrap, Resampler
from neuronxa_task.analysis.correlation_rows import MEAN, PER_MODEL, POOLED, Mean, RowMaker
from neuronxa_task.analysis.pairing import AccuracyJoin
from neuronxa_task.analysis.published import published_means
from neuronxa_task.analysis.selection import Selection
from neuronxa_task.analysis.statistics import METHODS
from neuronxa_task.errors import NeuronXAError, one_of

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("kind", "model", "alignment", "pivot", "score", "benchmark", "metric", "relative"),
    "method",
    *("r", "p", "n", "models", "fisher_low", "fisher_high", "bootstrap_low", "bootstrap_high"),
    *("undefined_resamples", "paper", "note"),
    *("verdict", "models_agreeing", "low", "high", "p_languages", "p_holm"),
    *("leave_one_out_low", "leave_one_out_high", "families", "families_low", "families_high"),
    *("partial_r", "partial_p", "partial_n", "partial_low", "partial_high"),
    *("surface_r", "surface_p", "surface_n", "surface_low", "surface_high"),
    *("chance", "chance_corrected", "n_above_chance", "share_above_chance"),
    *("r_above_chance", "p_above_chance", "above_chance_low", "above_chance_high"),
    *("reliability", "r_noise_corrected"),
)
COMPARISON_COLUMNS = (
    *("model", "alignment", "pivot", "benchmark", "metric", "relative", "first", "second", "n"),
    *("r_first", "r_second", "r_between", "difference", "bootstrap_low", "bootstrap_high"),
    *("steiger_z", "steiger_p", "note", "steiger_p_holm"),
)


@dataclass(frozen=True, eq=False)
class Correlations:
    """The tables of `neuronxa correlate`.

    Attributes:
        table: one row per correlation, in the columns `COLUMNS`. `kind` is `model`, `mean over
            models` or `pooled over models`, and `models` is their number. A mean over benchmarks
            names all of them in `benchmark`. An undefined correlation has its reason in `note`.

            For a mean over models, `p` and `fisher_*` come from a t-test over the models and
            generalise to other models. `low`, `high` and `p_languages` generalise to other
            languages; `verdict` (`positive`, `negative` or `cannot tell`) rests on them.
            `models_agreeing` counts the models that have the same verdict on their own. `p_holm`
            adjusts `p_languages` for all rows of the same kind and method. `families_*` is the
            interval over resampled language families, `partial_*` the correlation given resource
            level and script, `surface_*` given the surface baseline, `*_above_chance` the
            correlation over languages above chance, and `r_noise_corrected` an estimate of r with
            exact accuracies.
        comparisons: one row per pair of scores, model and benchmark, in `COMPARISON_COLUMNS`.
        notes: remarks for the reader.
    """

    table: pd.DataFrame
    comparisons: pd.DataFrame
    notes: tuple[str, ...]


def correlation_table(
    joins: Sequence[AccuracyJoin],
    choice: Selection,
    *,
    methods: Sequence[str] = METHODS,
    bootstrap: Bootstrap = BOOTSTRAP,
    paper: bool = False,
) -> Correlations:
    """Correlate alignment with accuracy: per model, mean over models, pooled.

    Args:
        joins: alignment joined with accuracy; at least one.
        choice: the selection that made the joins.
        methods: some of `METHODS`.
        bootstrap: settings of the intervals.
        paper: add the figures that the paper reports.

    Raises:
        NeuronXAError: a method is unknown.
    """
    import pandas as pd

    require_methods(methods)
    means = published_means(relative=choice.relative) if paper else ()
    table = RowMaker(Resampler(bootstrap), choice, choice.relative if paper else None)
    rows = [
        table.row(mean, score, method)
        for block in _blocks(joins, means)
        for score in joins[0].scores
        for method in dict.fromkeys(methods)
        for mean in block
    ]
    _add_agreement(rows)
    _add_holm(rows, ("kind", "method"), "p_languages", "p_holm")
    compared = [
        {"relative": choice.relative} | table.comparison(join, first, second)
        for join in joins
        for first, second in combinations(join.scores, 2)
    ]
    _add_holm(compared, (), "steiger_p", "steiger_p_holm")
    made = pd.DataFrame(rows, columns=list(COLUMNS))
    return Correlations(
        made,
        pd.DataFrame(compared, columns=list(COMPARISON_COLUMNS)),
        tuple(_notes(made)),
    )


def require_methods(methods: Sequence[str]) -> None:
    """Check the names of correlation coefficients.

    Raises:
        NeuronXAError: no name is given, or one is unknown.
    """
    if not methods or any(method not in METHODS for method in methods):
        raise NeuronXAError(
            f"methods are {one_of(map(repr, methods)) or 'none'}; expected some of: "
            f"{one_of(METHODS)}"
        )


def _notes(table: pd.DataFrame) -> Iterator[str]:
    if undefined := int(table["r"].isna().sum()):
        yield f"{undefined} of {len(table)} correlations are undefined; `note` says why"
    if (table["kind"] == MEAN).any():
        yield (
            "in a mean over models, p_languages and the interval are over languages; p and the "
            "Fisher interval are over models"
        )
    if (table["kind"] == POOLED).any():
        yield (
            "pooled over models, the points of a language are not independent, so there is no p; "
            "the interval draws models and languages (from 5 models and 15 languages)"
        )
    per_model = table[table["kind"] == PER_MODEL]
    at_chance = per_model[per_model["share_above_chance"] <= 0.5]
    keys = dict.fromkeys(zip(at_chance["benchmark"], at_chance["model"], strict=True))
    if keys:
        named = one_of((f"{benchmark} of {model}" for benchmark, model in keys), at_most=3)
        yield (
            f"at chance in at least half of the languages: {named}; see r_above_chance, which uses "
            "only languages above chance"
        )


def _add_agreement(rows: Sequence[dict[str, Any]]) -> None:
    """Count the models whose own verdict is that of their mean."""
    same = ("alignment", "pivot", "score", "benchmark", "method", "verdict")
    counts: dict[tuple[Any, ...], int] = {}
    for row in rows:
        if row["kind"] == PER_MODEL:
            key = tuple(row.get(name) for name in same)
            counts[key] = counts.get(key, 0) + 1
    for row in rows:
        if row["kind"] == MEAN:
            row["models_agreeing"] = counts.get(tuple(row.get(name) for name in same), 0)


def _add_holm(rows: Sequence[dict[str, Any]], by: Sequence[str], p: str, adjusted: str) -> None:
    families: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        families.setdefault(tuple(row[name] for name in by), []).append(row)
    for family in families.values():
        for row, value in zip(family, holm([row.get(p) for row in family]), strict=True):
            row[adjusted] = value


def _blocks(joins: Sequence[AccuracyJoin], means: Sequence[Sequence[str]]) -> Iterator[list[Mean]]:
    """Rows by benchmarks: each benchmark, each set of benchmarks in `means`, all benchmarks."""
    for corpus in _grouped(joins, lambda join: (join.alignment, join.pivot)):
        benchmarks = _grouped(corpus, lambda join: join.benchmark)
        for same in benchmarks:
            yield _of_models([[join] for join in same], (MEAN, POOLED))
        all_names = [same[0].benchmark for same in benchmarks]
        for names in [*(names for names in means if set(names) < set(all_names)), all_names]:
            chosen = [join for join in corpus if join.benchmark in names]
            models = _grouped(chosen, lambda join: join.model)
            on_all_names = [group for group in models if len(group) == len(names)]
            if len(names) > 1 and on_all_names:
                yield _of_models(on_all_names, (MEAN,))


def _of_models(groups: Sequence[Sequence[AccuracyJoin]], summaries: Sequence[str]) -> list[Mean]:
    """A row per model and, for several models, their summaries."""
    rows = [Mean(PER_MODEL, [group]) for group in groups]
    return rows + [Mean(kind, groups) for kind in summaries if len(groups) > 1]


def _grouped(
    joins: Sequence[AccuracyJoin], key: Callable[[AccuracyJoin], Hashable]
) -> list[list[AccuracyJoin]]:
    groups: dict[Hashable, list[AccuracyJoin]] = {}
    for join in joins:
        groups.setdefault(key(join), []).append(join)
    return list(groups.values())
