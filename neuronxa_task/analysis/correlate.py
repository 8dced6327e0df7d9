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
    *("partial_r", "partial_p", "partial_low", "partial_high"),
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
    """What `neuronxa correlate` finds.

    Attributes:
        table: one row per correlation, in the columns `COLUMNS`. `kind` is `model`, `mean over
            models` or `pooled over models`, `models` how many are in it; a mean over benchmarks
            names them all in `benchmark`. A correlation that is not defined says why in `note`.

            `p` and `fisher_*` of a mean over models are those of a t-test over the models: they
            speak about further models. `low`, `high` and `p_languages` speak about further
            languages, and `verdict` rests on them: `positive`, `negative` or `cannot tell`;
            `models_agreeing` is in how many models alone the verdict is the same. `p_holm` adjusts
            `p_languages` for all rows of the same kind and method. `families_*` is the interval
            of resampled language families, `partial_*` the correlation given resource level and
            script, `*_above_chance` that over languages above chance, `r_noise_corrected` what
            exact accuracies would show.
        comparisons: one row per pair of scores, model and benchmark, in `COMPARISON_COLUMNS`.
        notes: what the reader has to know.
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
        joins: alignment beside accuracy; at least one.
        choice: what they were made with.
        methods: some of `METHODS`.
        bootstrap: settings of the intervals.
        paper: set the paper's figures beside.

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
    """Check the coefficients.

    Raises:
        NeuronXAError: there are none, or one is unknown.
    """
    if not methods or any(method not in METHODS for method in methods):
        raise NeuronXAError(
            f"methods are {one_of(map(repr, methods)) or 'none'}; expected some of: "
            f"{one_of(METHODS)}"
        )


def _notes(table: pd.DataFrame) -> Iterator[str]:
    if undefined := int(table["r"].isna().sum()):
        yield f"{undefined} of {len(table)} correlations are not defined; `note` says why"
    if (table["kind"] == MEAN).any():
        yield (
            "a mean over models is of these models: its p_languages and interval are over "
            "languages, its p and Fisher interval over models"
        )
    if (table["kind"] == POOLED).any():
        yield (
            "pooled over models, the points of a language are not independent: no p; the interval "
            "draws models and languages, from 5 models and 15 languages on"
        )
    alone = table[table["kind"] == PER_MODEL]
    at_chance = alone[alone["share_above_chance"] <= 0.5]
    keys = dict.fromkeys(zip(at_chance["benchmark"], at_chance["model"], strict=True))
    if keys:
        named = one_of((f"{benchmark} of {model}" for benchmark, model in keys), at_most=3)
        yield (
            f"at chance in half of the languages or more: {named}; see r_above_chance, over the "
            "languages above chance alone"
        )


def _add_agreement(rows: Sequence[dict[str, Any]]) -> None:
    """Count the models that alone have the verdict of their mean."""
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
    """Rows of the same benchmarks: each by itself, the mean over those of `means`, over all."""
    for corpus in _grouped(joins, lambda join: (join.alignment, join.pivot)):
        benchmarks = _grouped(corpus, lambda join: join.benchmark)
        for same in benchmarks:
            yield _of_models([[join] for join in same], (MEAN, POOLED))
        all_names = [same[0].benchmark for same in benchmarks]
        for names in [*(names for names in means if set(names) < set(all_names)), all_names]:
            chosen = [join for join in corpus if join.benchmark in names]
            models = _grouped(chosen, lambda join: join.model)
            complete = [group for group in models if len(group) == len(names)]
            if len(names) > 1 and complete:
                yield _of_models(complete, (MEAN,))


def _of_models(groups: Sequence[Sequence[AccuracyJoin]], summaries: Sequence[str]) -> list[Mean]:
    """A row per model and, of several models, their summaries."""
    rows = [Mean(PER_MODEL, [group]) for group in groups]
    return rows + [Mean(kind, groups) for kind in summaries if len(groups) > 1]


def _grouped(
    joins: Sequence[AccuracyJoin], key: Callable[[AccuracyJoin], Hashable]
) -> list[list[AccuracyJoin]]:
    groups: dict[Hashable, list[AccuracyJoin]] = {}
    for join in joins:
        groups.setdefault(key(join), []).append(join)
    return list(groups.values())
