"""Whether one alignment score tracks accuracy better than another, on the same languages.

The two correlations share the accuracies and their scores correlate, so they are dependent and
overlapping. Steiger (1980, Psychological Bulletin 87:245-251) recommends two tests for this case:
his Z and Williams' t. We use Z, because it compares Fisher's z, as all intervals here do. Over
3,000 random populations the two p-values differed by at most 0.016 at 20 languages (0.002 in the
median), and by at most 0.003 at 100.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from neuronxa_task.analysis.bootstrap import MIN_DRAWN, Resampler
from neuronxa_task.analysis.fisher import EXACT, MIN_INTERVAL
from neuronxa_task.analysis.points import Interval, Points, UndefinedCorrelation
from neuronxa_task.analysis.statistics import coefficient
from neuronxa_task.errors import NeuronXAError


@dataclass(frozen=True)
class Outcome:
    """A test statistic and its two-sided p."""

    statistic: float
    p: float


@dataclass(frozen=True)
class Comparison:
    """The comparison of two Pearson correlations with the same accuracies.

    Attributes:
        first: correlation of the first score with accuracy.
        second: correlation of the second score with accuracy.
        between: correlation of the two scores.
        n: number of languages.
        steiger: Steiger's Z.
        bootstrap: BCa interval of `first - second` over resampled languages; `None` below 15 of
            them.
    """

    first: float
    second: float
    between: float
    n: int
    steiger: Outcome
    bootstrap: Interval | None


def steiger(first: float, second: float, between: float, n: int) -> Outcome:
    """Steiger's Z for dependent overlapping correlations, with the pooled r (his Z̄₂*).

    Args:
        first: r of y with the first variable.
        second: r of y with the second.
        between: r of the two variables.
        n: number of points.

    Raises:
        UndefinedCorrelation: fewer than five points, or one of the correlations is exactly 1.

    >>> round(steiger(0.3, 0.4, 0.5, 100).statistic, 4)
    -1.0718
    """
    if n < MIN_INTERVAL:
        raise UndefinedCorrelation(f"{n} languages; at least {MIN_INTERVAL} are needed")
    if any(abs(r) >= EXACT for r in (first, second, between)):
        raise UndefinedCorrelation("one of the correlations, or the scores' own, is exactly 1")
    mean = (first + second) / 2
    covariance = between * (1 - 2 * mean**2) - mean**2 * (1 - 2 * mean**2 - between**2) / 2
    covariance /= (1 - mean**2) ** 2
    error = (2 - 2 * covariance) / (n - 3)
    if error < 1e-12:
        raise UndefinedCorrelation("one score and accuracy determine the other score exactly")
    z = (np.arctanh(first) - np.arctanh(second)) / np.sqrt(error)
    return Outcome(float(z), float(2 * stats.norm.sf(abs(z))))


def compare(first: Points, second: Points, resampler: Resampler | None = None) -> Comparison:
    """Compare the correlations of two scores with the same accuracies.

    Args:
        first: the first score and the accuracy of each language.
        second: the second score, and the same accuracies of the same languages.
        resampler: draws the languages.

    Raises:
        UndefinedCorrelation: a correlation or the test is undefined.
        NeuronXAError: the two sets of points have different languages or accuracies.
    """
    resampler = resampler or Resampler()
    if list(first.labels) != list(second.labels) or not np.array_equal(first.y, second.y):
        raise NeuronXAError(
            "the two scores have different languages or accuracies; expected the same"
        )
    scores = Points(first.x, second.x, first.labels, (first.names[0], second.names[0]))
    r = tuple(coefficient(points, "pearson") for points in (first, second, scores))
    n = len(first.x)
    test = steiger(r[0], r[1], r[2], n)
    interval = None
    if n >= MIN_DRAWN:
        drawn, without_one = resampler.resampled([first, second], "pearson")
        interval = resampler.bootstrap.bca(
            r[0] - r[1], drawn[0] - drawn[1], without_one[0] - without_one[1]
        )
    return Comparison(*(r[0], r[1], r[2], n), steiger=test, bootstrap=interval)
