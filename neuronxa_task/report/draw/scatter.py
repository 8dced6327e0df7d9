"""Scatters: languages as marks, with intervals, a line and names where there is room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from neuronxa_task.report.chart import Mark, Scatter
from neuronxa_task.report.draw.canvas import (
    BESIDE_AXIS,
    EDGE,
    FAINT,
    LONGEST_TITLE,
    NAMED_MARKS,
    PANEL_HEIGHT,
    QUIET,
    RADIUS,
    TINY,
    WIDTH,
    Drawn,
    Entry,
    Frame,
    Tips,
    chance_entry,
    draw_chance,
    draw_legend,
    few_ticks,
    frame_of,
    legend_height,
    mark_style,
    rgb,
)
from neuronxa_task.report.labels import drawable, place, shortened, text_width


def draw_scatter(chart: Scatter) -> Drawn:
    present = sorted({mark.group for mark in chart.marks})
    entries = [Entry(chart.groups[group], mark_style(group)) for group in present]
    entries += chance_entry(chart.x, chart.y)
    if chart.note:
        entries.append(Entry(chart.note))
    height = WIDTH - BESIDE_AXIS - 2 * EDGE if chart.diagonal else PANEL_HEIGHT
    y_range = (chart.y.low, chart.y.high)
    frame = frame_of(BESIDE_AXIS, height, legend_height(entries), chart.x, y_range)
    axes = frame.axes
    axes.set_ylabel(shortened(drawable(chart.y.title), LONGEST_TITLE))
    few_ticks(axes)
    draw_legend(frame, entries)
    draw_chance(frame, chart.x, upright=True)
    draw_chance(frame, chart.y, upright=False)
    line = _through(chart, frame)
    bars = _error_bars(chart.marks, frame)
    tips = {}
    for group in present:
        marks = [mark for mark in chart.marks if mark.group == group]
        axes.plot(
            [mark.x for mark in marks],
            [mark.y for mark in marks],
            gid=f"marks-{group}",
            clip_on=False,
            zorder=3,
            **mark_style(group),
        )
        tips[f"marks-{group}"] = Tips(
            [mark.name for mark in marks],
            [chart.x.title, chart.y.title],
            [(f"{mark.x:.3f}", f"{mark.y:.3f}") for mark in marks],
        )
    _name_marks(chart.marks, frame, [*line, *bars])
    return Drawn(frame.figure, tips)


def _through(chart: Scatter, frame: Frame) -> list[tuple[float, float, float, float]]:
    """The trend or the diagonal; boxes along it, which no label is to cover."""
    import numpy as np

    if chart.diagonal:
        xs = np.linspace(chart.x.low, chart.x.high, 60)
        frame.axes.plot(xs[[0, -1]], xs[[0, -1]], color=QUIET, linewidth=1, linestyle="--")
        ys = xs
    elif chart.trend is not None:
        trend = chart.trend
        low, high = frame.axes.get_ylim()
        xs = np.linspace(trend.x[0], trend.x[-1], 60)
        ys = np.interp(xs, trend.x, trend.y)
        if trend.low:
            frame.axes.fill(
                [*trend.x, *reversed(trend.x)],
                [*np.clip(trend.low, low, high), *np.clip(trend.high, low, high)[::-1]],
                facecolor=(*rgb(QUIET), 0.16),
                linewidth=0,
                clip_on=False,
                zorder=0,
            )
        ends = ((trend.x[0], trend.x[-1]), (trend.y[0], trend.y[-1]))
        frame.axes.plot(*ends, color=QUIET, linewidth=1.2, zorder=2)
    else:
        return []
    points = (frame.at(float(x), float(y)) for x, y in zip(xs, ys, strict=True))
    return [(x - 2, y - 2, x + 2, y + 2) for x, y in points]


def _error_bars(marks: Sequence[Mark], frame: Frame) -> Iterator[tuple[float, float, float, float]]:
    """Intervals as one thin path; boxes around them."""
    nan = float("nan")
    (x_low, x_high), (y_low, y_high) = frame.axes.get_xlim(), frame.axes.get_ylim()
    bars = []
    for mark in marks:
        if mark.x_error:
            ends = (max(mark.x - mark.x_error, x_low), min(mark.x + mark.x_error, x_high))
            bars.append(((ends[0], mark.y), (ends[1], mark.y)))
        if mark.y_error:
            ends = (max(mark.y - mark.y_error, y_low), min(mark.y + mark.y_error, y_high))
            bars.append(((mark.x, ends[0]), (mark.x, ends[1])))
    if bars:
        points = [point for first, last in bars for point in (first, last, (nan, nan))]
        colour = (*rgb(FAINT), 0.8)
        frame.axes.plot(
            *zip(*points, strict=True), color=colour, linewidth=0.6, clip_on=False, zorder=1
        )
    for first, last in bars:
        (left, low), (right, high) = frame.at(*first), frame.at(*last)
        yield left - 0.5, low - 0.5, right + 0.5, high + 0.5


def _name_marks(
    marks: Sequence[Mark],
    frame: Frame,
    obstacles: Sequence[tuple[float, float, float, float]],
) -> None:
    names = [shortened(drawable(mark.name)) for mark in marks]
    spots = place(
        [frame.at(mark.x, mark.y) for mark in marks],
        [text_width(name, TINY) for name in names],
        TINY + 1,
        frame.edges,
        RADIUS,
        NAMED_MARKS,
        obstacles,
    )
    for name, spot in zip(names, spots, strict=True):
        if spot is not None:
            frame.write(spot.x, spot.y, name, ha=spot.side, fontsize=TINY)
