"""Whether one alignment score tracks accuracy better than another, on the same languages.

The two correlations share the accuracies and their scores correlate, so they are dependent and
overlapping. Steiger's Z and Williams' t are what Steiger (1980, Psychological Bulletin 87:245-251)
recommends for them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from neuronxa_task.analysis.bootstrap import (
    BOOTSTRAP,
    Bootstrap,
    Interval,
    Points,
    UndefinedCorrelation,
    resampled,
)
from neuronxa_task.analysis.statistics import EXACT, correlation_of
from neuronxa_task.errors import NeuronXAError

MIN_POINTS = 4


@dataclass(frozen=True)
class Outcome:
    """A test statistic and its two-sided p."""

    statistic: float
    p: float


@dataclass(frozen=True)
class Comparison:
    """Two Pearson correlations with the same accuracies, compared.

    Attributes:
        first: correlation of the first score with accuracy.
        second: of the second score.
        between: of the two scores.
        n: languages.
        steiger: Steiger's Z.
        williams: Williams' t.
        bootstrap: percentile interval of `first - second` over resampled languages; `None` where
            no resample has both.
    """

    first: float
    second: float
    between: float
    n: int
    steiger: Outcome
    williams: Outcome
    bootstrap: Interval | None


def steiger(first: float, second: float, between: float, n: int) -> Outcome:
    """Steiger's Z for dependent overlapping correlations, with the pooled r (his Z̄₂*).

    Args:
        first: r of y with the first variable.
        second: r of y with the second.
        between: r of the two variables.
        n: points.

    Raises:
        UndefinedCorrelation: fewer than four points, or one of the correlations is exactly 1.

    >>> round(steiger(0.3, 0.4, 0.5, 100).statistic, 4)
    -1.0718
    """
    _require_test(first, second, between, n)
    mean = (first + second) / 2
    covariance = between * (1 - 2 * mean**2) - mean**2 * (1 - 2 * mean**2 - between**2) / 2
    covariance /= (1 - mean**2) ** 2
    error = _positive((2 - 2 * covariance) / (n - 3))
    z = (np.arctanh(first) - np.arctanh(second)) / np.sqrt(error)
    return Outcome(float(z), float(2 * stats.norm.sf(abs(z))))


def williams(first: float, second: float, between: float, n: int) -> Outcome:
    """Williams' t for dependent overlapping correlations, n - 3 degrees of freedom.

    Arguments and errors as of `steiger`.
    """
    _require_test(first, second, between, n)
    determinant = 1 - first**2 - second**2 - between**2 + 2 * first * second * between
    mean = (first + second) / 2
    error = 2 * (n - 1) / (n - 3) * determinant + mean**2 * (1 - between) ** 3
    t = (first - second) * np.sqrt((n - 1) * (1 + between) / _positive(error))
    return Outcome(float(t), float(2 * stats.t.sf(abs(t), n - 3)))


def _require_test(first: float, second: float, between: float, n: int) -> None:
    if n < MIN_POINTS:
        raise UndefinedCorrelation(f"{n} languages; at least {MIN_POINTS} are needed")
    if any(abs(r) >= EXACT for r in (first, second, between)):
        raise UndefinedCorrelation("one of the correlations, or the scores' own, is exactly 1")


def _positive(error: float) -> float:
    if error < 1e-12:
        raise UndefinedCorrelation("one score and accuracy determine the other score exactly")
    return error


def compare(first: Points, second: Points, bootstrap: Bootstrap = BOOTSTRAP) -> Comparison:
    """Compare the correlations of two scores with the same accuracies.

    Args:
        first: the first score and the accuracy of each language.
        second: the second score, and the same accuracies of the same languages.
        bootstrap: settings of the interval.

    Raises:
        UndefinedCorrelation: a correlation or the test is not defined.
        NeuronXAError: the points are not of the same languages.
    """
    if list(first.labels) != list(second.labels) or not np.array_equal(first.y, second.y):
        raise NeuronXAError("the two scores are not of the same languages and accuracies")
    scores = Points(first.x, second.x, first.labels, (first.names[0], second.names[0]))
    r = tuple(correlation_of(points, "pearson") for points in (first, second, scores))
    n = len(first.x)
    drawn = resampled([first, second], "pearson", bootstrap)
    return Comparison(
        *(r[0], r[1], r[2], n),
        steiger=steiger(r[0], r[1], r[2], n),
        williams=williams(r[0], r[1], r[2], n),
        bootstrap=bootstrap.interval(drawn[0] - drawn[1])[0],
    )
