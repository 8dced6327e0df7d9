"""A leaderboard as people read it: its main columns as text, and the best cells of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neuronxa_task.analysis.leaderboard import MEANS
from neuronxa_task.latex import best
from neuronxa_task.tables import number, records, without_empty

if TYPE_CHECKING:
    import pandas as pd


def leaderboard_text(table: pd.DataFrame) -> pd.DataFrame:
    """A leaderboard for people: each score with its standard error, then accuracy, then r."""
    import pandas as pd

    names = [name for name in table if _benchmark_of(str(name))]
    corpora = table["alignment"].nunique()
    rows = [
        {"model": row["model"]}
        | ({"alignment": row["alignment"]} if corpora > 1 else {})
        | {"n": str(row["n_languages"])}
        | {score.upper(): _with_error(row, score) for score in MEANS}
        | {_benchmark_of(str(name)): _with_error(row, str(name)) for name in names}
        | {f"r {score.upper()}": number(row[f"pearson_{score}"]) for score in MEANS}
        | {f"{score.upper()} max": number(row[f"{score}_max"]) for score in MEANS}
        for row in records(table)
    ]
    made: pd.DataFrame = pd.DataFrame(rows)
    return without_empty(made, [f"r {score.upper()}" for score in MEANS])


def best_cells(table: pd.DataFrame, shown: pd.DataFrame) -> set[tuple[int, int]]:
    """Row and column of each alignment benchmark's best numbers in `shown(table)`."""
    columns = [str(name) for name in shown if name not in ("model", "alignment", "n")]
    cells = set()
    for _, rows in table.groupby("alignment"):
        part = best(shown.loc[rows.index].reset_index(drop=True), columns)
        cells |= {(int(rows.index[row]), column) for row, column in part}
    return cells


def _benchmark_of(column: str) -> str:
    """The benchmark whose mean accuracy a column holds; empty for other columns."""
    ends = ("_stderr", "_languages", "_metric")
    is_mean = column.startswith("accuracy_") and not column.endswith(ends)
    return column.removeprefix("accuracy_") if is_mean else ""


def _with_error(row: Mapping[str, Any], name: str) -> str:
    error = number(row[f"{name}_stderr"])
    return number(row[name]) + (f" ± {error}" if error else "")
