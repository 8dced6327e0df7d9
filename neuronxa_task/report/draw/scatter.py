"""Scatters: languages as marks, with intervals, a curve and names where there is room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronxa_task.report.chart import Mark, Scatter
from neuronxa_task.report.draw.canvas import (
    BESIDE_AXIS,
    EDGE,
    LONGEST_TITLE,
    NAMED_MARKS,
    PANEL_HEIGHT,
    QUIET,
    RADIUS,
    TINY,
    WIDTH,
    Drawn,
    Entry,
    Tips,
    draw_legend,
    draw_segments,
    few_ticks,
    hollow_style,
    legend_height,
    mark_style,
    panel,
    write,
)
from neuronxa_task.report.labels import Box, drawable, place, shortened, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


CHANCE: dict[str, Any] = {"color": QUIET, "linewidth": 0.8, "linestyle": (0, (1.5, 2))}


def draw_scatter(chart: Scatter) -> Drawn:
    looks = sorted({(mark.group, mark.hollow) for mark in chart.marks})
    entries = [
        Entry(chart.groups[group], mark_style(group))
        for group in sorted({group for group, _ in looks})
    ]
    if any(hollow for _, hollow in looks):
        entries.append(Entry("not above chance", hollow_style(0) | {"markeredgecolor": QUIET}))
    if chart.chance is not None:
        entries.append(Entry("chance", CHANCE))
    entries += map(Entry, chart.notes)
    height = WIDTH - BESIDE_AXIS - 2 * EDGE if chart.diagonal else PANEL_HEIGHT
    y_range = (chart.y.low, chart.y.high)
    figure, axes = panel(BESIDE_AXIS, height, legend_height(entries), chart.x, y_range)
    axes.set_ylabel(shortened(drawable(chart.y.title), LONGEST_TITLE))
    few_ticks(axes)
    draw_legend(figure, entries)
    if chart.chance is not None:
        axes.axhline(chart.chance, zorder=1, **CHANCE)
    line = _through(chart, axes)
    bars = [*_error_bars(chart.marks, axes), *_typical(chart, figure, axes)]
    tips = {}
    for group, hollow in looks:
        marks = [mark for mark in chart.marks if (mark.group, mark.hollow) == (group, hollow)]
        gid = f"marks-{group}-hollow" if hollow else f"marks-{group}"
        axes.plot(
            [mark.x for mark in marks],
            [mark.y for mark in marks],
            gid=gid,
            clip_on=False,
            zorder=3,
            **(hollow_style(group) if hollow else mark_style(group)),
        )
        tips[gid] = Tips(
            [mark.name for mark in marks],
            [chart.x.title, chart.y.title],
            [(f"{mark.x:.3f}", f"{mark.y:.3f}") for mark in marks],
        )
    _name_marks(chart.marks, figure, axes, [*line, *bars])
    return Drawn(figure, tips)


def _through(chart: Scatter, axes: Axes) -> list[Box]:
    """The trend or the diagonal; boxes along it, which no label is to cover."""
    if chart.diagonal:
        xs = np.linspace(chart.x.low, chart.x.high, 60)
        axes.plot(xs[[0, -1]], xs[[0, -1]], color=QUIET, linewidth=1, linestyle="--")
        ys = xs
    elif chart.trend is not None:
        trend = chart.trend
        low, high = axes.get_ylim()
        xs = np.linspace(trend.x[0], trend.x[-1], 60)
        ys = np.interp(xs, trend.x, trend.y)
        axes.fill(
            [*trend.x, *reversed(trend.x)],
            [*np.clip(trend.low, low, high), *np.clip(trend.high, low, high)[::-1]],
            facecolor=(QUIET, 0.12),
            linewidth=0,
            clip_on=False,
            zorder=0,
        )
        axes.plot(trend.x, trend.y, color=QUIET, linewidth=1.2, zorder=2)
    else:
        return []
    points = axes.transData.transform(np.column_stack([xs, ys]))
    return [(x - 2, y - 2, x + 2, y + 2) for x, y in points]


def _error_bars(marks: Sequence[Mark], axes: Axes) -> Iterator[Box]:
    """Intervals as one thin path; boxes around them."""
    (x_low, x_high), (y_low, y_high) = axes.get_xlim(), axes.get_ylim()
    bars = []
    for mark in marks:
        if mark.x_ends:
            low, high = max(mark.x_ends[0], x_low), min(mark.x_ends[1], x_high)
            bars.append(((low, mark.y), (high, mark.y)))
        if mark.y_ends:
            low, high = max(mark.y_ends[0], y_low), min(mark.y_ends[1], y_high)
            bars.append(((mark.x, low), (mark.x, high)))
    draw_segments(axes, bars, color=(QUIET, 0.5), linewidth=0.7, zorder=1)
    for ends in bars:
        (left, bottom), (right, top) = axes.transData.transform(ends)
        yield left - 0.5, bottom - 0.5, right + 0.5, top + 0.5


def _typical(chart: Scatter, figure: Figure, axes: Axes) -> Iterator[Box]:
    """A cross after its name, low at the right and clear of chance, and the box around both."""
    if chart.typical is None:
        return
    name = "typical 95 % interval"
    width, height = text_width(name, TINY), TINY + 1
    sides = axes.transData.transform(chart.typical) - axes.transData.transform((0, 0))
    across, up = np.minimum(2 * sides, np.divide(axes.bbox.size, 3))
    right, room = axes.bbox.x1, max(up, height)
    low = axes.bbox.y0 + 3
    if chart.chance is not None:
        _, line = axes.transData.transform((0, chart.chance))
        low = line + 3 if low - 3 <= line <= low + room + 3 else low
    x, y = right - across / 2, low + room / 2
    cross = (
        [x - across / 2, x + across / 2, float("nan"), x, x],
        [y, y, float("nan"), y - up / 2, y + up / 2],
    )
    points = axes.transData.inverted().transform(np.transpose(cross))
    axes.plot(*points.T, color=QUIET, linewidth=0.8, zorder=2)
    write(figure, right - across - 4, y, name, ha="right", fontsize=TINY, color=QUIET)
    yield right - across - 4 - width, low, right, low + room


def _name_marks(
    marks: Sequence[Mark], figure: Figure, axes: Axes, obstacles: Sequence[Box]
) -> None:
    names = [shortened(drawable(mark.name)) for mark in marks]
    spots = place(
        axes.transData.transform([(mark.x, mark.y) for mark in marks]),
        [text_width(name, TINY) for name in names],
        TINY + 1,
        axes.bbox.extents,
        RADIUS,
        NAMED_MARKS,
        obstacles,
    )
    for name, spot in zip(names, spots, strict=True):
        if spot is not None:
            write(figure, spot.x, spot.y, name, ha=spot.side, fontsize=TINY)
