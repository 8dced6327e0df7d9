"""Rows of marks with intervals: forest plots and dot plots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
    Tips,
    draw_legend,
    few_ticks,
    legend_height,
    mark_style,
    panel,
    write,
)
from neuronxa_task.report.labels import drawable, shortened, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
        _join(chart, axes)
    tips = {}
    for series, of_series in enumerate(chart.series):
        shift = (series - (len(chart.series) - 1) / 2) * MARK_STEP / step if chart.apart else 0.0
        estimates = [
            (number + shift, row.name, estimate)
            for number, row in enumerate(chart.rows)
            if (estimate := row.estimates[series]) is not None
        ]
        _intervals(axes, [(y, estimate) for y, _, estimate in estimates], PALETTE[series])
        xs, ys = [estimate.value for _, _, estimate in estimates], [y for y, _, _ in estimates]
        if not xs:
            continue
        gid = f"series-{series}"
        axes.plot(xs, ys, gid=gid, clip_on=False, zorder=3, **mark_style(series))
        values = [(_in_full(estimate),) for _, _, estimate in estimates]
        tips[gid] = Tips([row for _, row, _ in estimates], [of_series], values)
    return Drawn(figure, tips)


def _join(chart: Estimates, axes: Axes) -> None:
    """A thin line between the ends of each row."""
    nan = float("nan")
    points = []
    for number, row in enumerate(chart.rows):
        values = [estimate.value for estimate in row.estimates if estimate is not None]
        if values:
            points += [(min(values), number), (max(values), number), (nan, nan)]
    axes.plot(*zip(*points, strict=True), color=FAINT, linewidth=0.8, clip_on=False, zorder=1)


def _intervals(axes: Axes, rows: Sequence[tuple[float, Estimate]], colour: str) -> None:
    nan = float("nan")
    points = [
        point
        for y, estimate in rows
        if estimate.low is not None and estimate.high is not None
        for point in ((estimate.low, y), (estimate.high, y), (nan, nan))
    ]
    if points:
        axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.3, clip_on=False, zorder=2)


def _in_full(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
