"""The drawing of a chart with matplotlib. All lengths are points (1/72 inch)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from neuronxa_task.report.chart import (
    Axis,
    Drawing,
    Estimate,
    Estimates,
    Heatmap,
    Lines,
    Mark,
    Scatter,
)
from neuronxa_task.report.labels import FONT, drawable, place, shortened, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = ("#0072b2", "#c44e00", "#007f5c", "#a9487f", "#946200", "#4a55a8", "#6b6b00", "#5c4a3d")
INK, QUIET, FAINT, RULE, PAPER = "#1a1e24", "#565e6a", "#b4bcc8", "#d9dde3", "#ffffff"
SHAPES = ("o", "s", "^", "D", "v", "P", "X", "p")
COLOUR_MAP = "viridis"
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

WIDTH = 320.0
EDGE = 6.0
BESIDE_AXIS, BELOW_AXIS = 38.0, 31.0
PANEL_HEIGHT = 200.0
LEGEND_ROW = 12.0
FONT_SIZE, SMALL, TINY = 8.5, 7.5, 7.0
ROW_HEIGHT, MARK_STEP = 10.0, 8.0
RADIUS = 2.8
NAMED_MARKS = 30
LONGEST_TITLE = 50

STYLE: Mapping[str, Any] = {
    "font.family": [FONT],
    "font.size": FONT_SIZE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.labelpad": 3,
    "lines.solid_capstyle": "butt",
    "lines.solid_joinstyle": "round",
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "neuronxa",
    "pdf.fonttype": 42,
}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings, for `draw` and for saving what it drew."""
    import matplotlib as mpl

    with mpl.rc_context(dict(STYLE)):
        yield


@dataclass(frozen=True)
class Tips:
    """What pointing at the elements of an artist tells.

    Attributes:
        names: of each element's language, line or row.
        of: what its values are of.
        values: of each element, one for each of `of`.
    """

    names: Sequence[str]
    of: Sequence[str] = ()
    values: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class Drawn:
    """A figure, and what the page adds to it.

    Attributes:
        figure: the figure.
        tips: by the gid of an artist, what pointing at its elements tells.
        cells: attributes of the first image, if there is one.
    """

    figure: Figure
    tips: dict[str, Tips] = field(default_factory=dict)
    cells: dict[str, str] = field(default_factory=dict)


def draw(drawing: Drawing) -> Drawn:
    """Draw anything of `neuronxa_task.report.chart`, inside `style()`."""
    if isinstance(drawing, Scatter):
        return _scatter(drawing)
    if isinstance(drawing, Lines):
        return _lines(drawing)
    if isinstance(drawing, Heatmap):
        return _heatmap(drawing)
    return _estimates(drawing)


@dataclass(frozen=True)
class _Frame:
    """A figure with one panel: where the panel's left, lower corner is, and its size."""

    figure: Figure
    axes: Axes
    left: float
    low: float
    width: float
    height: float

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Left, low, right and high edge of the panel."""
        return self.left, self.low, self.left + self.width, self.low + self.height

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where in the figure a value of the axes is."""
        (x_low, x_high), (y_low, y_high) = self.axes.get_xlim(), self.axes.get_ylim()
        return (
            self.left + self.width * (x - x_low) / (x_high - x_low),
            self.low + self.height * (y - y_low) / (y_high - y_low),
        )

    def write(self, x: float, y: float, text: str, **options: Any) -> None:
        """Text at a place of the figure."""
        width, height = (72 * inches for inches in self.figure.get_size_inches())
        self.figure.text(x / width, y / height, text, va="center_baseline", **options)


def _frame(left: float, height: float, top: float, x: Axis, y: tuple[float, float]) -> _Frame:
    """A panel of a height, with room at its left and above it.

    The panel ends at the same distance from the right edge in every chart.
    """
    from matplotlib.figure import Figure

    total = top + height + BELOW_AXIS
    width = WIDTH - left - 2 * EDGE
    figure = Figure(figsize=(WIDTH / 72, total / 72))
    figure.patch.set_gid("paper")
    box = (left / WIDTH, BELOW_AXIS / total, width / WIDTH, height / total)
    axes = figure.add_axes(box)
    axes.patch.set_visible(False)
    axes.set_xlim(x.low, x.high)
    axes.set_ylim(*y)
    axes.set_xlabel(shortened(drawable(x.title), LONGEST_TITLE))
    return _Frame(figure, axes, left, BELOW_AXIS, width, height)


@dataclass(frozen=True)
class _Entry:
    """A part of a legend: a text, after a symbol if there is one."""

    text: str
    symbol: Mapping[str, Any] | None = None


def _legend_rows(entries: Sequence[_Entry]) -> list[list[tuple[float, _Entry]]]:
    """Entries side by side, each with its place, in as many rows as they take."""
    rows: list[list[tuple[float, _Entry]]] = [[]]
    x = EDGE
    for entry in entries:
        width = text_width(entry.text, SMALL) + (16 if entry.symbol else 0)
        if rows[-1] and x + width > WIDTH - EDGE:
            rows.append([])
            x = EDGE
        rows[-1].append((x, entry))
        x += width + 10
    return rows if rows[0] else []


def _legend_height(entries: Sequence[_Entry]) -> float:
    return LEGEND_ROW * len(_legend_rows(entries)) + EDGE


def _draw_legend(frame: _Frame, entries: Sequence[_Entry]) -> None:
    from matplotlib.lines import Line2D

    width, height = (72 * inches for inches in frame.figure.get_size_inches())
    for number, row in enumerate(_legend_rows(entries)):
        y = height - EDGE / 2 - LEGEND_ROW * (number + 0.5)
        for x, entry in row:
            if entry.symbol is not None:
                ends = [x + 1, x + 11] if entry.symbol.get("linestyle") != "none" else [x + 7]
                line = Line2D(
                    [end / width for end in ends], [y / height] * len(ends), **entry.symbol
                )
                frame.figure.add_artist(line)
            frame.write(x + (16 if entry.symbol else 0), y, entry.text, fontsize=SMALL)


def _mark(group: int, **others: Any) -> dict[str, Any]:
    """Colour and shape of a group's marks."""
    return {
        "linestyle": "none",
        "marker": SHAPES[group],
        "markersize": 2 * RADIUS - (group == 1) * 0.6,
        "markerfacecolor": PALETTE[group],
        "markeredgecolor": PAPER,
        "markeredgewidth": 0.4,
        **others,
    }


def _few_ticks(axes: Axes, *, whole: bool = False, upright: bool = True) -> None:
    from matplotlib.ticker import MaxNLocator

    steps = [1, 2, 2.5, 5, 10]
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=steps, integer=whole))
    if upright:
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=steps))


def _chance(frame: _Frame, axis: Axis, *, upright: bool) -> None:
    """A dashed line where guessing is."""
    if axis.chance is None or not axis.low <= axis.chance <= axis.high:
        return
    line = frame.axes.axvline if upright else frame.axes.axhline
    line(axis.chance, color=QUIET, linewidth=0.8, linestyle=(0, (1.5, 2)), zorder=1)


def _chance_entry(*axes: Axis) -> list[_Entry]:
    if all(axis.chance is None for axis in axes):
        return []
    symbol = {"color": QUIET, "linewidth": 0.8, "linestyle": (0, (1.5, 2))}
    return [_Entry("chance", symbol)]


def _scatter(chart: Scatter) -> Drawn:
    present = sorted({mark.group for mark in chart.marks})
    entries = [_Entry(chart.groups[group], _mark(group)) for group in present]
    entries += _chance_entry(chart.x, chart.y)
    if chart.note:
        entries.append(_Entry(chart.note))
    height = WIDTH - BESIDE_AXIS - 2 * EDGE if chart.diagonal else PANEL_HEIGHT
    y_range = (chart.y.low, chart.y.high)
    frame = _frame(BESIDE_AXIS, height, _legend_height(entries), chart.x, y_range)
    axes = frame.axes
    axes.set_ylabel(shortened(drawable(chart.y.title), LONGEST_TITLE))
    _few_ticks(axes)
    _draw_legend(frame, entries)
    _chance(frame, chart.x, upright=True)
    _chance(frame, chart.y, upright=False)
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
            **_mark(group),
        )
        tips[f"marks-{group}"] = Tips(
            [mark.name for mark in marks],
            [chart.x.title, chart.y.title],
            [(f"{mark.x:.3f}", f"{mark.y:.3f}") for mark in marks],
        )
    _name_marks(chart.marks, frame, [*line, *bars])
    return Drawn(frame.figure, tips)


def _through(chart: Scatter, frame: _Frame) -> list[tuple[float, float, float, float]]:
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
                facecolor=(*_rgb(QUIET), 0.16),
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


def _rgb(colour: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)


def _error_bars(
    marks: Sequence[Mark], frame: _Frame
) -> Iterator[tuple[float, float, float, float]]:
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
        colour = (*_rgb(FAINT), 0.8)
        frame.axes.plot(
            *zip(*points, strict=True), color=colour, linewidth=0.6, clip_on=False, zorder=1
        )
    for first, last in bars:
        (left, low), (right, high) = frame.at(*first), frame.at(*last)
        yield left - 0.5, low - 0.5, right + 0.5, high + 0.5


def _name_marks(
    marks: Sequence[Mark],
    frame: _Frame,
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


def _lines(chart: Lines) -> Drawn:
    entries = _line_entries(chart)
    y_range = (chart.y.low, chart.y.high)
    frame = _frame(BESIDE_AXIS, PANEL_HEIGHT, _legend_height(entries), chart.x, y_range)
    axes = frame.axes
    axes.set_ylabel(shortened(drawable(chart.y.title), LONGEST_TITLE))
    axes.grid(axis="y")
    _few_ticks(axes, whole=True)
    _draw_legend(frame, entries)
    _chance(frame, chart.y, upright=False)
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
    return Drawn(frame.figure, tips)


def _band_colour(band: int) -> tuple[float, float, float, float]:
    return (*_rgb(FAINT), (0.3, 0.5)[band % 2])


def _line_style(line: Any) -> dict[str, Any]:
    if line.bold:
        return {"color": INK, "linewidth": 2.4, "zorder": 4}
    if line.colour is None:
        return {"color": (*_rgb(FAINT), 0.7), "linewidth": 0.6, "zorder": 2}
    return {"color": PALETTE[line.colour], "linewidth": 1.4, "zorder": 3}


def _line_entries(chart: Lines) -> list[_Entry]:
    """Bold and coloured lines, those that reach highest first, and the bands."""
    named = [line for line in chart.lines if line.bold or line.colour is not None]
    named.sort(key=lambda line: (not line.bold, -max(y for _, y in line.points)))
    entries = [_Entry(shortened(drawable(line.name)), _line_style(line)) for line in named]
    for number, band in enumerate(chart.bands):
        symbol = {"color": _band_colour(number), "linewidth": 6, "solid_capstyle": "butt"}
        entries.append(_Entry(band.name, symbol))
    return entries + _chance_entry(chart.y)


def _heatmap(chart: Heatmap) -> Drawn:
    import numpy as np

    layers = max(len(row.values) for row in chart.rows)
    cells = np.full((len(chart.rows), layers), np.nan)
    for number, row in enumerate(chart.rows):
        cells[number, : len(row.values)] = row.values
    names = [shortened(drawable(row.name)) for row in chart.rows]
    left = EDGE + 4 + max(text_width(name, TINY) for name in names)
    height, top = ROW_HEIGHT * len(names), LEGEND_ROW + EDGE
    first = chart.x.low
    x = Axis(chart.x.title, first - 0.5, first + layers - 0.5)
    frame = _frame(left, height, top, x, (len(names) - 0.5, -0.5))
    axes = frame.axes
    extent = (x.low, x.high, len(names) - 0.5, -0.5)
    colours = {"cmap": COLOUR_MAP, "aspect": "auto", "interpolation": "none"}
    axes.imshow(cells, vmin=0, vmax=chart.limit, extent=extent, clip_on=False, **colours)
    _few_ticks(axes, whole=True, upright=False)
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
        "data-first": f"{first:g}",
        "data-layers": str(layers),
        "data-names": "\t".join(row.name for row in chart.rows),
        "data-values": " ".join("".join(map(_digits, row.values)) for row in chart.rows),
    }
    return Drawn(frame.figure, cells=told)


def _colour_bar(frame: _Frame, chart: Heatmap, colours: Mapping[str, Any]) -> None:
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


def _estimates(chart: Estimates) -> Drawn:
    names = [shortened(drawable(row.name)) for row in chart.rows]
    left = EDGE + 4 + max(text_width(name, TINY) for name in names)
    entries = [
        _Entry(shortened(drawable(name)), _mark(number)) for number, name in enumerate(chart.series)
    ]
    entries += _chance_entry(chart.x)
    step = MARK_STEP * len(chart.series) + 5 if chart.apart else ROW_HEIGHT
    count = len(chart.rows)
    top = _legend_height(entries)
    frame = _frame(left, step * count, top, chart.x, (count - 0.5, -0.5))
    axes = frame.axes
    axes.grid(axis="x")
    _few_ticks(axes, upright=False)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _draw_legend(frame, entries)
    _chance(frame, chart.x, upright=True)
    if chart.x.low < 0 < chart.x.high:
        axes.axvline(0, color=QUIET, linewidth=0.8, zorder=1)
    for number, name in enumerate(names):
        frame.write(left - 4, frame.at(0, number)[1], name, ha="right", fontsize=TINY)
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
        xs, ys = [each.value for _, _, each in estimates], [y for y, _, _ in estimates]
        if not xs:
            continue
        gid = f"series-{series}"
        axes.plot(xs, ys, gid=gid, clip_on=False, zorder=3, **_mark(series))
        values = [(_in_full(each),) for _, _, each in estimates]
        tips[gid] = Tips([row for _, row, _ in estimates], [of_series], values)
    return Drawn(frame.figure, tips)


def _join(chart: Estimates, axes: Axes) -> None:
    """A thin line between the ends of each row."""
    nan = float("nan")
    points = []
    for number, row in enumerate(chart.rows):
        values = [each.value for each in row.estimates if each is not None]
        if values:
            points += [(min(values), number), (max(values), number), (nan, nan)]
    axes.plot(*zip(*points, strict=True), color=FAINT, linewidth=0.8, clip_on=False, zorder=1)


def _intervals(axes: Axes, rows: Sequence[tuple[float, Estimate]], colour: str) -> None:
    nan = float("nan")
    points = [
        point
        for y, each in rows
        if each.low is not None and each.high is not None
        for point in ((each.low, y), (each.high, y), (nan, nan))
    ]
    if points:
        axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.3, clip_on=False, zorder=2)


def _in_full(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
