"""`neuronxa retrieval`: how often a sentence's translation is its nearest neighbour.

Retrieval by neuron states, neuron values and hidden states, for languages with much data (head) and
with little (tail), to compare with the figures in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from neuronxa_task.analysis.published import PUBLISHED_RETRIEVAL, SOURCE
from neuronxa_task.analysis.selection import Selection, of_benchmarks
from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.languages.resource_levels import resource_level
from neuronxa_task.results import Results
from neuronxa_task.results.comparable import require_same_settings
from neuronxa_task.results.task_runs import Profile
from neuronxa_task.settings import SCORE_OF
from neuronxa_task.tables import number, records

if TYPE_CHECKING:
    import pandas as pd

GROUP_OF_LEVEL: Mapping[str, str] = {
    **dict.fromkeys(("5", "4", "3"), "head"),
    **dict.fromkeys(("2", "1", "0"), "tail"),
}
"""Classes of Joshi et al. 2020; languages without a class are in neither group."""

DIRECTIONS = ("from_pivot", "to_pivot")

COLUMNS: Mapping[str, str] = {
    "model": "name of the model",
    "alignment": "alignment benchmark",
    "languages": "head (classes 3 to 5 of Joshi et al. 2020), tail (0 to 2), or all of them",
    "n_languages": "number of these languages",
    **{
        f"{name}_{which}": f"fraction of sentences whose translation is the nearest neighbour by "
        f"{what}, mean of both directions, {over}, mean over the languages"
        for name, what in (
            ("nas", "neuron states"),
            ("nav", "neuron values"),
            ("emb", "hidden states"),
        )
        for which, over in (("mean", "mean over layers"), ("best", "at each language's best layer"))
    },
}
"""The columns of the table, and what they hold."""


@dataclass(frozen=True, eq=False)
class RetrievalTable:
    """The table of `neuronxa retrieval`.

    Attributes:
        table: one row per model, alignment benchmark and group of languages, in `COLUMNS`.
        notes: remarks for the reader.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]


def retrieval_table(results: Results, choice: Selection) -> RetrievalTable:
    """Retrieval of every model, for head, tail and all languages.

    Args:
        results: the results to use.
        choice: which alignment benchmarks, and whether settings may be mixed.

    Raises:
        NeuronXAError: settings differ, or no language has per-layer retrieval in both directions.
    """
    import pandas as pd

    alignment = of_benchmarks(results.alignment, choice.alignment)
    notes = require_same_settings(alignment, allow_mixed=choice.allow_mixed)
    keys = alignment[["model", "benchmark", "language"]].drop_duplicates()
    rows, without = [], []
    for (model, benchmark), members in keys.groupby(["model", "benchmark"]):
        retrieval = {}
        for code in members["language"]:
            profile = results.profiles.get((model, benchmark, code), {})
            if columns := retrieval_of(profile):
                retrieval[code] = columns
            else:
                without.append(f"{code} of {model}")
        rows += [
            {"model": model, "alignment": benchmark, "languages": group} | row
            for group, row in _by_group(retrieval)
        ]
    if not rows:
        raise NeuronXAError(
            "the result files have no per-layer retrieval from and to the pivot; score the models "
            "with lm_eval --tasks neuronxa_flores_core"
        )
    if without:
        notes = [*notes, f"left out, without values by layer: {one_of(without, at_most=5)}"]
    if unknown := sorted({code for code in keys["language"] if _group(code) is None}):
        notes = [*notes, f"in neither head nor tail (no known class): {one_of(unknown)}"]
    return RetrievalTable(pd.DataFrame(rows, columns=list(COLUMNS)), tuple(notes))


def retrieval_of(profile: Profile) -> dict[str, float]:
    """A language's columns of the table; empty if per-layer values are missing.

    Args:
        profile: a task's `layers`: `[layers]` fractions by name, NaN at layers without neurons.
    """
    columns: dict[str, float] = {}
    for name in SCORE_OF:
        directions = [profile.get(f"{name}_{direction}", []) for direction in DIRECTIONS]
        if not all(directions):
            return {}
        layers = [fmean(both) for both in zip(*directions, strict=True)]
        layers = [value for value in layers if not math.isnan(value)]
        columns |= {f"{name}_mean": fmean(layers), f"{name}_best": max(layers)}
    return columns


def _group(code: str) -> str | None:
    return GROUP_OF_LEVEL.get(resource_level(code))


def _by_group(
    retrieval: Mapping[str, Mapping[str, float]],
) -> Iterator[tuple[str, dict[str, float]]]:
    codes = {
        group: [code for code in retrieval if _group(code) == group] for group in ("head", "tail")
    }
    if len(retrieval) not in map(len, codes.values()):
        codes["all"] = list(retrieval)
    for group, of_group in codes.items():
        if members := [retrieval[code] for code in of_group]:
            means = {name: fmean(row[name] for row in members) for name in members[0]}
            yield group, {"n_languages": len(members), **means}


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table to print: shorter headings, and numbers as text."""
    import pandas as pd

    names = {"nas": "states", "nav": "values", "emb": "hidden states"}
    rows = [
        {
            "model": row["model"],
            "alignment": row["alignment"],
            "languages": f"{row['n_languages']} {row['languages']}"
            if row["languages"] != "all"
            else f"all {row['n_languages']}",
        }
        | {
            f"{name}, {which} layer" if which == "best" else name: number(row[f"{key}_{which}"])
            for which in ("mean", "best")
            for key, name in names.items()
        }
        for row in records(table)
    ]
    made: pd.DataFrame = pd.DataFrame(rows)
    return made


def published_lines() -> Sequence[str]:
    """The paper's figures, one line per corpus and group of languages."""
    return [
        f"{SOURCE} reports for {corpus}, {group}: states {figures['nas']:.4f}, "
        f"hidden states {figures['emb']:.4f}"
        for (corpus, group), figures in PUBLISHED_RETRIEVAL.items()
    ]
