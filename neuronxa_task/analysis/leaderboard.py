"""`neuronxa leaderboard`: one row per model, with a fixed set of columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from neuronxa_task.analysis.fisher import fisher_mean
from neuronxa_task.analysis.leaderboard_accuracy import accuracies_of, accuracy_columns
from neuronxa_task.analysis.pairing import AccuracyJoin, join_accuracy
from neuronxa_task.analysis.points import UndefinedCorrelation
from neuronxa_task.analysis.selection import Selection, select
from neuronxa_task.analysis.statistics import coefficient
from neuronxa_task.errors import NeuronXAError, did_you_mean, one_of
from neuronxa_task.languages import to_flores
from neuronxa_task.languages.resource_levels import LEVELS, resource_level
from neuronxa_task.results import Results
from neuronxa_task.results.comparable import SOFTWARE, facts_of, settings_of
from neuronxa_task.settings import SCORE_OF, SCORES

if TYPE_CHECKING:
    import pandas as pd

MEANS = tuple(SCORE_OF.values())
SCRIPTS: Mapping[str, str] = {
    "Latn": "latin",
    "Cyrl": "cyrillic",
    "Arab": "arabic",
    "Deva": "devanagari",
    **dict.fromkeys(("Hans", "Hant", "Jpan", "Hang"), "east_asian"),
}
OTHER = "other"
GROUPS: tuple[str, ...] = (
    *(f"script_{name}" for name in (*dict.fromkeys(SCRIPTS.values()), OTHER)),
    *(f"level_{level}" for level in LEVELS),
)

COLUMNS: Mapping[str, str] = {
    "model": "name of the model, with other arguments that change it in brackets",
    "alignment": "alignment benchmark; a model has one row for each",
    "pivot": "language that the others are compared with (FLORES code)",
    "n_languages": "number of languages in the means",
    **{score: f"mean {score.upper()} over the languages" for score in MEANS},
    **{f"{score}_max": f"mean {score.upper()} at each language's best layer" for score in MEANS},
    **{
        f"{score}_{group}": f"mean {score.upper()} over the languages of this group; empty if none"
        for score in MEANS
        for group in GROUPS
    },
    **{f"n_{group}": "number of languages in this group" for group in GROUPS},
    "benchmarks": "downstream benchmarks that alignment is correlated with, separated by '; '",
    **{
        f"pearson_{score}": f"correlation of {score.upper()} with accuracy over all languages of "
        "the model that have both; the Fisher-z mean over the benchmarks"
        for score in MEANS
    },
    "settings": "settings of the scores, from their signatures",
    "model_weights": "fingerprint of the weights, preceded by their commit if there is one",
    "dtype": "precision of the model",
    **{f"{program}_version": "version that the scores were made with" for program in SOFTWARE},
    "date": "start of the newest run (UTC)",
    **{
        f"{score}_stderr": f"mean of the languages' standard errors of {score.upper()}; the "
        "languages share their sentences, so their errors do not average out"
        for score in MEANS
    },
}
"""The columns that every leaderboard has, in their order, and what they hold.

They are followed by those of `ACCURACY_COLUMNS` for each benchmark, by its name. Later versions add
columns only at the end of either.
"""


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """The table of `neuronxa leaderboard`.

    Attributes:
        table: one row per model and alignment benchmark, in `COLUMNS`, then `ACCURACY_COLUMNS` of
            each benchmark.
        notes: remarks for the reader.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]


def leaderboard(
    results: Results,
    choice: Selection,
    *,
    all_languages: bool = False,
    sort: str = "nasca",
) -> Leaderboard:
    """Make one row per model and alignment benchmark.

    Args:
        results: the results to use.
        choice: which benchmarks and metric, and whether settings may be mixed.
        all_languages: average over each model's own languages, not only those of all models.
        sort: column to sort by within each alignment benchmark; numbers descending, text
            ascending.

    Raises:
        NeuronXAError: settings differ, no language is common to all models, or no such column.
    """
    import pandas as pd

    choice = replace(choice, scores=SCORES)
    selected = select(results, choice)
    selected.require_alignment(choice)
    joins, notes = join_accuracy(selected, choice)
    notes = [*selected.notes, *notes]
    columns = [*COLUMNS, *accuracy_columns(selected.accuracy["benchmark"].unique())]
    if sort not in columns:
        raise NeuronXAError(
            f"no column {sort!r} to sort by; columns: {one_of(columns)}"
            + did_you_mean(sort, columns)
        )
    by_run: dict[tuple[str, str], list[AccuracyJoin]] = {}
    for join in joins:
        by_run.setdefault((join.model, join.alignment), []).append(join)
    rows = []
    undefined: dict[str, list[str]] = {}
    for benchmark, corpus in selected.alignment.groupby("benchmark"):
        corpus, remarks = _with_all_scores(str(benchmark), corpus)
        notes += remarks
        if not all_languages:
            corpus, remarks = _common(str(benchmark), corpus)
            notes += remarks
        pivots = {to_flores(facts_of(line)["pivot"]) for line in corpus["signature"].unique()}
        accuracies, remarks = accuracies_of(
            selected.accuracy, pivots, set(corpus["model"]), all_languages=all_languages
        )
        notes += remarks
        for model, scores in corpus.groupby("model"):
            own = by_run.get((str(model), str(benchmark)), [])
            correlations, reasons = _correlations(own)
            for reason in reasons:
                undefined.setdefault(reason, []).append(str(model))
            rows.append(
                {"model": model, "alignment": benchmark}
                | _means(scores)
                | correlations
                | _origin(scores)
                | accuracies.get(str(model), {})
            )
    notes += [f"{one_of(models, at_most=3)}: {reason}" for reason, models in undefined.items()]
    table = pd.DataFrame(rows, columns=columns)
    counts = [name for name in columns if name.startswith("n_") or name.endswith("_languages")]
    highest_first = pd.api.types.is_numeric_dtype(table[sort])
    table = table.astype(dict.fromkeys(counts, "Int64")).sort_values(
        ["alignment", sort, "model"], ascending=[True, not highest_first, True], ignore_index=True
    )
    return Leaderboard(table, tuple(notes))


def _with_all_scores(benchmark: str, corpus: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Keep languages that have all scores that their model has in any language."""
    scores = corpus.groupby("model")["metric"].transform("nunique")
    own = corpus.groupby(["model", "language"])["metric"].transform("nunique")
    kept = corpus[own == scores]
    if not (dropped := corpus.drop(kept.index)).empty:
        languages = dropped[["model", "language"]].drop_duplicates()
        pairs = languages.itertuples(index=False, name=None)
        return kept, [
            f"{benchmark}: means leave out {len(languages)} languages that lack one of their "
            f"model's scores: {one_of((f'{code} of {model}' for model, code in pairs), at_most=5)}"
        ]
    return kept, []


def _common(benchmark: str, corpus: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Keep languages that all models have."""
    languages = corpus.groupby("model")["language"].agg(set)
    common = set.intersection(*languages)
    if not common:
        own = (
            f"{model} has {one_of(sorted(codes), at_most=4)}" for model, codes in languages.items()
        )
        raise NeuronXAError(
            f"{benchmark}: no language is common to all {len(languages)} models: "
            f"{one_of(own, at_most=3)}; score the same languages, or pass --all-languages"
        )
    notes = []
    if any(codes != common for codes in languages):
        notes.append(
            f"{benchmark}: means are over the {len(common)} languages that all {len(languages)} "
            "models have; --all-languages takes each model's own"
        )
    return corpus[corpus["language"].isin(common)], notes


def _means(rows: pd.DataFrame) -> dict[str, Any]:
    """Means over languages, over all of them and by group."""
    scores = rows.pivot(index="language", columns="metric", values="value").reindex(columns=SCORES)
    errors = rows.pivot(index="language", columns="metric", values="stderr")
    errors = errors.reindex(columns=MEANS).mean(skipna=False)
    of_language = [_groups_of(code) for code in scores.index]
    groups = {group: [group in groups for groups in of_language] for group in GROUPS}
    return {
        "n_languages": len(scores),
        **scores.mean(),
        **errors.add_suffix("_stderr"),
        **{
            f"{score}_{group}": scores.loc[members, score].mean()
            for score in MEANS
            for group, members in groups.items()
        },
        **{f"n_{group}": sum(members) for group, members in groups.items()},
    }


def _groups_of(code: str) -> tuple[str, str]:
    script = SCRIPTS.get(code.partition("_")[2], OTHER)
    return f"script_{script}", f"level_{resource_level(code)}"


def _correlations(joins: Sequence[AccuracyJoin]) -> tuple[dict[str, Any], list[str]]:
    """Correlation of each score with accuracy, and why some are not defined."""
    row: dict[str, Any] = {"benchmarks": "; ".join(join.benchmark for join in joins)}
    undefined: dict[str, list[str]] = {}
    for score in MEANS if joins else ():
        try:
            coefficients = [coefficient(join.points(score), "pearson") for join in joins]
            row[f"pearson_{score}"] = fisher_mean(coefficients)
        except UndefinedCorrelation as reason:
            undefined.setdefault(str(reason), []).append(f"pearson_{score}")
    return row, [f"{one_of(names)} not defined: {why}" for why, names in undefined.items()]


def _origin(rows: pd.DataFrame) -> dict[str, Any]:
    """Settings, weights, versions and date of the scores; different values are joined by '; '."""
    signatures = list(rows["signature"].unique())
    facts = [facts_of(line) for line in signatures]
    columns = {"model": "model_weights", "dtype": "dtype"}
    columns |= {program: f"{program}_version" for program in SOFTWARE}
    return {
        "pivot": _joined(to_flores(known["pivot"]) for known in facts),
        "settings": _joined(
            "|".join(f"{fact}:{value}" for fact, value in settings_of(line).items())
            for line in signatures
        ),
        **{
            column: _joined(known.get(fact, "") for known in facts)
            for fact, column in columns.items()
        },
        "date": rows["date"].max(),
    }


def _joined(values: Iterable[str]) -> str:
    return "; ".join(sorted(set(values)))
