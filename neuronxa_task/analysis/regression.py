"""Regression of accuracy on alignment: a bounded curve over languages, and its errors."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.special import expit, logit

from neuronxa_task.analysis.fisher import CONFIDENCE
from neuronxa_task.analysis.points import Floats, Points, UndefinedCorrelation, is_constant

ITERATIONS = 100
STEEPEST = 30.0
"""Bound on both parameters, in standard deviations of alignment: σ(30) rounds to 1."""
CLOSE = 1e-13


@dataclass(frozen=True, eq=False)
class Curve:
    """Least-squares curve of accuracy over alignment.

    With bounds it is floor + (ceiling − floor) · σ(intercept + slope · x), σ the logistic function,
    so that no estimate is below chance or above 1; without, intercept + slope · x.

    Attributes:
        floor: lower bound of the estimates; `None` for a straight line.
        ceiling: upper bound of the estimates; `None` for a straight line.
        error: standard error of the residuals, √(Σ e² / (n − 2)).
        r_squared: 1 − Σ e² / Σ (y − ȳ)².
        inverse: `[2, 2]`, (JᵀJ)⁻¹, with J the derivatives by intercept and slope at each language.
    """

    intercept: float
    slope: float
    n: int
    floor: float | None
    ceiling: float | None
    error: float
    r_squared: float
    inverse: Floats

    def at(self, x: Floats) -> Floats:
        """`[m]`: estimated accuracy at each alignment `[m]`."""
        linear = self.intercept + self.slope * x
        if self.floor is None or self.ceiling is None:
            return linear
        return np.asarray(self.floor + (self.ceiling - self.floor) * expit(linear))

    def half_width(self, x: Floats) -> Floats:
        """`[m]`: half the width of the prediction interval of a new language at each `x`.

        t_{n−2} · s · √(1 + gᵀ (JᵀJ)⁻¹ g), with g the curve's derivatives at x. For normal errors of
        equal variance it is exact for the line; for the bounded curve it is the delta method.
        """
        quantile = stats.t.ppf((1 + CONFIDENCE) / 2, self.n - 2)
        slopes = self.derivatives(x)
        spread = np.einsum("mi,ij,mj->m", slopes, self.inverse, slopes)
        return np.asarray(quantile * self.error * np.sqrt(1 + spread))

    def derivatives(self, x: Floats) -> Floats:
        """`[m, 2]`: derivatives of the estimates by intercept and slope."""
        design = np.column_stack([np.ones_like(x), x])
        if self.floor is None or self.ceiling is None:
            return design
        height = expit(self.intercept + self.slope * x)
        return np.asarray(design * ((self.ceiling - self.floor) * height * (1 - height))[:, None])


@dataclass(frozen=True)
class Errors:
    """Root mean square error and mean absolute error of predictions."""

    rmse: float
    mae: float

    @classmethod
    def of(cls, residuals: Floats) -> Errors:
        """Summarise residuals, accuracy minus prediction, `[n]`."""
        return cls(float(np.sqrt(np.mean(residuals**2))), float(np.mean(np.abs(residuals))))


def fit(points: Points, floor: float | None = None, ceiling: float | None = None) -> Curve:
    """Fit the curve; a straight line without bounds.

    Raises:
        UndefinedCorrelation: fewer than 3 languages, or alignment or accuracy the same for all.

    >>> line = fit(Points(np.array([0.0, 1, 2]), np.array([1.0, 2, 4]), "abc"))
    >>> round(line.slope, 3), round(line.intercept, 3)
    (1.5, 0.833)
    """
    points.require_correlation()
    if floor is None or ceiling is None:
        floor = ceiling = None
    n = len(points.x)
    intercept, slope = map(float, _parameters(points, np.ones((1, n)), floor, ceiling)[0])
    curve = Curve(intercept, slope, n, floor, ceiling, 0.0, 0.0, np.zeros((2, 2)))
    sum_squares = float(np.sum((points.y - curve.at(points.x)) ** 2))
    slopes = curve.derivatives(points.x)
    return replace(
        curve,
        error=float(np.sqrt(sum_squares / (n - 2))),
        r_squared=1 - sum_squares / float(np.sum((points.y - points.y.mean()) ** 2)),
        inverse=np.asarray(np.linalg.pinv(slopes.T @ slopes)),
    )


def leave_one_out(
    points: Points,
    floor: float | None = None,
    ceiling: float | None = None,
    groups: Sequence[Hashable] | None = None,
) -> Errors:
    """Errors of predicting each language from a curve fitted to the others.

    Args:
        points: alignment and accuracy.
        floor: as in `fit`.
        ceiling: as in `fit`.
        groups: group of each language, such as its family, to leave out whole groups.

    Raises:
        UndefinedCorrelation: no curve can be fitted to all languages, or to all but one group.
    """
    points.require_correlation()
    groups = list(points.labels if groups is None else groups)
    distinct = list(dict.fromkeys(groups))
    member = np.array([[own == group for own in groups] for group in distinct])
    for group, is_member in zip(distinct, member, strict=True):
        kept = points.x[~is_member]
        if len(kept) < 2 or is_constant(kept):
            raise UndefinedCorrelation(
                f"without {group}, {points.names[0]} is the same for all other languages"
            )
    parameters = _parameters(points, (~member).astype(np.float64), floor, ceiling)
    own = parameters[np.argmax(member, axis=0)]  # each language is in one group
    linear = own[:, 0] + own[:, 1] * points.x
    if floor is not None and ceiling is not None:
        linear = floor + (ceiling - floor) * expit(linear)
    return Errors.of(points.y - linear)


def leave_one_out_mean(points: Points, groups: Sequence[Hashable] | None = None) -> Errors:
    """Errors of the baseline: predicting each language as the mean accuracy of the others.

    Args:
        points: alignment and accuracy.
        groups: as in `leave_one_out`; at least two distinct ones.
    """
    groups = list(points.labels if groups is None else groups)
    kept = np.array([[other != own for other in groups] for own in groups], np.float64)
    return Errors.of(points.y - kept @ points.y / kept.sum(axis=1))


def _parameters(
    points: Points, weights: Floats, floor: float | None, ceiling: float | None
) -> Floats:
    """`[fits, 2]`: intercept and slope of one fit per row of weights `[fits, n]`."""
    center, scale = points.x.mean(), points.x.std()
    z = (points.x - center) / scale
    if floor is None or ceiling is None:
        fitted = _lines(z, points.y, weights)
    else:
        fitted = _logistic(z, (points.y - floor) / (ceiling - floor), weights)
    slope = fitted[:, 1] / scale
    return np.column_stack([fitted[:, 0] - slope * center, slope])


def _lines(z: Floats, y: Floats, weights: Floats) -> Floats:
    """`[fits, 2]`: weighted least-squares lines."""
    design = np.column_stack([np.ones_like(z), z])
    normal = np.einsum("bn,ni,nj->bij", weights, design, design)
    return np.asarray(np.linalg.solve(normal, ((weights * y) @ design)[..., None])[..., 0])


def _logistic(z: Floats, y: Floats, weights: Floats) -> Floats:
    """`[fits, 2]`: weighted least squares of σ(a + b z), by Levenberg and Marquardt's method."""
    current = _lines(z, logit(np.clip(y, 0.02, 0.98)), weights)
    damping = np.full(len(weights), 1e-3)
    cost, gradient, curvature = _expanded(current, z, y, weights)
    for _ in range(ITERATIONS):
        diagonal = np.einsum("bii->bi", curvature) + 1e-12
        damped = curvature + np.einsum("bi,ij->bij", damping[:, None] * diagonal, np.eye(2))
        damped += 1e-12 * np.eye(2)
        step = np.linalg.solve(damped, gradient[..., None])[..., 0]
        tried = np.clip(current + step, -STEEPEST, STEEPEST)
        new = _expanded(tried, z, y, weights)
        better = new[0] < cost
        gain = np.where(better, cost - new[0], 0.0)
        current = np.where(better[:, None], tried, current)
        cost = np.where(better, new[0], cost)
        gradient = np.where(better[:, None], new[1], gradient)
        curvature = np.where(better[:, None, None], new[2], curvature)
        damping = np.clip(np.where(better, damping / 5, damping * 5), 1e-9, 1e9)
        if np.all((gain <= CLOSE * cost) & (better | (damping > 1e3))):
            break
    return current


def _expanded(
    parameters: Floats, z: Floats, y: Floats, weights: Floats
) -> tuple[Floats, Floats, Floats]:
    """Each fit's cost `[fits]`, descent direction `[fits, 2]` and curvature `[fits, 2, 2]`."""
    fitted = expit(parameters[:, :1] + parameters[:, 1:] * z)
    residuals = y - fitted
    slope = fitted * (1 - fitted)
    first, second = weights * slope * residuals, weights * slope**2
    gradient = np.column_stack([first.sum(axis=1), first @ z])
    ones, ones_z, z_z = second.sum(axis=1), second @ z, second @ z**2
    curvature = np.stack([np.stack([ones, ones_z], -1), np.stack([ones_z, z_z], -1)], -2)
    return np.sum(weights * residuals**2, axis=1), gradient, curvature
