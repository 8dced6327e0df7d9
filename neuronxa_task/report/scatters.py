"""Scatters of languages, from their values and standard errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Literal

from neuronxa_task.report.chart import Axis, Mark, Scatter, around
from neuronxa_task.report.content import Number, Pair
from neuronxa_task.report.trend import Fit, fit

SCRIPTS = ("Latin script", "other scripts")
NORMAL_95 = 1.96
FEW = 40
"""Up to so many marks the axes have room for the ends of all intervals."""


def against(
    languages: Sequence[Pair],
    errors: Sequence[tuple[Number | None, Number | None]],
    x_title: str,
    y_title: str,
) -> Scatter:
    """A scatter with its line, those farthest from it in front; errors of x and y."""
    line = fit([each.x for each in languages], [each.y for each in languages])
    halves = {
        each.language.code: (_half_width(x), _half_width(y))
        for each, (x, y) in zip(languages, errors, strict=True)
    }
    marks = marks_of(sorted(languages, key=lambda each: -_distance(each, line)), halves)
    return Scatter(
        Axis(x_title, *around(_ends(marks, "x"))),
        Axis(y_title, *around(_ends(marks, "y"))),
        marks,
        SCRIPTS,
        line.trend if line else None,
        f"r = {line.r:.2f}, n = {line.n}".replace("-", "−") if line else f"n = {len(languages)}",
    )


def _distance(pair: Pair, line: Fit | None) -> float:
    return line.distance(pair.x, pair.y) if line else 0.0


def _half_width(number: Number | None) -> float | None:
    """Half of a 95 % interval, from a standard error."""
    if number is None or not isfinite(number.stderr):
        return None
    return NORMAL_95 * number.stderr


def marks_of(
    languages: Sequence[Pair], halves: Mapping[str, tuple[float | None, float | None]]
) -> list[Mark]:
    return [
        Mark(
            each.language.name,
            each.x,
            each.y,
            *halves.get(each.language.code, (None, None)),
            group=int(each.language.script != "Latin"),
        )
        for each in languages
    ]


def _ends(marks: Sequence[Mark], axis: Literal["x", "y"]) -> list[float]:
    """The marks' values on an axis; of a few marks also the ends of their intervals."""
    values = [mark.x if axis == "x" else mark.y for mark in marks]
    errors = [(mark.x_error if axis == "x" else mark.y_error) or 0.0 for mark in marks]
    if len(marks) > FEW:
        return values
    pairs_of = list(zip(values, errors, strict=True))
    return [value - error for value, error in pairs_of] + [
        value + error for value, error in pairs_of
    ]
