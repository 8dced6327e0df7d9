"""Lines over layers, and bands behind them."""

from __future__ import annotations

from typing import Any

from neuronxa_task.report.chart import Line, Lines
from neuronxa_task.report.draw.canvas import (
    BESIDE_AXIS,
    FAINT,
    INK,
    LONGEST_TITLE,
    PALETTE,
    PANEL_HEIGHT,
    Drawn,
    Entry,
    Tips,
    draw_legend,
    few_ticks,
    legend_height,
    panel,
)
from neuronxa_task.report.labels import drawable, shortened


def draw_lines(chart: Lines) -> Drawn:
    entries = _line_entries(chart)
    y_range = (chart.y.low, chart.y.high)
    figure, axes = panel(BESIDE_AXIS, PANEL_HEIGHT, legend_height(entries), chart.x, y_range)
    axes.set_ylabel(shortened(drawable(chart.y.title), LONGEST_TITLE))
    axes.grid(axis="y")
    few_ticks(axes, whole=True)
    draw_legend(figure, entries)
    for place_of, band in enumerate(chart.bands):
        xs, lows, highs = zip(*band.points, strict=True)
        axes.fill(
            [*xs, *reversed(xs)],
            [*lows, *reversed(highs)],
            facecolor=_band_colour(place_of),
            linewidth=0,
            clip_on=False,
            zorder=1,
        )
    tips = {}
    for number, line in enumerate(chart.lines):
        gid = f"line-{number}"
        axes.plot(*zip(*line.points, strict=True), gid=gid, clip_on=False, **_line_style(line))
        tips[gid] = Tips([line.name])
    return Drawn(figure, tips)


def _band_colour(band: int) -> tuple[str, float]:
    return FAINT, (0.3, 0.5)[band % 2]


def _line_style(line: Line) -> dict[str, Any]:
    if line.bold:
        return {"color": INK, "linewidth": 2.4, "zorder": 4}
    if line.colour is None:
        return {"color": (FAINT, 0.7), "linewidth": 0.6, "zorder": 2}
    return {"color": PALETTE[line.colour], "linewidth": 1.4, "zorder": 3}


def _line_entries(chart: Lines) -> list[Entry]:
    """Bold and coloured lines, those that reach highest first, and the bands."""
    named = [line for line in chart.lines if line.bold or line.colour is not None]
    named.sort(key=lambda line: (not line.bold, -max(y for _, y in line.points)))
    entries = [Entry(shortened(drawable(line.name)), _line_style(line)) for line in named]
    for number, band in enumerate(chart.bands):
        symbol = {"color": _band_colour(number), "linewidth": 6, "solid_capstyle": "butt"}
        entries.append(Entry(band.name, symbol))
    return entries
