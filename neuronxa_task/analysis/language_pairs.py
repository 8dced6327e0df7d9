"""Alignment of every pair of languages, from result files made with `pairs: true`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neuronxa_task.errors import one_of
from neuronxa_task.languages import to_flores
from neuronxa_task.results import Results
from neuronxa_task.results.files import printable

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("model", "alignment", "score", "first", "second", "value")
FEWEST = 3
"""Fewest languages for which there is an order to show."""

Cells = dict[tuple[str, str], float]


@dataclass(frozen=True)
class PairMatrix:
    """Scores of every pair of languages in one model.

    Attributes:
        model: its name.
        alignment: the group of tasks.
        score: `nasca`, `navca` or `mexa`.
        values: symmetric, languages by languages, ordered by similarity; 1 on the diagonal.
        links: the tree of languages, as `scipy.cluster.hierarchy` writes it; of average linkage, at
            the distance 1 - score.
    """

    model: str
    alignment: str
    score: str
    values: pd.DataFrame
    links: Any


def pair_matrices(results: Results, scores: Sequence[str]) -> tuple[list[PairMatrix], list[str]]:
    """The matrices of every model and parallel text that has pairs of three or more languages.

    Args:
        results: the results to use.
        scores: the scores that are wanted.

    Returns:
        The matrices, and notes on languages that were left out.
    """
    cells: dict[tuple[str, str, str], Cells] = {}
    for (model, text, language), recorded in results.recorded.items():
        if not isinstance(pairs := recorded.get("pairs"), Mapping):
            continue
        for score in scores:
            values = pairs.get(score)
            if isinstance(values, Mapping):
                of_model = cells.setdefault((model, text, score), {})
                of_model |= _cells(language, values)
    matrices, notes = [], []
    for key, of_model in sorted(cells.items()):
        languages, incomplete = _with_every_pair(of_model)
        if incomplete:
            notes.append(
                f"{key[1]} of {key[0]}: {len(incomplete)} languages left out, without a score for "
                f"every pair: {one_of(incomplete, at_most=5)}"
            )
        if len(languages) >= FEWEST:
            matrices.append(_matrix(*key, languages, of_model))
    return matrices, list(dict.fromkeys(notes))


def _cells(language: str, values: Mapping[Any, Any]) -> Cells:
    return {
        (language, printable(to_flores(str(other)))): float(value)
        for other, value in values.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
    }


def _with_every_pair(cells: Cells) -> tuple[list[str], list[str]]:
    """The largest set of languages found in which every pair has a score, and the others.

    The language that lacks the most scores is left out first.
    """
    known = {frozenset(pair) for pair in cells}
    names = sorted({name for pair in cells for name in pair})
    incomplete: list[str] = []
    while True:
        missing = {
            name: sum(frozenset((name, other)) not in known for other in names if other != name)
            for name in names
        }
        worst = max(names, key=lambda name: missing[name], default=None)
        if worst is None or not missing[worst]:
            return names, incomplete
        names.remove(worst)
        incomplete.append(worst)


def _matrix(
    model: str, alignment: str, score: str, names: Sequence[str], cells: Cells
) -> PairMatrix:
    import numpy as np
    import pandas as pd
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    row = {name: number for number, name in enumerate(names)}
    values = np.eye(len(names))
    for (first, second), value in cells.items():
        if first in row and second in row:
            values[row[first], row[second]] = values[row[second], row[first]] = value
    links = linkage(squareform(1 - values, checks=False), "average", optimal_ordering=True)
    order = leaves_list(links)
    ordered = [names[leaf] for leaf in order]
    table = pd.DataFrame(values[np.ix_(order, order)], index=ordered, columns=ordered)
    return PairMatrix(model, alignment, score, table, links)


def pair_table(matrices: Sequence[PairMatrix]) -> pd.DataFrame:
    """One row per model, score and pair of languages, in `COLUMNS`; best pairs first."""
    import pandas as pd

    rows = [
        (matrix.model, matrix.alignment, matrix.score, *pair)
        for matrix in matrices
        for pair in _pairs(matrix)
    ]
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values(
        ["model", "alignment", "score", "value"],
        ascending=[True, True, True, False],
        ignore_index=True,
    )
    return table


def _pairs(matrix: PairMatrix) -> Iterator[tuple[str, str, float]]:
    names, values = list(matrix.values.index), matrix.values.to_numpy()
    for row, first in enumerate(names):
        for column in range(row + 1, len(names)):
            yield first, names[column], float(values[row, column])


def summary(matrix: PairMatrix, shown: int = 3) -> str:
    """The best and the worst pairs of a matrix, in a few lines."""
    table = pair_table([matrix])
    ends = [("best", table.head(shown)), ("worst", table.tail(shown)[::-1])]
    lines = [
        f"{matrix.model}, {matrix.alignment}, {matrix.score.upper()}: {len(matrix.values)} "
        f"languages, mean over pairs {table['value'].mean():.3f}"
    ]
    lines += [
        f"  {name:<6}"
        + ", ".join(f"{r.first}–{r.second} {r.value:.3f}" for r in rows.itertuples(index=False))
        for name, rows in ends
    ]
    return "\n".join(lines)
