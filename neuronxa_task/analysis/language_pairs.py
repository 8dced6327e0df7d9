"""Alignment of every pair of languages, from result files made with `pairs: true`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.languages import to_flores
from neuronxa_task.results.files import ResultFile, printable, read_files
from neuronxa_task.results.model_names import model_name

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("model", "alignment", "score", "first", "second", "value")


@dataclass(frozen=True)
class PairMatrix:
    """Scores of every pair of languages in one model.

    Attributes:
        model: its name.
        alignment: the group of tasks.
        score: `nasca`, `navca` or `mexa`.
        values: symmetric, languages by languages, their order by similarity; 1 on the diagonal.
        links: the tree of languages, as `scipy.cluster.hierarchy` writes it; of average linkage, at
            the distance 1 - score.
    """

    model: str
    alignment: str
    score: str
    values: pd.DataFrame
    links: Any


def read_pairs(paths: Sequence[Path], scores: Sequence[str]) -> tuple[list[PairMatrix], list[str]]:
    """The matrices of every model and group, and notes on what was left out.

    Args:
        paths: result files and folders.
        scores: the scores that are wanted.

    Raises:
        NeuronXAError: no result file holds pairs.
    """
    files, notes = read_files(paths)
    cells: dict[tuple[str, str, str], dict[tuple[str, str], float]] = {}
    for file in files:  # oldest first, so that the newest run counts
        for task in file.part("results"):
            metadata = file.metadata(task)
            target, pairs = metadata.get("target"), metadata.get("pairs")
            if not isinstance(target, str) or not isinstance(pairs, Mapping):
                continue
            group = _group(file, task, target)
            for score in scores:
                values = pairs.get(score)
                if isinstance(values, Mapping):
                    of_model = cells.setdefault((model_name(file), group, score), {})
                    of_model |= _cells(target, values)
    if not cells:
        raise NeuronXAError(
            f"no result file holds pairs of languages for {one_of(scores)}; score a model with "
            "lm_eval --tasks neuronxa_flores_core --metadata '{\"pairs\": true}'"
        )
    return [_matrix(*key, values) for key, values in sorted(cells.items())], notes


def _group(file: ResultFile, task: str, target: str) -> str:
    groups = file.part("group_subtasks").items()
    named = [name for name, tasks in groups if isinstance(tasks, list) and task in tasks]
    return printable(named[0] if named else task.removesuffix(f"_{target}"))


def _cells(target: str, values: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    first = printable(to_flores(target))
    return {
        (first, printable(to_flores(other))): float(value)
        for other, value in values.items()
        if isinstance(value, (int, float)) and 0 <= value <= 1
    }


def _matrix(
    model: str, alignment: str, score: str, cells: Mapping[tuple[str, str], float]
) -> PairMatrix:
    import numpy as np
    import pandas as pd
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    names = sorted({name for pair in cells for name in pair})
    values = pd.DataFrame(np.eye(len(names)), index=names, columns=names)
    for (first, second), value in cells.items():
        values.loc[first, second] = values.loc[second, first] = value
    distances = squareform(1 - values.to_numpy(), checks=False)
    links = linkage(distances, "average", optimal_ordering=True)
    order = [names[leaf] for leaf in leaves_list(links)]
    return PairMatrix(model, alignment, score, values.loc[order, order], links)


def pair_table(matrices: Sequence[PairMatrix]) -> pd.DataFrame:
    """One row per model, score and pair of languages, in `COLUMNS`; best pairs first."""
    import pandas as pd

    rows = [
        (matrix.model, matrix.alignment, matrix.score, first, second, value)
        for matrix in matrices
        for row, first in enumerate(matrix.values.index)
        for second, value in list(matrix.values.iloc[row].items())[row + 1 :]
    ]
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values(
        ["model", "alignment", "score", "value"],
        ascending=[True, True, True, False],
        ignore_index=True,
    )
    return table


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


def draw(matrix: PairMatrix, folder: Path, stem: str) -> list[Path]:
    """Draw the tree of languages beside the matrix, as SVG and PNG.

    Args:
        matrix: the matrix.
        folder: where the files go.
        stem: their name.
    """
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from scipy.cluster.hierarchy import dendrogram

    size = len(matrix.values)
    # A name needs a tenth of an inch; few languages still make a picture of five.
    side = max(5.0, 0.115 * size)
    text = min(9.0, 72 * side / size * 0.85)
    figure = Figure(figsize=(side * 1.45 + 1.2, side + 1.2), layout="constrained")
    tree, heat = figure.subplots(1, 2, width_ratios=(0.4, 1))
    dendrogram(
        matrix.links,
        orientation="left",
        ax=tree,
        no_labels=True,
        color_threshold=0,
        above_threshold_color="0.3",
    )
    tree.set_xlabel("1 − score")
    tree.spines[["top", "right", "left"]].set_visible(False)
    # The tree's first leaf is at the bottom.
    values = matrix.values.iloc[::-1]
    # A language with itself says nothing, and would leave little contrast for the others.
    others = matrix.values.to_numpy(copy=True)
    np.fill_diagonal(others, np.nan)
    colours = colormaps["viridis"].with_extremes(bad="0.85")
    image = heat.imshow(others[::-1], vmin=0, vmax=np.nanmax(others), cmap=colours, aspect="auto")
    heat.set_yticks(range(size), values.index, fontsize=text)
    heat.set_xticks(range(size), values.columns, fontsize=text, rotation=90)
    heat.tick_params(length=0)
    figure.colorbar(image, ax=heat, label=matrix.score.upper(), shrink=min(1.0, 5 / side + 0.3))
    figure.suptitle(f"{matrix.model}: {matrix.score.upper()} of every pair of languages")
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{stem}.{kind}" for kind in ("svg", "png")]
    for path in paths:
        figure.savefig(path, dpi=150 if math.prod(figure.get_size_inches()) < 400 else 100)
    return paths
