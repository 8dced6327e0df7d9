"""A matrix of languages as colour, ordered by the tree beside it."""

from __future__ import annotations

from typing import Any

from neuronxa_task.report.chart import PairMap
from neuronxa_task.report.draw.canvas import (
    AS_COLOURS,
    BELOW_AXIS,
    EDGE,
    LEGEND_ROW,
    QUIET,
    SMALL,
    TINY,
    Drawn,
    cells_of,
    colour_bar,
    paper,
    write,
)
from neuronxa_task.report.labels import drawable, shortened, text_width

TREE, OF_SIDE, GAP = 70.0, 0.11, 4.0
"""Width of the tree: a part of the map's side, and not less than a small map's."""

CELL, LARGEST_CELL, SMALL_MAP = 8.0, 22.0, 220.0
"""Size of a cell: as large as a small map allows, never less than a label's height."""

TICKS = 3
LEAF = 10
"""Distance of scipy's leaves."""


def draw_pair_map(chart: PairMap) -> Drawn:
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    count = len(chart.names)
    names = [shortened(drawable(name)) for name in chart.names]
    cell = min(LARGEST_CELL, max(CELL, SMALL_MAP / count))
    side, label = cell * count, max(text_width(name, TINY) for name in names) + GAP
    wide, below = max(TREE, OF_SIDE * side), BELOW_AXIS
    left = EDGE + wide + GAP + label
    width, height = left + side + 2 * EDGE, below + side + label + LEGEND_ROW + EDGE
    figure = paper(width, height)
    axes = figure.add_axes((left / width, below / height, side / width, side / height))
    cells = np.array(chart.values, np.float64)
    np.fill_diagonal(cells, np.nan)  # a language with itself says nothing
    axes.imshow(cells, vmin=0, vmax=chart.limit, clip_on=False, **AS_COLOURS)
    axes.set_axis_off()
    for number, name in enumerate(names):
        middle = cell * (number + 0.5)
        write(figure, left - GAP, below + side - middle, name, fontsize=TINY, ha="right")
        turned: dict[str, Any] = {"rotation": 90, "rotation_mode": "anchor"}
        write(figure, left + middle, below + side + GAP, name, fontsize=TINY, ha="left", **turned)
    tree = figure.add_axes((EDGE / width, below / height, wide / width, side / height))
    tree.patch.set_visible(False)
    xs, ys = branches(chart)
    tree.plot(xs, ys, color=QUIET, linewidth=0.8, clip_on=False)
    tree.set_xlim(max(x for x in xs if x == x), 0)
    tree.set_ylim(count, 0)
    tree.set_yticks([])
    tree.spines["left"].set_visible(False)
    tree.xaxis.set_major_locator(MaxNLocator(TICKS))
    tree.set_xlabel("1 − score", fontsize=SMALL)
    colour_bar(figure, chart.limit, chart.measure)
    told = {"data-pairs": "1", "data-layers": str(count), **cells_of(chart.names, cells.tolist())}
    return Drawn(figure, cells=told, natural=True)


def branches(chart: PairMap) -> tuple[list[float], list[float]]:
    """The tree as one path: distances, and rows from 0 at the top; NaN between branches."""
    from scipy.cluster.hierarchy import dendrogram

    drawn = dendrogram(chart.links, no_plot=True, no_labels=True)
    xs: list[float] = []
    ys: list[float] = []
    for distances, leaf_positions in zip(drawn["dcoord"], drawn["icoord"], strict=True):
        xs += [*map(float, distances), float("nan")]
        ys += [*(float(y) / LEAF for y in leaf_positions), float("nan")]
    return xs, ys
