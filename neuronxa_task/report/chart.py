"""What a chart shows, in plain numbers. It is drawn once, for both the page and the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Union

ROUND_LIMITS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6)
MARGIN = 0.06
COLOURS = 8


@dataclass(frozen=True)
class Axis:
    """An axis: its title and its range."""

    title: str
    low: float
    high: float


@dataclass(frozen=True)
class Mark:
    """A language in a scatter.

    Attributes:
        name: what the label says.
        x_ends, y_ends: of their intervals; None where there is none.
        group: place among the scatter's groups.
        hollow: not filled: y is not above chance.
    """

    name: str
    x: float
    y: float
    x_ends: tuple[float, float] | None = None
    y_ends: tuple[float, float] | None = None
    group: int = 0
    hollow: bool = False


@dataclass(frozen=True)
class Trend:
    """A curve y over increasing x, from the first mark to the last, and a band around it."""

    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True)
class Scatter:
    """Languages as marks.

    Attributes:
        marks: in order of priority for labels; not empty.
        groups: names of the groups of marks.
        notes: what stands above, such as r and n.
        typical: half widths of typical intervals of x and y, if the marks do not show their own.
        diagonal: draw x = y, in a square.
        chance: the value of y that guessing reaches, if that is known.
    """

    x: Axis
    y: Axis
    marks: Sequence[Mark]
    groups: Sequence[str]
    trend: Trend | None = None
    notes: Sequence[str] = ()
    typical: tuple[float, float] | None = None
    diagonal: bool = False
    chance: float | None = None


@dataclass(frozen=True)
class Line:
    """A named line; faint where it has no colour, bold and in ink for an average.

    Attributes:
        name: shown in the legend and when pointing at the line.
        points: (x, y), x increasing; not empty.
        colour: 0 to 7, or None.
        bold: whether it is the average.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: int | None = None
    bold: bool = False


@dataclass(frozen=True)
class Band:
    """A range around lines: (x, low, high), x increasing."""

    name: str
    points: Sequence[tuple[float, float, float]]


@dataclass(frozen=True)
class Lines:
    """Lines over layers, and bands behind them."""

    x: Axis
    y: Axis
    lines: Sequence[Line]
    bands: Sequence[Band] = ()


@dataclass(frozen=True)
class Row:
    """A row of a heatmap: NaN where there is no value; a heading has no values at all."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Heatmap:
    """Rows by layers as colour.

    Attributes:
        x_title: title of the layers' axis.
        first_layer: number of the first one.
        rows: from top to bottom.
        limit: value of the brightest colour; 0 is the darkest.
        measure: what the colours mean.
    """

    x_title: str
    first_layer: int
    rows: Sequence[Row]
    limit: float
    measure: str


@dataclass(frozen=True, eq=False)
class PairMap:
    """A matrix of languages as colour, with their tree beside it.

    Attributes:
        names: of the languages, in the tree's order.
        values: symmetric, by language and language; the diagonal is not shown.
        links: the tree, as `scipy.cluster.hierarchy` writes it.
        limit: value of the brightest colour; 0 is the darkest.
        measure: what the colours mean.
    """

    names: Sequence[str]
    values: Sequence[Sequence[float]]
    links: Any
    limit: float
    measure: str


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its interval, if it has one."""

    value: float
    ends: tuple[float, float] | None = None


@dataclass(frozen=True)
class EstimateRow:
    """An estimate per series, None where there is none."""

    name: str
    estimates: Sequence[Estimate | None]


@dataclass(frozen=True)
class Estimates:
    """Rows of marks with intervals: a forest plot, or a dot plot.

    Attributes:
        rows: from top to bottom.
        series: names of the series; each has a colour and a shape.
        apart: whether a row's marks are below each other, not at the same height.
    """

    x: Axis
    rows: Sequence[EstimateRow]
    series: Sequence[str]
    apart: bool


Drawing = Union[Scatter, Lines, Heatmap, PairMap, Estimates]  # noqa: UP007 -- evaluated on Python 3.10


@dataclass(frozen=True)
class Chart:
    """Drawings under one caption.

    Attributes:
        name: in files' names.
        caption: text below the chart, also for screen readers.
        keys: the option of each menu that shows the chart.
        drawings: one, or the parts of one that is too long.
    """

    name: str
    caption: str
    keys: Mapping[str, int]
    drawings: Sequence[Drawing]


@dataclass(frozen=True)
class Menu:
    """One menu of a section.

    Attributes:
        key: which of the charts' keys it chooses.
        chosen: option that is shown at first; None for all of them.
    """

    key: str
    label: str
    options: Sequence[str]
    chosen: int | None = 0


@dataclass(frozen=True)
class Section:
    """Charts, and the menus that choose among them."""

    charts: Sequence[Chart]
    menus: Sequence[Menu]

    def shows(self, chart: Chart) -> bool:
        """Whether the menus' first choices show a chart."""
        return all(menu.chosen in (None, chart.keys[menu.key]) for menu in self.menus)


def around(values: Sequence[float]) -> tuple[float, float]:
    """A range a little wider than the values'.

    >>> around([0.5, 0.5]), around([0.0, 1.0])
    ((0.45, 0.55), (-0.06, 1.06))
    """
    low, high = min(values), max(values)
    margin = MARGIN * (high - low) or 0.05 * max(1.0, abs(high))
    return low - margin, high + margin


def upper_limit(values: Sequence[float]) -> float:
    """A round end of an axis from 0 that leaves small values room: 1 for large ones.

    >>> upper_limit([0.04, float("nan")]), upper_limit([0.25]), upper_limit([0.7]), upper_limit([])
    (0.05, 0.3, 1.0, 1.0)
    """
    highest = max((value for value in values if isfinite(value)), default=1.0)
    return next((limit for limit in ROUND_LIMITS if highest <= limit), max(1.0, highest))
