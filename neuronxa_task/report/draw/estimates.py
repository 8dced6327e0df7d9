"""Rows of marks with intervals: forest plots and dot plots."""

from __future__ import annotations

from collections.abc import Iterator

from neuronxa_task.report.chart import Estimate, Estimates
from neuronxa_task.report.draw.canvas import (
    EDGE,
    FAINT,
    MARK_STEP,
    PALETTE,
    QUIET,
    ROW_HEIGHT,
    TINY,
    Drawn,
    Entry,
    Point,
    Tips,
    draw_legend,
    draw_segments,
    few_ticks,
    legend_height,
    mark_style,
    panel,
    write,
)
from neuronxa_task.report.labels import drawable, shortened, text_width


def draw_estimates(chart: Estimates) -> Drawn:
    names = [shortened(drawable(row.name)) for row in chart.rows]
    left = EDGE + 4 + max(text_width(name, TINY) for name in names)
    entries = [
        Entry(shortened(drawable(name)), mark_style(number))
        for number, name in enumerate(chart.series)
    ]
    step = MARK_STEP * len(chart.series) + 5 if chart.apart else ROW_HEIGHT
    count = len(chart.rows)
    top = legend_height(entries)
    figure, axes = panel(left, step * count, top, chart.x, (count - 0.5, -0.5))
    axes.grid(axis="x")
    few_ticks(axes, upright=False)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    draw_legend(figure, entries)
    if chart.x.low < 0 < chart.x.high:
        axes.axvline(0, color=QUIET, linewidth=0.8, zorder=1)
    for number, name in enumerate(names):
        _, y = axes.transData.transform((0, number))
        write(figure, left - 4, y, name, ha="right", fontsize=TINY)
    if not chart.apart:
        draw_segments(axes, _spans(chart), color=FAINT, linewidth=0.8, zorder=1)
    tips = {}
    for series, of_series in enumerate(chart.series):
        shift = (series - (len(chart.series) - 1) / 2) * MARK_STEP / step if chart.apart else 0.0
        estimates = [
            (number + shift, row.name, estimate)
            for number, row in enumerate(chart.rows)
            if (estimate := row.estimates[series]) is not None
        ]
        intervals = [
            [(end, y) for end in estimate.ends] for y, _, estimate in estimates if estimate.ends
        ]
        draw_segments(axes, intervals, color=PALETTE[series], linewidth=1.3, zorder=2)
        xs, ys = [estimate.value for _, _, estimate in estimates], [y for y, _, _ in estimates]
        if not xs:
            continue
        gid = f"series-{series}"
        axes.plot(xs, ys, gid=gid, clip_on=False, zorder=3, **mark_style(series))
        values = [(_in_full(estimate),) for _, _, estimate in estimates]
        tips[gid] = Tips([row for _, row, _ in estimates], [of_series], values)
    return Drawn(figure, tips)


def _spans(chart: Estimates) -> Iterator[tuple[Point, Point]]:
    """Both ends of each row."""
    for number, row in enumerate(chart.rows):
        if values := [estimate.value for estimate in row.estimates if estimate is not None]:
            yield (min(values), number), (max(values), number)


def _in_full(estimate: Estimate) -> str:
    interval = " [{:.3f}, {:.3f}]".format(*estimate.ends) if estimate.ends else ""
    return f"{estimate.value:.3f}{interval}"
