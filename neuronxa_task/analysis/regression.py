"""Accuracy predicted from alignment: a straight line over languages, and how far to trust it.

Pure functions on numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from neuronxa_task.analysis.bootstrap import Floats, Points, UndefinedCorrelation, is_constant


@dataclass(frozen=True)
class Line:
    """Least-squares line of accuracy over alignment.

    Attributes:
        intercept: accuracy at no alignment.
        slope: accuracy per unit of alignment.
        n: languages.
        center: their mean alignment.
        spread: sum of their squared distances from it.
        error: standard error of the residuals, √(Σ e² / (n − 2)).
        r_squared: share of the variance explained.
    """

    intercept: float
    slope: float
    n: int
    center: float
    spread: float
    error: float
    r_squared: float

    def at(self, x: Floats) -> Floats:
        """`[m]`: estimated accuracy at each alignment `[m]`."""
        return self.intercept + self.slope * x

    def reach(self, x: Floats, confidence: float = 0.95) -> Floats:
        """`[m]`: half the width of the prediction interval of one further language at each `x`.

        t_{n−2} · s · √(1 + 1/n + (x − x̄)² / Σ (x_i − x̄)²), for normal errors of one variance.
        """
        quantile = stats.t.ppf((1 + confidence) / 2, self.n - 2)
        return np.asarray(
            quantile * self.error * np.sqrt(1 + 1 / self.n + (x - self.center) ** 2 / self.spread)
        )


@dataclass(frozen=True)
class Errors:
    """Errors of predictions: root mean square and mean absolute."""

    rmse: float
    mae: float

    @classmethod
    def of(cls, residuals: Floats) -> Errors:
        """From accuracy minus prediction, `[n]`."""
        return cls(float(np.sqrt(np.mean(residuals**2))), float(np.mean(np.abs(residuals))))


def fit(points: Points) -> Line:
    """Fit the line.

    Raises:
        UndefinedCorrelation: fewer than 3 languages, or alignment or accuracy the same for all.

    >>> line = fit(Points(np.array([0.0, 1, 2]), np.array([1.0, 2, 4]), "abc"))
    >>> round(line.slope, 3), round(line.intercept, 3)
    (1.5, 0.833)
    """
    points.require_correlation()
    found = stats.linregress(points.x, points.y)
    line = found.intercept + found.slope * points.x
    n = len(points.x)
    return Line(
        intercept=float(found.intercept),
        slope=float(found.slope),
        n=n,
        center=float(points.x.mean()),
        spread=float(np.sum((points.x - points.x.mean()) ** 2)),
        error=float(np.sqrt(np.sum((points.y - line) ** 2) / (n - 2))),
        r_squared=float(found.rvalue**2),
    )


def left_out(points: Points) -> Errors:
    """Errors of each language's prediction by a line through all the others.

    Leaving point i out makes its residual e_i into e_i / (1 − h_i), h_i its leverage.

    Raises:
        UndefinedCorrelation: there is no line, or none without one of the languages.
    """
    line = fit(points)
    for index, label in enumerate(points.labels):
        if is_constant(np.delete(points.x, index)):
            raise UndefinedCorrelation(
                f"without {label}, {points.names[0]} is the same for all other languages"
            )
    leverage = 1 / line.n + (points.x - line.center) ** 2 / line.spread
    return Errors.of((points.y - line.at(points.x)) / (1 - leverage))


def left_out_mean(points: Points) -> Errors:
    """Errors of the baseline: each language predicted by the mean accuracy of all the others."""
    n = len(points.y)
    return Errors.of((points.y - points.y.mean()) * n / (n - 1))
