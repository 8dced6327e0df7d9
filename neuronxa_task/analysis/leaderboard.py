"""`neuronxa leaderboard`: one row per model, in columns that stay the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from neuronxa_task.analysis.fisher import fisher_mean
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
from neuronxa_task.tables import number, records

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
    "model": "name of the model, and in brackets whatever else makes it another one",
    "alignment": "alignment benchmark; a model has one row for each",
    "pivot": "language that the others are compared with (FLORES code)",
    "n_languages": "languages that the means are over",
    **{score: f"mean {score.upper()} over the languages" for score in MEANS},
    **{f"{score}_max": f"mean of the languages' best layer's {score.upper()}" for score in MEANS},
    **{
        f"{score}_{group}": f"mean {score.upper()} over those of the languages; empty if none"
        for score in MEANS
        for group in GROUPS
    },
    **{f"n_{group}": "how many of the languages these are" for group in GROUPS},
    "benchmarks": "downstream benchmarks that alignment is correlated with, separated by '; '",
    **{
        f"pearson_{score}": f"correlation of {score.upper()} with accuracy over all languages of "
        "the model that have both; the Fisher-z mean over the benchmarks"
        for score in MEANS
    },
    "settings": "settings of the scores, from their signatures",
    "model_weights": "fingerprint of the weights, behind their commit if there is one",
    "dtype": "precision that the model ran in",
    **{f"{program}_version": "version that the scores were made with" for program in SOFTWARE},
    "date": "when the newest of the runs began (UTC)",
}
"""The columns in their order, and what they hold. Later versions add columns at the end only."""


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """What `neuronxa leaderboard` finds.

    Attributes:
        table: one row per model and alignment benchmark, in `COLUMNS`.
        notes: what the reader has to know.
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
    """One row per model and alignment benchmark.

    Args:
        results: what was read.
        choice: alignment and downstream benchmarks, metric, and what may be mixed.
        all_languages: means over each model's own languages instead of over those that all models
            have.
        sort: column to sort by, highest first within each alignment benchmark; names upwards.

    Raises:
        NeuronXAError: settings differ, no language is common to all models, or no such column.
    """
    import pandas as pd

    if sort not in COLUMNS:
        raise NeuronXAError(
            f"no column {sort!r} to sort by; columns: {one_of(COLUMNS)}"
            + did_you_mean(sort, list(COLUMNS))
        )
    choice = replace(choice, scores=SCORES)
    selected = select(results, choice)
    selected.require_alignment(choice)
    joins, notes = join_accuracy(selected, choice)
    notes = [*selected.notes, *notes]
    rows = []
    for benchmark, corpus in selected.alignment.groupby("benchmark"):
        corpus, left_out = _complete(str(benchmark), corpus)
        notes += left_out
        if not all_languages:
            corpus, left_out = _common(str(benchmark), corpus)
            notes += left_out
        for model, scores in corpus.groupby("model"):
            own = [join for join in joins if (join.model, join.alignment) == (model, benchmark)]
            correlations, undefined = _correlations(own)
            notes += [f"{model}: {reason}" for reason in undefined]
            rows.append(
                {"model": model, "alignment": benchmark}
                | _means(scores)
                | correlations
                | _origin(scores)
            )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    counts = [name for name in COLUMNS if name.startswith("n_")]
    highest_first = pd.api.types.is_numeric_dtype(table[sort])
    table = table.astype(dict.fromkeys(counts, "Int64")).sort_values(
        ["alignment", sort, "model"], ascending=[True, not highest_first, True], ignore_index=True
    )
    return Leaderboard(table, tuple(notes))


def _complete(benchmark: str, corpus: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The rows of languages that have every score which their model has in any language."""
    scores = corpus.groupby("model")["metric"].transform("nunique")
    own = corpus.groupby(["model", "language"])["metric"].transform("nunique")
    kept = corpus[own == scores]
    if not (left_out := corpus.drop(kept.index)).empty:
        languages = left_out[["model", "language"]].drop_duplicates()
        each = languages.itertuples(index=False, name=None)
        return kept, [
            f"{benchmark}: means leave out {len(languages)} languages that lack one of their "
            f"model's scores: {one_of((f'{code} of {model}' for model, code in each), at_most=5)}"
        ]
    return kept, []


def _common(benchmark: str, corpus: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The rows of languages that all models have."""
    languages = corpus.groupby("model")["language"].agg(set)
    common = set.intersection(*languages)
    if not common:
        each = (
            f"{model} has {one_of(sorted(codes), at_most=4)}" for model, codes in languages.items()
        )
        raise NeuronXAError(
            f"{benchmark}: no language is common to all {len(languages)} models: "
            f"{one_of(each, at_most=3)}; score the same languages, or pass --all-languages"
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
    groups = {group: [group in _groups_of(code) for code in scores.index] for group in GROUPS}
    return {
        "n_languages": len(scores),
        **scores.mean(),
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
    undefined = []
    for score in MEANS if joins else ():
        try:
            coefficients = [coefficient(join.points(score), "pearson") for join in joins]
            row[f"pearson_{score}"] = fisher_mean(coefficients)
        except UndefinedCorrelation as reason:
            undefined.append(f"pearson_{score} is not defined: {reason}")
    return row, undefined


def _origin(rows: pd.DataFrame) -> dict[str, Any]:
    """What the scores were made with; of mixed ones all values, separated by '; '."""
    signatures = list(rows["signature"].unique())
    facts = [facts_of(line) for line in signatures]
    columns = {"model": "model_weights", "dtype": "dtype"}
    columns |= {program: f"{program}_version" for program in SOFTWARE}
    return {
        "pivot": _joined(to_flores(each["pivot"]) for each in facts),
        "settings": _joined(
            "|".join(f"{fact}:{value}" for fact, value in settings_of(line).items())
            for line in signatures
        ),
        **{
            column: _joined(each.get(fact, "") for each in facts)
            for fact, column in columns.items()
        },
        "date": rows["date"].max(),
    }


def _joined(values: Iterable[str]) -> str:
    return "; ".join(sorted(set(values)))


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """A leaderboard's main columns with its numbers as text."""
    import pandas as pd

    scores = (*SCORES, *(f"pearson_{score}" for score in MEANS))
    rows = [
        {"model": row["model"], "alignment": row["alignment"], "languages": str(row["n_languages"])}
        | {score.replace("_", " "): number(row[score]) for score in scores}
        | {"benchmarks": row["benchmarks"]}
        for row in records(table)
    ]
    made: pd.DataFrame = pd.DataFrame(rows)
    return made
