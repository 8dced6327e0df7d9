"""Scatter plots of languages: accuracy against alignment, with the curve of `predict`."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

from neuronxa_task.analysis.pairing import AccuracyJoin
from neuronxa_task.analysis.points import Points, UndefinedCorrelation
from neuronxa_task.analysis.regression import Curve, fit
from neuronxa_task.analysis.statistics import coefficient
from neuronxa_task.report.chart import Axis, Mark, Scatter, Trend, around
from neuronxa_task.report.content import Point

SCRIPTS = ("Latin script", "other scripts")
FEW = 40
"""Largest number of marks that are drawn with their own intervals."""

STEPS = 24


def against(join: AccuracyJoin, points: Sequence[Point], score: str, y_title: str) -> Scatter:
    """Accuracy against a score; languages farthest from the curve come first.

    Args:
        join: the model's alignment and accuracy.
        points: its languages.
        score: score of the x axis.
        y_title: title of the y axis.
    """
    sample = join.points(score)
    curve = curve_of(join, score)
    chance = join.bounds.chance
    few = len(points) <= FEW
    marks = marks_of(sorted(points, key=lambda point: -_distance(point, curve)), intervals=few)
    xs, ys = ([end for mark in marks for end in _extent(mark, axis)] for axis in "xy")
    return Scatter(
        Axis(score.upper(), *around(xs)),
        Axis(y_title, *around(ys if chance is None else [*ys, chance])),
        marks,
        SCRIPTS,
        None if curve is None else trend(curve, float(min(sample.x)), float(max(sample.x))),
        list(_notes(join, score, sample)),
        None if few else _typical(points),
        chance=chance,
    )


def curve_of(join: AccuracyJoin, score: str) -> Curve | None:
    """The curve of `neuronxa predict`; `None` if it is undefined."""
    try:
        return fit(join.points(score), join.bounds.floor, join.bounds.ceiling)
    except UndefinedCorrelation:
        return None


def trend(curve: Curve, first: float, last: float) -> Trend:
    """The curve between two values of alignment, with the band expected of a further language.

    The band is the 95 % prediction interval of one further language, as in `neuronxa predict`; it
    ends at the bounds of the curve.
    """
    across = np.linspace(first, last, STEPS)
    at, half_width = curve.at(across), curve.half_width(across)
    low, high = at - half_width, at + half_width
    if curve.floor is not None and curve.ceiling is not None:
        low, high = np.maximum(low, curve.floor), np.minimum(high, curve.ceiling)
    return Trend(*(tuple(map(float, values)) for values in (across, at, low, high)))


def _notes(join: AccuracyJoin, score: str, sample: Points) -> list[str]:
    """r and n, over all languages and over those above chance."""
    notes = [_r_and_n("", sample)]
    above = join.points(score, above_chance=True)
    if len(above.x) < len(sample.x):
        notes.append(_r_and_n("above chance: ", above))
    return notes


def _r_and_n(what: str, sample: Points) -> str:
    try:
        r = f"r = {coefficient(sample, 'pearson'):.2f}, ".replace("-", "−")
    except UndefinedCorrelation:
        r = ""
    return f"{what}{r}n = {len(sample.x)}"


def _distance(point: Point, curve: Curve | None) -> float:
    if curve is None:
        return 0.0
    return abs(point.y - float(curve.at(np.array([point.x]))[0]))


def marks_of(points: Sequence[Point], *, intervals: bool = False) -> list[Mark]:
    return [
        Mark(
            point.language.name,
            point.x,
            point.y,
            point.x_ends if intervals else None,
            point.y_ends if intervals else None,
            group=int(point.language.script != "Latin"),
            hollow=not point.above_chance,
        )
        for point in points
    ]


def _extent(mark: Mark, axis: str) -> tuple[float, ...]:
    """A mark's value on an axis, and the ends of its interval."""
    value, ends = (mark.x, mark.x_ends) if axis == "x" else (mark.y, mark.y_ends)
    return (value, *(ends or ()))


def _typical(points: Sequence[Point]) -> tuple[float, float] | None:
    """Medians of the half widths of the intervals of x and y; `None` where there are none."""
    half_widths = [
        [(ends[1] - ends[0]) / 2 for ends in of_axis if ends is not None]
        for of_axis in ([point.x_ends for point in points], [point.y_ends for point in points])
    ]
    x, y = (median(widths) if widths else 0.0 for widths in half_widths)
    return (x, y) if x or y else None
