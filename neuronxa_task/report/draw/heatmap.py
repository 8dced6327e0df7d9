"""Heatmaps: rows by layers as colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuronxa_task.report.chart import Axis, Heatmap
from neuronxa_task.report.draw.canvas import (
    COLOUR_MAP,
    DIGITS,
    EDGE,
    LEGEND_ROW,
    LONGEST_TITLE,
    ROW_HEIGHT,
    SMALL,
    TINY,
    WIDTH,
    Drawn,
    Frame,
    few_ticks,
    frame_of,
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
    frame = frame_of(left, height, top, x, (len(names) - 0.5, -0.5))
    axes = frame.axes
    extent = (x.low, x.high, len(names) - 0.5, -0.5)
    colours: dict[str, Any] = {"cmap": COLOUR_MAP, "aspect": "auto", "interpolation": "none"}
    axes.imshow(cells, vmin=0, vmax=chart.limit, extent=extent, clip_on=False, **colours)
    few_ticks(axes, whole=True, upright=False)
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    for number, (row, name) in enumerate(zip(chart.rows, names, strict=True)):
        y = frame.at(0, number)[1]
        if row.values:
            frame.write(left - 4, y, name, ha="right", fontsize=TINY)
        else:
            frame.write(EDGE, y, name, fontsize=TINY, fontweight="bold")
    _colour_bar(frame, chart, colours)
    told = {
        "data-first": str(first),
        "data-layers": str(layers),
        "data-names": "\t".join(row.name for row in chart.rows),
        "data-values": " ".join("".join(map(_digits, row.values)) for row in chart.rows),
    }
    return Drawn(frame.figure, cells=told)


def _colour_bar(frame: Frame, chart: Heatmap, colours: Mapping[str, Any]) -> None:
    import numpy as np

    high, text = f"{chart.limit:g}", shortened(drawable(chart.measure), LONGEST_TITLE)
    total = 72 * frame.figure.get_size_inches()[1]
    y = total - EDGE / 2 - LEGEND_ROW / 2
    width = 60.0
    right = WIDTH - 2 * EDGE - text_width(high, SMALL)
    box = ((right - width) / WIDTH, (y - 3) / total, width / WIDTH, 6 / total)
    bar = frame.figure.add_axes(box)
    bar.set_axis_off()
    bar.imshow(np.linspace(0, 1, 64)[None], clip_on=False, **colours)
    frame.write(right + 3, y, high, fontsize=SMALL)
    frame.write(right - width - 3, y, f"{text}:  0", ha="right", fontsize=SMALL)


def _digits(value: float) -> str:
    """A value from 0 to 1 in thousandths, as two digits to the base of 36; `--` for none.

    >>> _digits(0.83), _digits(1.0), _digits(float("nan"))
    ('n2', 'rs', '--')
    """
    if value != value:
        return "--"
    high, low = divmod(round(1000 * value), 36)
    return DIGITS[high] + DIGITS[low]
