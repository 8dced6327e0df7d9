"""What all drawings share: sizes, colours, the frame of a panel, its legend. Lengths are points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING, Any

from neuronxa_task.report.chart import Axis
from neuronxa_task.report.labels import FONT, drawable, shortened, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = ("#0072b2", "#c44e00", "#007f5c", "#a9487f", "#946200", "#4a55a8", "#6b6b00", "#5c4a3d")
INK, QUIET, FAINT, RULE, PAPER = "#1a1e24", "#565e6a", "#b4bcc8", "#d9dde3", "#ffffff"
"""The light colours of page.css, where each has a dark one beside it."""

SHAPES = ("o", "s", "^", "D", "v", "P", "X", "p")
AS_COLOURS: Mapping[str, Any] = {"cmap": "viridis", "aspect": "auto", "interpolation": "none"}
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

Point = tuple[float, float]

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
    **dict.fromkeys(("xtick.color", "ytick.color"), QUIET),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), SMALL),
    **dict.fromkeys(("xtick.major.size", "ytick.major.size"), 2),
    **dict.fromkeys(("xtick.major.width", "ytick.major.width"), 0.6),
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "neuronxa",
    "pdf.fonttype": 42,
}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings, for `draw` and for saving its figures."""
    import matplotlib as mpl

    settings: Any = STYLE
    with mpl.rc_context(settings):
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
        tips: by the gid of an artist, what pointing at its elements tells.
        cells: attributes of the first image, if there is one.
        natural: whether the page shows it in its own size, not as wide as there is room.
    """

    figure: Figure
    tips: dict[str, Tips] = field(default_factory=dict)
    cells: dict[str, str] = field(default_factory=dict)
    natural: bool = False


def paper(width: float, height: float) -> Figure:
    """An empty figure, whose pixels are points."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    figure.patch.set_gid("paper")
    return figure


def panel(
    left: float, height: float, top: float, x: Axis, y: tuple[float, float]
) -> tuple[Figure, Axes]:
    """A figure with one panel of a height, and room at its left and above it.

    The panel ends at the same distance from the right edge in every chart.
    """
    total = top + height + BELOW_AXIS
    width = WIDTH - left - 2 * EDGE
    figure = paper(WIDTH, total)
    axes = figure.add_axes((left / WIDTH, BELOW_AXIS / total, width / WIDTH, height / total))
    axes.patch.set_visible(False)
    axes.set_xlim(x.low, x.high)
    axes.set_ylim(*y)
    axes.set_xlabel(shortened(drawable(x.title), LONGEST_TITLE))
    return figure, axes


def write(figure: Figure, x: float, y: float, text: str, **options: Any) -> None:
    """Text at a place of a figure."""
    width, height = figure.bbox.size
    figure.text(x / width, y / height, text, va="center_baseline", **options)


@dataclass(frozen=True)
class Entry:
    """A part of a legend: a text, after a symbol if there is one."""

    text: str
    symbol: Mapping[str, Any] | None = None


def _legend_rows(entries: Sequence[Entry]) -> list[list[tuple[float, Entry]]]:
    """Entries side by side, each with its place, in as many rows as they take."""
    rows: list[list[tuple[float, Entry]]] = [[]]
    x = EDGE
    for entry in entries:
        width = text_width(entry.text, SMALL) + (16 if entry.symbol else 0)
        if rows[-1] and x + width > WIDTH - EDGE:
            rows.append([])
            x = EDGE
        rows[-1].append((x, entry))
        x += width + 10
    return rows if rows[0] else []


def legend_height(entries: Sequence[Entry]) -> float:
    """Room that a legend takes above a panel."""
    return LEGEND_ROW * len(_legend_rows(entries)) + EDGE


def draw_legend(figure: Figure, entries: Sequence[Entry]) -> None:
    """A legend above a panel, in as many rows as it takes."""
    from matplotlib.lines import Line2D

    width, height = figure.bbox.size
    for number, row in enumerate(_legend_rows(entries)):
        y = height - EDGE / 2 - LEGEND_ROW * (number + 0.5)
        for x, entry in row:
            if entry.symbol is not None:
                ends = [x + 1, x + 11] if entry.symbol.get("linestyle") != "none" else [x + 7]
                line = Line2D(
                    [end / width for end in ends], [y / height] * len(ends), **entry.symbol
                )
                figure.add_artist(line)
            write(figure, x + (16 if entry.symbol else 0), y, entry.text, fontsize=SMALL)


def mark_style(group: int, **others: Any) -> dict[str, Any]:
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


def hollow_style(group: int) -> dict[str, Any]:
    """A group's marks, not filled."""
    return mark_style(
        group, markerfacecolor=PAPER, markeredgecolor=PALETTE[group], markeredgewidth=0.9
    )


def few_ticks(axes: Axes, *, whole: bool = False, upright: bool = True) -> None:
    """Round ticks across and, unless rows are named, upright; across in whole numbers if asked."""
    from matplotlib.ticker import MaxNLocator

    steps = [1, 2, 5, 10]
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=steps, integer=whole))
    if upright:
        axes.yaxis.set_major_locator(MaxNLocator(7, steps=steps))


def draw_segments(axes: Axes, segments: Iterable[Sequence[Point]], **look: Any) -> None:
    """Lines between two points each, as one path."""
    points = [point for ends in segments for point in (*ends, (nan, nan))]
    if points:
        axes.plot(*zip(*points, strict=True), clip_on=False, **look)


def colour_bar(figure: Figure, limit: float, measure: str) -> None:
    """A bar of all colours at the top, with what they mean and the value of the brightest."""
    import numpy as np

    high, text = f"{limit:g}", shortened(drawable(measure), LONGEST_TITLE)
    across, total = figure.bbox.size
    y = total - EDGE / 2 - LEGEND_ROW / 2
    width, end = 60.0, across - 2 * EDGE - text_width(high, SMALL)
    box = ((end - width) / across, (y - 3) / total, width / across, 6 / total)
    bar = figure.add_axes(box)
    bar.set_axis_off()
    bar.imshow(np.linspace(0, 1, 64)[None], clip_on=False, **AS_COLOURS)
    for x, words, side in ((end + 3, high, "left"), (end - width - 3, f"{text}:  0", "right")):
        write(figure, x, y, words, ha=side, fontsize=SMALL)


def cells_of(names: Sequence[str], rows: Iterable[Sequence[float]]) -> dict[str, str]:
    """Attributes of an image that tell its rows' names and values."""
    values = " ".join("".join(map(digits, row)) for row in rows)
    return {"data-names": "\t".join(names), "data-values": values}


def digits(value: float) -> str:
    """A value from 0 to 1 in thousandths, as two digits to the base of 36; `--` for none.

    >>> digits(0.83), digits(1.0), digits(float("nan"))
    ('n2', 'rs', '--')
    """
    if value != value:
        return "--"
    high, low = divmod(round(1000 * value), 36)
    return DIGITS[high] + DIGITS[low]
