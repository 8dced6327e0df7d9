"""Heatmaps: rows by layers as colour."""

from __future__ import annotations

from neuronxa_task.report.chart import Axis, Heatmap
from neuronxa_task.report.draw.canvas import (
    AS_COLOURS,
    EDGE,
    LEGEND_ROW,
    ROW_HEIGHT,
    TINY,
    Drawn,
    cells_of,
    colour_bar,
    few_ticks,
    panel,
    write,
)
from neuronxa_task.report.labels import drawable, shortened, text_width


def draw_heatmap(chart: Heatmap) -> Drawn:
    import numpy as np

    layers = max(len(row.values) for row in chart.rows)
    cells = np.full((len(chart.rows), layers), np.nan)
    for number, row in enumerate(chart.rows):
        cells[number, : len(row.values)] = row.values
    names = [shortened(drawable(row.name)) for row in chart.rows]
    left = EDGE + 4 + max(text_width(name, TINY) for name in names)
    height, top = ROW_HEIGHT * len(names), LEGEND_ROW + EDGE
    first = chart.first_layer
    x = Axis(chart.x_title, first - 0.5, first + layers - 0.5)
    figure, axes = panel(left, height, top, x, (len(names) - 0.5, -0.5))
    extent = (x.low, x.high, len(names) - 0.5, -0.5)
    axes.imshow(cells, vmin=0, vmax=chart.limit, extent=extent, clip_on=False, **AS_COLOURS)
    few_ticks(axes, whole=True, upright=False)
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    for number, (row, name) in enumerate(zip(chart.rows, names, strict=True)):
        _, y = axes.transData.transform((0, number))
        if row.values:
            write(figure, left - 4, y, name, ha="right", fontsize=TINY)
        else:
            write(figure, EDGE, y, name, fontsize=TINY, fontweight="bold")
    colour_bar(figure, chart.limit, chart.measure)
    told = cells_of([row.name for row in chart.rows], [row.values for row in chart.rows])
    return Drawn(figure, cells={"data-first": str(first), "data-layers": str(layers), **told})
